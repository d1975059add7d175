// SPDX-License-Identifier: MIT
// 03 · Races: what is compared. Read sums.c for how.
#include <math.h>
#include <stdlib.h>

#include "heddle/bench.h"
#include "heddle/error.h"
#include "heddle/random.h"
#include "sums.h"

typedef struct state {
  float *x;    // (n), uniform in (0, 1)
  double sum;  // the output
} state;

static void setup(hd_case *c) {
  state *s = c->state = hd_alloc(1, sizeof *s);
  s->x = hd_alloc((size_t)c->size, sizeof s->x[0]);
  // Multiples of 2^-24, whose sums need no rounding. The lab's do, so that the order of additions shows.
#pragma omp parallel for
  for (long i = 0; i < c->size; i++) s->x[i] = hd_random_uniform(c->seed, 0, (uint64_t)i) HD_LAB(/ 3);
  hd_add_output(c, "sum", &s->sum, 1, HD_F64);
}

static void teardown(hd_case *c) {
  state *s = c->state;
  free(s->x);
  free(s);
}

static void reference(hd_case *c) {
  const state *s = c->state;
  c->outputs[0].expected[0] = sum_serial(s->x, c->size);
}

// Reordering n additions of positive numbers in double: a relative error of at most n × 2^-53.
static double tolerance(const hd_case *c) {
  return fmax(1e-15, (double)c->size * 0x1p-53);
}

static double flops(const hd_case *c) {
  return (double)c->size;
}
static double bytes(const hd_case *c) {
  return 4.0 * (double)c->size;
}
static double memory(long n) {
  return 4.0 * (double)n;
}

// A lock or an atomic per element takes tens of nanoseconds: more than this teaches nothing more.
static bool small(const hd_case *c) {
  return c->size <= 20 << 20;
}

#define RUN(version)                                                           \
  static void run_##version(hd_case *c) {                                      \
    ((state *)c->state)->sum = sum_##version(((state *)c->state)->x, c->size); \
  }
RUN(serial)
RUN(racy)
RUN(critical)
RUN(atomic)
RUN(shared_line)
RUN(padded)
RUN(reduction)
HD_LAB(RUN(yours))

static const hd_variant variants[] = {
    {"serial", HD_SERIAL, run_serial, "one thread, one accumulator: the baseline"},
    {"racy", HD_THREADS, run_racy, "all threads add to one variable, unprotected: additions get lost",
     .fits = small, .wrong_on_purpose = true},
    {"critical", HD_THREADS, run_critical, "a lock around the addition: right, and serial again",
     .fits = small},
    {"atomic", HD_THREADS, run_atomic, "an atomic addition: no lock, but one cache line for all cores",
     .fits = small},
    {"shared-line", HD_THREADS, run_shared_line, "one slot per thread, all in one cache line: false sharing"},
    {"padded", HD_THREADS, run_padded, "one slot per thread, a line apart: nothing is shared"},
    {"reduction", HD_THREADS, run_reduction, "a register per thread and SIMD: what one writes"},
    HD_LAB({"yours", HD_THREADS, run_yours, "the lab's"}, )  //
};

const hd_lesson hd_this_lesson = {
    .number = 3,
    .name = "races",
    .title = "Races: a sum by several threads",
    .size_name = "n",
    .unit = "GB/s",
    .flops = flops,
    .bytes = bytes,
    .rate = HD_RATE_BYTES,
    .quick = {20 << 20},
    .full = {1 << 16, 1 << 20, 20 << 20, 64 << 20},
    .verify = {0, 1, 33, 1000, 7919, 1 << 20, -1},
    .sweep_threads = true,
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
};
