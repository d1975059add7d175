// SPDX-License-Identifier: MIT
// 07 · SGEMM on a CPU: what is compared. Read loops.c, then tiles.c, then
// kernels/gemm/{micro.h,pack.h,gemm.c}.
#include <stdlib.h>

#include "heddle/bench.h"
#include "heddle/blas.h"
#include "heddle/error.h"
#include "heddle/random.h"
#include "kernels/gemm/gemm.h"
#include "ladder.h"

typedef struct state {
  float *a, *b, *c;  // (n, n) each; A and B of N(0, 1)
} state;

static size_t elements(long n) {
  return (size_t)n * (size_t)n;
}

static void setup(hd_case *c) {
  state *s = c->state = hd_alloc(1, sizeof *s);
  s->a = hd_alloc(elements(c->size), sizeof(float));
  s->b = hd_alloc(elements(c->size), sizeof(float));
  s->c = hd_alloc(elements(c->size), sizeof(float));
  hd_fill_normal(s->a, elements(c->size), c->seed, 0);
  hd_fill_normal(s->b, elements(c->size), c->seed, 1);
  hd_add_output(c, "C", s->c, elements(c->size), HD_F32);
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
// The least that can move: A and B are read once, C is written once.
static double bytes(const hd_case *c) {
  return 12.0 * (double)c->size * (double)c->size;
}
// Three matrices in single precision, the expected C in double.
static double memory(long n) {
  return 20.0 * (double)n * (double)n;
}

#define RUN(version)                           \
  static void run_##version(hd_case *c) {      \
    const state *s = c->state;                 \
    gemm_##version(c->size, s->a, s->b, s->c); \
  }
RUN(naive)
RUN(reordered)
RUN(blocked)
RUN(register)
RUN(packed)

static void run_micro(hd_case *c) {
  const state *s = c->state;
  const long n = c->size;
  hd_gemm(false, false, n, n, n, 1, s->a, n, s->b, n, 0, s->c, n);
}

// A library that was found when configuring may still refuse to load: then its variants are skipped.
#define LIBRARY(name, kind)                                                                    \
  static void run_##name(hd_case *c) {                                                         \
    const state *s = c->state;                                                                 \
    const long n = c->size;                                                                    \
    hd_blas_sgemm(hd_blas_open(kind), false, false, n, n, n, 1, s->a, n, s->b, n, 0, s->c, n); \
  }                                                                                            \
  static bool has_##name(const hd_case *c) {                                                   \
    return c->size >= 0 && hd_blas_open(kind) != NULL;                                         \
  }
#if HD_HAVE_OPENBLAS
LIBRARY(openblas, HD_BLAS_OPENBLAS)
LIBRARY(openblas_best, HD_BLAS_OPENBLAS_BEST)
#endif
#if HD_HAVE_BLIS
LIBRARY(blis_best, HD_BLAS_BLIS_BEST)
#endif

// Slow rungs stop where they would take most of the time of the whole lesson.
static bool naive_fits(const hd_case *c) {
  return c->size <= (c->full ? 1100 : 1000);
}
static bool serial_fits(const hd_case *c) {
  return c->size <= (c->full ? 2048 : 1024);
}

static const hd_variant variants[] = {
    {"naive", HD_SERIAL, run_naive, "the definition: three loops, ijk", .fits = naive_fits},
    {"reordered", HD_SERIAL, run_reordered, "ikj: along the rows, in SIMD lanes", .fits = serial_fits},
    {"blocked", HD_SERIAL, run_blocked, "cache tiles: a piece of B stays in L2", .fits = serial_fits},
    {"register", HD_SERIAL, run_register, "a tile of C stays in vector registers", .fits = serial_fits},
    {"packed", HD_SERIAL, run_packed, "A and B copied into the order they are read in"},
    {"openblas", HD_THREADS, HD_WITH_OPENBLAS(run_openblas), "OpenBLAS as it comes", .needs = "OpenBLAS",
     .fits = HD_WITH_OPENBLAS(has_openblas)},
    {"openblas-best", HD_THREADS, HD_WITH_OPENBLAS(run_openblas_best),
     "OpenBLAS at its fastest core type here", .needs = "OpenBLAS",
     .fits = HD_WITH_OPENBLAS(has_openblas_best)},
    {"blis-best", HD_THREADS, HD_WITH_BLIS(run_blis_best), "BLIS at its fastest configuration here",
     .needs = "BLIS", .fits = HD_WITH_BLIS(has_blis_best)},
    {"micro", HD_THREADS, run_micro, "five loops, one for each cache, around a micro-kernel; threads"},
};

const hd_lesson hd_this_lesson = {
    .number = 7,
    .name = "gemm-cpu",
    .title = "SGEMM on a CPU",
    .size_name = "n",
    .unit = "GFLOP/s",
    .flops = flops,
    .bytes = bytes,
    .rate = HD_RATE_FLOPS,
    .quick = {512, 1000, 1024, 2048},
    .full = {512, 1000, 1024, 1536, 2048, 3000, 4096},
    .verify = {0, 1, 2, 33, 127, 512, 1000, -1},
    .sweep_threads = true,
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
};
