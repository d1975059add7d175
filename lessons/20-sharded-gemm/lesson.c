// SPDX-License-Identifier: MIT
// What is compared: one matrix product whose operands lie on several ranks, cut in different ways.
#include <heddle/bench.h>
#include <heddle/device.h>
#include <heddle/error.h>
#include <heddle/random.h>
#include <kernels/gemm/gemm.h>
#include <kernels/nn/link.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sharded.h"

typedef struct state {
  problem problem;
  float *a, *b, *c;
} state;

static void setup(hd_case *c) {
  if (c->size < 1) hd_fail(HD_EXIT_USAGE, "n = %ld: a matrix has at least one row", c->size);
  const size_t count = (size_t)c->size * (size_t)c->size;
  state *s = hd_alloc(1, sizeof *s);
  s->a = hd_new_normal(count, c->seed, 0, 1);
  s->b = hd_new_normal(count, c->seed, 1, 1);
  s->c = hd_alloc(count, sizeof(float));
  s->problem = (problem){c->size, c->size, c->size, s->a, s->b};
  hd_add_output(c, "C", s->c, count, HD_F32);
  c->state = s;
}

static void teardown(hd_case *c) {
  state *s = c->state;
  free(s->a);
  free(s->b);
  free(s->c);
  free(s);
}

static void reference(hd_case *c) {
  const state *s = c->state;
  const long n = c->size;
  hd_gemm_reference(false, false, n, n, n, 1, s->a, n, s->b, n, 0, c->outputs[0].expected, n);
}

static double tolerance(const hd_case *c) {
  return hd_gemm_tolerance(c->size);
}

static double flops(const hd_case *c) {
  return 2.0 * (double)c->size * (double)c->size * (double)c->size;
}

// Whole matrices on the host, in single precision and one in double; on up to eight ranks a gathered one
// each.
static double memory(long size) {
  return 4.0 * (double)size * (double)size * (3 + 2 + 3 + 8);
}

// ---------------------------------------------------------------- the bound

static const strategy *const strategies[] = {&by_rows, &by_columns, &by_inner, &summa, &summa_overlapped};

enum { LONG_MESSAGE = 1 << 21 };  // floats: 8 MiB

// The link of a place, measured once.
static void link_of(enum place place, double *alpha_s, double *bytes_per_s) {
  static double known[2][2];
  if (known[place][1] == 0 && hd_link_cost(place == ON_GPU, LONG_MESSAGE, &known[place][0], &known[place][1]))
    hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  *alpha_s = known[place][0];
  *bytes_per_s = known[place][1];
}

// The arithmetic at the roof, or the fewest messages of all ways to cut, whichever takes longer: perfect
// overlap. Between CPU ranks a message is a copy in memory, and arithmetic decides.
static double bound(const hd_case *c, enum hd_where where) {
  const double arithmetic_s = hd_perfect_scaling_s(c, where, flops(c));
  if (where != HD_GPUS || c->devices < 2) return arithmetic_s;
  double alpha_s, bytes_per_s, fewest = INFINITY;
  link_of(ON_GPU, &alpha_s, &bytes_per_s);
  const problem p = {c->size, c->size, c->size, NULL, NULL};
  for (int i = 0; i < HD_COUNT(strategies); i++)
    fewest = fmin(fewest, strategies[i]->on_paper(&p, c->devices, alpha_s, bytes_per_s).bytes);
  return fmax(arithmetic_s, alpha_s + fewest / bytes_per_s);
}

// ---------------------------------------------------------------- running

static void draw(hd_case *c, const trial *t) {
  int number = 0;
  for (int i = 0; i < t->span_count; i++) {
    char label[16];
    number = i > 0 && t->spans[i - 1].rank == t->spans[i].rank ? number + 1 : 0;
    snprintf(label, sizeof label, "P%d", number);
    hd_add_span(c, t->spans[i].rank, label, t->spans[i].start_s, t->spans[i].end_s);
  }
}

// The arithmetic of one rank divided by their number, and the messages of the formula.
static void predict(hd_case *c, const strategy *how, enum place place, int world, double step_s) {
  static double one_s[2];  // a whole product by one rank, of the latest size
  static long of_size[2];
  const problem *p = &((const state *)c->state)->problem;
  if (world == 1 && how == &by_rows) {
    one_s[place] = step_s;
    of_size[place] = c->size;
  }
  if (world == 1 || of_size[place] != c->size) return;
  double alpha_s, bytes_per_s;
  link_of(place, &alpha_s, &bytes_per_s);
  const paper on = how->on_paper(p, world, alpha_s, bytes_per_s);
  const double products_s = one_s[place] / world;
  const double turns_s = products_s + on.messages_s;
  const double overlapped_s =
      fmax(products_s, on.messages_s) + fmin(products_s, on.messages_s) / fmax(1, on.hidden_panels);
  hd_figure(c, "messages on paper", on.messages_s, "s");
  hd_figure(c, "step on paper", on.hidden_panels ? overlapped_s : turns_s, "s");
}

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
             .c = s->c};
  if (timed) t.spans = hd_alloc((size_t)world * MOST_PANELS, sizeof *t.spans);
  if (run_ranks(&t)) hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  if (!timed) return;
  hd_report_time(c, t.step_s);
  hd_figure(c, "messages", t.messages, "");
  hd_figure(c, "bytes sent", t.bytes, "B");
  hd_figure(c, "memory", t.memory, "B");
  hd_figure(c, "only products", t.products_s, "s");
  hd_figure(c, "only messages", t.messages_s, "s");
  predict(c, how, place, world, t.step_s);
  if (world > 1) draw(c, &t);
  free(t.spans);
}

static bool mistake_fits(const hd_case *c) {
  return c->threads == 2;
}
static bool rows_remain(const hd_case *c) {
  return mistake_fits(c) && c->size % c->threads > 0;
}

static void cpu_whole(hd_case *c) {
  run_case(c, &by_rows, ON_CPU, 1, c->threads);
}
#define CPU(function, how)                    \
  static void cpu_##function(hd_case *c) {    \
    run_case(c, &how, ON_CPU, c->threads, 1); \
  }
#if HD_HAVE_CUDA
#define GPU(function, how)                    \
  static void gpu_##function(hd_case *c) {    \
    run_case(c, &how, ON_GPU, c->devices, 1); \
  }
static void gpu_whole(hd_case *c) {
  run_case(c, &by_rows, ON_GPU, 1, 1);
}
#else
#define GPU(function, how)
#endif
#define BOTH(function, how) CPU(function, how) GPU(function, how)
BOTH(rows, by_rows)
BOTH(columns, by_columns)
BOTH(inner, by_inner)
BOTH(summa, summa)
BOTH(overlapped, summa_overlapped)
CPU(no_sum, wrong_no_sum)
CPU(remainder, wrong_remainder)

#define RANKS(label, function, because) \
  { .name = label, .where = HD_RANKS, .run = cpu_##function, .why = because }
#define GPUS(label, function, because) \
  { .name = label, .where = HD_GPUS, .run = HD_WITH_CUDA(gpu_##function), .needs = "CUDA", .why = because }
#define MISTAKE(label, function, when, because)                                                        \
  {                                                                                                    \
    .name = label, .where = HD_RANKS, .run = cpu_##function, .why = because, .wrong_on_purpose = true, \
    .fits = when                                                                                       \
  }

static const hd_variant variants[] = {
    {.name = "one-rank", .where = HD_SERIAL, .run = cpu_whole, .why = "the serial twin: whole matrices"},
    {.name = "threads-inside",
     .where = HD_THREADS,
     .run = cpu_whole,
     .why = "one product divided among threads that share everything"},
    RANKS("rows", rows, "rows of A and C each, B is gathered"),
    RANKS("columns", columns, "columns of B and C each, A is gathered"),
    RANKS("inner", inner, "columns of A, rows of B: addends of C are summed and scattered"),
    RANKS("summa", summa, "blocks on a grid, panels broadcast along its rows and columns"),
    RANKS("summa-overlapped", overlapped, "the next panel travels while this one is multiplied"),
    MISTAKE("wrong-no-sum", no_sum, mistake_fits, "rows of one addend for the sum"),
    MISTAKE("wrong-remainder", remainder, rows_remain, "n / p rows each: the last n % p are nobody's"),
    {.name = "gpu-one", .where = HD_GPU, .run = HD_WITH_CUDA(gpu_whole), .needs = "CUDA", .why = "cuBLAS"},
    GPUS("gpu-rows", rows, "B is gathered, then cuBLAS"),
    GPUS("gpu-columns", columns, "A is gathered, then cuBLAS"),
    GPUS("gpu-inner", inner, "cuBLAS, then a reduce-scatter"),
    GPUS("gpu-summa", summa, "links and arithmetic take turns"),
    GPUS("gpu-summa-overlapped", overlapped, "links and arithmetic at the same time"),
};

const hd_lesson hd_this_lesson = {
    .number = 20,
    .name = "sharded-gemm",
    .title = "One product on several devices",
    .size_name = "n",
    .unit = "GFLOP/s",
    .kinds = "P panel",
    .flops = flops,
    .rate = HD_RATE_FLOPS,
    .quick = {1021},
    .full = {512, 1021, 2048},
    .gpu_quick = {1024, 4096},
    .gpu_full = {1024, 4096, 8192},
    .sim_quick = {512},
    .sim_full = {512, 1021},
    .sim_sampled = {4096},
    .verify = {1, 33, 101, 1000, -1},
    .sweep_threads = true,
    .sweep_ranks = {1, 2, 4},
    .sweep_devices = {1, 2, 3, 4, 8},
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .bound_s = bound,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
};
