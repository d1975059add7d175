// SPDX-License-Identifier: MIT
// What is compared: one step of the same network by different pipeline schedules, on CPU ranks and on GPUs.
#include <heddle/bench.h>
#include <heddle/device.h>
#include <heddle/error.h>
#include <heddle/random.h>
#include <math.h>
#include <stdlib.h>

#include "case.h"
#include "stage.h"

enum { MICRO_BATCHES = 8, ROWS = 64, CHUNKS = 2 };

// ---------------------------------------------------------------- the problem

static void setup(hd_case *c) {
  if (c->size < 1) hd_fail(HD_EXIT_USAGE, "width = %ld: a layer has at least one unit", c->size);
  const size_t n = (size_t)c->size * ROWS * MICRO_BATCHES, parameters = LAYERS * layer_parameters(c->size);
  state *s = hd_alloc(1, sizeof *s);
  s->input = hd_new_normal(n, c->seed, 0, 1);
  s->target = hd_new_normal(n, c->seed, 1, 1);
  // With this deviation the activations neither die out nor grow over the layers.
  s->initial = hd_new_normal(parameters, c->seed, 2, 1.5f / sqrtf((float)c->size));
  s->gradient = hd_alloc(parameters, sizeof(float));
  s->problem = (problem){.width = c->size,
                         .rows = ROWS * MICRO_BATCHES,
                         .input = s->input,
                         .target = s->target,
                         .initial = s->initial};
  hd_add_output(c, "gradient", s->gradient, parameters, HD_F32);
  c->state = s;
}

static void teardown(hd_case *c) {
  state *s = c->state;
  free(s->input);
  free(s->target);
  free(s->initial);
  free(s->gradient);
  free(s);
}

static void reference(hd_case *c) {
  reference_gradient(&((const state *)c->state)->problem, c->outputs[0].expected);
}

// Sixteen layers forward and back, each a sum of `width` rounded products: 1e-5 is usual; mistakes show as
// 0.1 and more.
static double tolerance(const hd_case *c) {
  (void)c;
  return 5e-4;
}

static double items(const hd_case *c) {
  (void)c;
  return ROWS * MICRO_BATCHES;
}

// Two FLOPs per weight and row forward, two for its gradient, two for the gradient of its input.
static double flops(const hd_case *c) {
  return 6.0 * LAYERS * (double)c->size * (double)c->size * items(c);
}

static double memory(long size) {
  return 4.0 * (double)size * ((double)size * LAYERS * 24 + 512.0 * LAYERS * 24);
}

// Perfect scaling: no bubble, no messages. What a schedule lacks of it is its bubble, and more.
static double bound(const hd_case *c, enum hd_where where) {
  return hd_perfect_scaling_s(c, where, flops(c));
}

// ---------------------------------------------------------------- the strategies

static schedule two_chunks(int ranks, int micro_batches) {
  return schedule_interleaved(ranks, micro_batches, ranks > 1 ? CHUNKS : 1);
}

static const strategy
    one_rank = {.make = schedule_one_f_one_b, .micro_batches = MICRO_BATCHES},
    naive = {.make = schedule_gpipe, .micro_batches = 1},
    gpipe = {.make = schedule_gpipe, .micro_batches = MICRO_BATCHES},
    one_f_one_b = {.make = schedule_one_f_one_b, .micro_batches = MICRO_BATCHES},
    interleaved = {.make = two_chunks, .micro_batches = MICRO_BATCHES},
    zero_bubble = {.make = schedule_zero_bubble, .micro_batches = MICRO_BATCHES},
    unequal = {.make = schedule_one_f_one_b, .micro_batches = MICRO_BATCHES, .unequal = true},
    same_input = {.make = schedule_gpipe, .micro_batches = MICRO_BATCHES, .mistake = SAME_INPUT},
    one_slot = {.make = schedule_gpipe, .micro_batches = MICRO_BATCHES, .mistake = ONE_SLOT};
HD_LAB(static const strategy yours = {.make = schedule_yours, .micro_batches = MICRO_BATCHES};)

// Every piece needs a layer; interleaving goes through the micro-batches in groups as large as the world.
static bool fits(const hd_case *c, int most) {
  return (c->devices ? c->devices : c->threads) <= most;
}
static bool a_layer_each(const hd_case *c) {
  return fits(c, LAYERS);
}
static bool two_pieces_each(const hd_case *c) {
  return fits(c, LAYERS / CHUNKS) && MICRO_BATCHES % (c->devices ? c->devices : c->threads) == 0;
}
static bool three_for_the_first(const hd_case *c) {
  return fits(c, LAYERS - 2);
}
static bool mistake_fits(const hd_case *c) {
  return c->threads == 2;
}

static void cpu_one_rank(hd_case *c) {
  run_case(c, &one_rank, ON_CPU, 1, c->threads);
}
#define CPU(name)                              \
  static void cpu_##name(hd_case *c) {         \
    run_case(c, &name, ON_CPU, c->threads, 1); \
  }
#if HD_HAVE_CUDA
#define GPU(name)                              \
  static void gpu_##name(hd_case *c) {         \
    run_case(c, &name, ON_GPU, c->devices, 1); \
  }
GPU(one_rank)
#else
#define GPU(name)
#endif
#define BOTH(name) CPU(name) GPU(name)
BOTH(naive)
BOTH(gpipe)
BOTH(one_f_one_b)
BOTH(interleaved)
BOTH(zero_bubble)
BOTH(unequal)
CPU(same_input)
CPU(one_slot)
HD_LAB(BOTH(yours))

#define RANKS(label, function, when, because) \
  { .name = label, .where = HD_RANKS, .run = cpu_##function, .fits = when, .why = because }
#define GPUS(label, function, when, because)                                                             \
  {                                                                                                      \
    .name = label, .where = HD_GPUS, .run = HD_WITH_CUDA(gpu_##function), .needs = "CUDA", .fits = when, \
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
     .why = "the serial twin: all layers, one micro-batch after the other"},
    {.name = "threads-inside",
     .where = HD_THREADS,
     .run = cpu_one_rank,
     .why = "the same with every operation divided among threads"},
    RANKS("naive", naive, a_layer_each,
          "the whole batch goes through the stages: one works, the others wait"),
    RANKS("gpipe", gpipe, a_layer_each, "micro-batches fill the pipeline: all forward, then all backward"),
    RANKS("1f1b", one_f_one_b, a_layer_each,
          "one forward, one backward: the same bubble, fewer activations kept"),
    RANKS("interleaved", interleaved, two_pieces_each,
          "two thinner pieces per rank: half the bubble, twice the messages"),
    RANKS("zero-bubble", zero_bubble, a_layer_each, "gradients of weights fill what would be bubble"),
    RANKS("unequal", unequal, three_for_the_first,
          "the first stage holds three times as many layers: the slowest decides"),
    MISTAKE("wrong-same-input", same_input, "both halves are fed the batch, and their outputs are summed"),
    MISTAKE("wrong-one-slot", one_slot, "activations are overwritten by the next micro-batch's"),
    {.name = "gpu-one",
     .where = HD_GPU,
     .run = HD_WITH_CUDA(gpu_one_rank),
     .needs = "CUDA",
     .why = "the same code over cuBLAS and CUDA kernels"},
    GPUS("gpu-naive", naive, a_layer_each, "one GPU works at a time"),
    GPUS("gpu-gpipe", gpipe, a_layer_each, "all forward, then all backward"),
    GPUS("gpu-1f1b", one_f_one_b, a_layer_each, "bounded activations"),
    GPUS("gpu-interleaved", interleaved, two_pieces_each, "two pieces per GPU"),
    GPUS("gpu-zero-bubble", zero_bubble, a_layer_each, "weights' gradients last"),
    GPUS("gpu-unequal", unequal, three_for_the_first, "the slowest stage decides"),
    HD_LAB(RANKS("yours", yours, two_pieces_each, "the lab's"),
           GPUS("gpu-yours", yours, two_pieces_each, "the lab's"), )  //
};

const hd_lesson hd_this_lesson = {
    .number = 24,
    .name = "pipeline",
    .title = "A network cut into stages",
    .size_name = "width",
    .unit = "rows/s",
    .kinds = "F forward, B backward, I its input's part, W its weights' part",
    .flops = flops,
    .items = items,
    .rate = HD_RATE_ITEMS,
    .quick = {256},
    .full = {256, 512},
    .gpu_quick = {256, 1024},
    .gpu_full = {256, 1024, 4096},
    .sim_quick = {256},
    .sim_full = {256, 512},
    .sim_sampled = {1024},
    .verify = {1, 33, 100, -1},
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
