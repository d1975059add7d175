// SPDX-License-Identifier: MIT
// What is compared: forward and backward of one transformer block whose matrices are split among ranks in
// different ways.
#include <heddle/bench.h>
#include <heddle/device.h>
#include <heddle/error.h>
#include <heddle/random.h>
#include <math.h>
#include <stdlib.h>

#include "block.h"

// 24 heads can be shared by 1, 2, 3, 4, 6, 8, 12 and 24 ranks; so can 48 rows of a sample.
enum { LENGTH = 48, HEADS = 24, WIDTH = 384 };

typedef struct state {
  problem problem;
  float *x, *dy, *theta, *y, *dx, *gradient;
} state;

static size_t elements(const hd_case *c) {
  return (size_t)c->size * LENGTH * WIDTH;
}

static void setup(hd_case *c) {
  if (c->size < 1) hd_fail(HD_EXIT_USAGE, "samples = %ld: at least one is needed", c->size);
  const size_t n = elements(c), parameters = problem_parameters(WIDTH);
  state *s = hd_alloc(1, sizeof *s);
  s->x = hd_new_normal(n, c->seed, 0, 1);
  s->dy = hd_new_normal(n, c->seed, 1, 1);
  s->theta = hd_new_normal(parameters, c->seed, 2, 1 / sqrtf(WIDTH));
  s->y = hd_alloc(n, sizeof(float));
  s->dx = hd_alloc(n, sizeof(float));
  s->gradient = hd_alloc(parameters, sizeof(float));
  s->problem = (problem){c->size, LENGTH, HEADS, WIDTH, s->x, s->dy, s->theta};
  hd_add_output(c, "y", s->y, n, HD_F32);
  hd_add_output(c, "dx", s->dx, n, HD_F32);
  hd_add_output(c, "gradient", s->gradient, parameters, HD_F32);
  c->state = s;
}

static void teardown(hd_case *c) {
  state *s = c->state;
  free(s->x);
  free(s->dy);
  free(s->theta);
  free(s->y);
  free(s->dx);
  free(s->gradient);
  free(s);
}

static void reference(hd_case *c) {
  const state *s = c->state;
  reference_block(&s->problem, c->outputs[0].expected, c->outputs[1].expected, c->outputs[2].expected);
}

// Sums of up to 1536 rounded products, through two halves and back: 5e-6 is usual; mistakes show as 0.1 and
// more.
static double tolerance(const hd_case *c) {
  (void)c;
  return 1e-4;
}

static double items(const hd_case *c) {
  return (double)c->size * LENGTH;
}

// Per row and matrix element two FLOPs forward, four backward; 12·WIDTH² elements. (Attention itself,
// 4·LENGTH·WIDTH per row, is a hundredth of it and not counted.)
static double flops(const hd_case *c) {
  return 6.0 * 12 * WIDTH * WIDTH * items(c);
}

static double memory(long size) {
  return 4.0 * ((double)size * LENGTH * WIDTH * 40 * 8 + 12.0 * WIDTH * WIDTH * 20);
}

static double bound(const hd_case *c, enum hd_where where) {
  return hd_perfect_scaling_s(c, where, flops(c));
}

static const strategy whole = {.attention = &attention_whole, .mlp = &mlp_whole},
                      columns = {.attention = &attention_whole, .mlp = &mlp_columns},
                      rows = {.attention = &attention_whole, .mlp = &mlp_rows},
                      pair = {.attention = &attention_whole, .mlp = &mlp_pair},
                      heads = {.attention = &attention_heads, .mlp = &mlp_pair},
                      sequence = {.attention = &attention_heads, .mlp = &mlp_pair, .sequence = true},
                      bias = {.attention = &attention_heads, .mlp = &mlp_pair, .mistake = BIAS_BEFORE_SUM},
                      no_sum = {.attention = &attention_heads, .mlp = &mlp_pair, .mistake = NO_INPUT_SUM};

static void run_case(hd_case *c, const strategy *how, enum place place, int world, int threads) {
  const state *s = c->state;
  const bool modelled = place == ON_GPU && hd_device_simulated(), timed = modelled || !c->verifying;
  trial t = {.problem = &s->problem,
             .strategy = how,
             .place = place,
             .world = world,
             .threads = threads,
             .timed_steps = !timed     ? 0
                            : modelled ? 1
                                       : 4,
             .y = s->y,
             .dx = s->dx,
             .gradient = s->gradient};
  if (run_ranks(&t)) hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  if (!timed) return;
  hd_report_time(c, t.step_s);
  hd_figure(c, "messages", t.messages, "");
  hd_figure(c, "bytes sent", t.bytes, "B");
  hd_figure(c, "memory", t.memory, "B");
}

static bool shares_are_equal(const hd_case *c) {
  return HEADS % (c->devices ? c->devices : c->threads) == 0;
}
static bool mistake_fits(const hd_case *c) {
  return c->threads == 2;
}

static void cpu_whole(hd_case *c) {
  run_case(c, &whole, ON_CPU, 1, c->threads);
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
GPU(whole)
#else
#define GPU(name)
#endif
#define BOTH(name) CPU(name) GPU(name)
BOTH(columns)
BOTH(rows)
BOTH(pair)
BOTH(heads)
BOTH(sequence)
CPU(bias)
CPU(no_sum)

#define RANKS(label, function, because) \
  { .name = label, .where = HD_RANKS, .run = cpu_##function, .fits = shares_are_equal, .why = because }
#define GPUS(label, function, because)                                                     \
  {                                                                                        \
    .name = label, .where = HD_GPUS, .run = HD_WITH_CUDA(gpu_##function), .needs = "CUDA", \
    .fits = shares_are_equal, .why = because                                               \
  }
#define MISTAKE(label, function, because)                                                              \
  {                                                                                                    \
    .name = label, .where = HD_RANKS, .run = cpu_##function, .why = because, .wrong_on_purpose = true, \
    .fits = mistake_fits                                                                               \
  }

static const hd_variant variants[] = {
    {.name = "one-rank", .where = HD_SERIAL, .run = cpu_whole, .why = "the serial twin: all matrices whole"},
    {.name = "threads-inside",
     .where = HD_THREADS,
     .run = cpu_whole,
     .why = "the same, every operation divided among threads"},
    RANKS("columns", columns, "the perceptron's matrices by columns: results are gathered"),
    RANKS("rows", rows, "by rows: addends are summed, GELU is computed by all"),
    RANKS("pair", pair, "columns, then rows: one sum forward, one backward"),
    RANKS("heads", heads, "attention is split, too, by heads"),
    RANKS("sequence", sequence, "between the halves each rank keeps some rows only"),
    MISTAKE("wrong-bias", bias, "every rank adds the bias before the sum"),
    MISTAKE("wrong-no-sum", no_sum, "the gradient of the input is one rank's addend"),
    {.name = "gpu-one",
     .where = HD_GPU,
     .run = HD_WITH_CUDA(gpu_whole),
     .needs = "CUDA",
     .why = "the same code over cuBLAS and CUDA kernels"},
    GPUS("gpu-columns", columns, "results are gathered"),
    GPUS("gpu-rows", rows, "addends are summed"),
    GPUS("gpu-pair", pair, "columns, then rows"),
    GPUS("gpu-heads", heads, "attention by heads"),
    GPUS("gpu-sequence", sequence, "rows between the halves"),
};

const hd_lesson hd_this_lesson = {
    .number = 23,
    .name = "tensor-parallel",
    .title = "One block on several devices",
    .size_name = "samples",
    .unit = "rows/s",
    .flops = flops,
    .items = items,
    .rate = HD_RATE_ITEMS,
    .quick = {4},
    .full = {4, 16},
    .gpu_quick = {4, 64},
    .gpu_full = {4, 64, 256},
    .sim_quick = {4},
    .sim_full = {4, 16},
    .sim_sampled = {64},
    .verify = {1, 3, -1},
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
