// SPDX-License-Identifier: MIT
// What is compared: one step of the same data-parallel training by what each rank keeps, on CPU ranks and
// GPUs.
#include <heddle/bench.h>
#include <heddle/device.h>
#include <heddle/error.h>
#include <heddle/random.h>
#include <math.h>
#include <stdlib.h>

#include "case.h"

// ROWS: of the batch, over all ranks. EVERY: a checkpoint before every fourth layer; √(16/2), about, is best.
enum { ROWS = 512, EVERY = 4 };

// ---------------------------------------------------------------- the problem

static void setup(hd_case *c) {
  if (c->size < 1) hd_fail(HD_EXIT_USAGE, "width = %ld: a layer has at least one unit", c->size);
  const size_t n = (size_t)c->size * ROWS, parameters = LAYERS * layer_parameters(c->size);
  state *s = hd_alloc(1, sizeof *s);
  s->input = hd_new_normal(n, c->seed, 0, 1);
  s->target = hd_new_normal(n, c->seed, 1, 1);
  // With this deviation the activations neither die out nor grow over the layers.
  s->initial = hd_new_normal(parameters, c->seed, 2, 1.5f / sqrtf((float)c->size));
  s->theta = hd_alloc(parameters, sizeof(float));
  s->update = hd_alloc(parameters, sizeof(float));
  s->problem = (problem){
      .width = c->size, .rows = ROWS, .input = s->input, .target = s->target, .initial = s->initial};
  hd_add_output(c, "update", s->update, parameters, HD_F32);
  c->state = s;
}

static void teardown(hd_case *c) {
  state *s = c->state;
  free(s->input);
  free(s->target);
  free(s->initial);
  free(s->theta);
  free(s->update);
  free(s);
}

static void reference(hd_case *c) {
  reference_update(&((const state *)c->state)->problem, CHECKED_STEPS, c->outputs[0].expected);
}

// Adam divides by the gradient's own size, so a gradient's rounding of 1e-6 of the largest is up to 1e-2 of a
// small one, damped by epsilon; and the update is a difference of numbers that are rounded to 2^-24 of 0.1,
// against steps of 1e-3. Mistakes show as 0.1 and more.
static double tolerance(const hd_case *c) {
  (void)c;
  return 1e-2;
}

static double items(const hd_case *c) {
  (void)c;
  return ROWS;
}

// Two FLOPs per weight and row forward, two for its gradient, two for the gradient of its input. What a
// checkpoint makes a rank compute again does not count: it is a cost, not work.
static double flops(const hd_case *c) {
  return 6.0 * LAYERS * (double)c->size * (double)c->size * items(c);
}

static double memory(long size) {
  return 4.0 * (double)size * ((double)size * LAYERS * 48 + 512.0 * LAYERS * 24);
}

// Perfect scaling of the arithmetic: no communication, and an optimizer that takes no time.
static double bound(const hd_case *c, enum hd_where where) {
  return hd_perfect_scaling_s(c, where, flops(c));
}

// ---------------------------------------------------------------- the strategies

static bool fits(const hd_case *c) {
  return (c->devices ? c->devices : c->threads) <= ROWS;
}
// Mistakes need two ranks to be made, and a layer that both have a part of.
static bool mistake_fits(const hd_case *c) {
  return c->threads == 2 && c->size >= 33;
}

static void cpu_one_rank(hd_case *c) {
  run_case(c, &replicated, ON_CPU, 1, c->threads);
}
static void checkpoint_with(hd_case *c, const strategy *s, enum place place, int world) {
  const strategy kept = checkpointed(*s, EVERY);
  run_case(c, &kept, place, world, 1);
}

#define CPU(name)                              \
  static void cpu_##name(hd_case *c) {         \
    run_case(c, &name, ON_CPU, c->threads, 1); \
  }
#define CPU_CHECKPOINT(name)                        \
  static void cpu_##name##_checkpoint(hd_case *c) { \
    checkpoint_with(c, &name, ON_CPU, c->threads);  \
  }
#if HD_HAVE_CUDA
#define GPU(name)                              \
  static void gpu_##name(hd_case *c) {         \
    run_case(c, &name, ON_GPU, c->devices, 1); \
  }
#define GPU_CHECKPOINT(name)                        \
  static void gpu_##name##_checkpoint(hd_case *c) { \
    checkpoint_with(c, &name, ON_GPU, c->devices);  \
  }
static void gpu_one(hd_case *c) {
  run_case(c, &replicated, ON_GPU, 1, 1);
}
#else
#define GPU(name)
#define GPU_CHECKPOINT(name)
#endif
#define BOTH(name) CPU(name) GPU(name)
#define BOTH_CHECKPOINT(name) CPU_CHECKPOINT(name) GPU_CHECKPOINT(name)
BOTH(replicated)
BOTH(zero_1)
BOTH(zero_2)
BOTH(zero_3)
BOTH(prefetched)
BOTH_CHECKPOINT(replicated)
BOTH_CHECKPOINT(zero_3)
CPU(wrong_stale)
CPU(wrong_one_buffer)

#define RANKS(label, function, because) \
  { .name = label, .where = HD_RANKS, .run = cpu_##function, .fits = fits, .why = because }
#define GPUS(label, function, because)                                                                   \
  {                                                                                                      \
    .name = label, .where = HD_GPUS, .run = HD_WITH_CUDA(gpu_##function), .needs = "CUDA", .fits = fits, \
    .why = because                                                                                       \
  }
#define MISTAKE(label, function, because)                                                              \
  {                                                                                                    \
    .name = label, .where = HD_RANKS, .run = cpu_##function, .why = because, .wrong_on_purpose = true, \
    .fits = mistake_fits                                                                               \
  }

static const hd_variant variants[] = {
    {.name = "one-rank",
     .where = HD_SERIAL,
     .run = cpu_one_rank,
     .why = "the serial twin: the whole batch, everything kept"},
    {.name = "threads-inside",
     .where = HD_THREADS,
     .run = cpu_one_rank,
     .why = "the same with every operation divided among threads"},
    RANKS("replicated", replicated, "every rank keeps all: 16 bytes per parameter"),
    RANKS("zero-1", zero_1, "Adam's moments sharded: 8 + 8/N bytes, the same traffic"),
    RANKS("zero-2", zero_2, "the gradient, too: 4 + 12/N bytes, the same traffic"),
    RANKS("zero-3", zero_3, "the parameters, too: 16/N bytes, half as much again to send"),
    RANKS("zero-3-prefetch", prefetched, "the next layer's parameters come while this one is computed"),
    RANKS("checkpoint", replicated_checkpoint, "every fourth activation kept, the rest computed again"),
    RANKS("zero-3-checkpoint", zero_3_checkpoint, "both: parameters are gathered once more, too"),
    MISTAKE("wrong-stale", wrong_stale, "ranks do not tell each other their new parameters"),
    MISTAKE("wrong-one-buffer", wrong_one_buffer, "the next layer arrives where this one is computed"),
    {.name = "gpu-one",
     .where = HD_GPU,
     .run = HD_WITH_CUDA(gpu_one),
     .needs = "CUDA",
     .why = "the same code over cuBLAS and CUDA kernels"},
    GPUS("gpu-replicated", replicated, "16 bytes per parameter"),
    GPUS("gpu-zero-1", zero_1, "8 + 8/N"),
    GPUS("gpu-zero-2", zero_2, "4 + 12/N"),
    GPUS("gpu-zero-3", zero_3, "16/N, 3/2 of the traffic"),
    GPUS("gpu-zero-3-prefetch", prefetched, "gathers behind the arithmetic"),
    GPUS("gpu-checkpoint", replicated_checkpoint, "fewer activations, a forward more"),
    GPUS("gpu-zero-3-checkpoint", zero_3_checkpoint, "the least a rank can keep here"),
};

const hd_lesson hd_this_lesson = {
    .number = 26,
    .name = "sharding",
    .title = "What every rank keeps",
    .size_name = "width",
    .unit = "rows/s",
    .kinds = "P parameters awaited, F forward, A forward again, B backward, G gradients summed, U update",
    .flops = flops,
    .items = items,
    .rate = HD_RATE_ITEMS,
    .quick = {128},
    .full = {256, 512},
    .gpu_quick = {256, 1024},
    .gpu_full = {256, 1024, 4096},
    .sim_quick = {128},
    .sim_full = {128, 512},
    .sim_sampled = {512},
    .verify = {1, 33, 101, -1},
    .sweep_threads = true,
    .sweep_ranks = {1, 2, 4},
    .sweep_devices = {1, 2, 4, 8},
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .bound_s = bound,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
};
