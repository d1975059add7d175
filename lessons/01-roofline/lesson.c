// SPDX-License-Identifier: MIT
// 01 · Roofline: what is compared. Read fold.c for how, roofs.c for where the roofs come from.
#include <math.h>
#include <stdlib.h>

#include "fold.h"
#include "gpu.h"
#include "heddle/bench.h"
#include "heddle/device.h"
#include "heddle/error.h"
#include "heddle/random.h"
#include "roofs.h"

// Three arrays of 64 MiB, as long as those of the memory roof. A prime number of elements: every run, the
// timed ones too, has a tail that fills no vector and no block. Where nothing is timed another prime will do.
enum { ELEMENTS = 16777259, CHECKED_ELEMENTS = 262147 };

static void setup(hd_case *c) {
  fold_state *s = c->state = hd_alloc(1, sizeof *s);
  s->n = c->untimed ? CHECKED_ELEMENTS : ELEMENTS;
  s->a = hd_alloc((size_t)s->n, sizeof s->a[0]);
  s->b = hd_alloc((size_t)s->n, sizeof s->b[0]);
  s->c = hd_alloc((size_t)s->n, sizeof s->c[0]);
#pragma omp parallel for schedule(static)
  for (long i = 0; i < s->n; i++) {
    s->a[i] = 0;
    s->b[i] = hd_random_uniform(c->seed, 0, (uint64_t)i);
    s->c[i] = hd_random_uniform(c->seed, 1, (uint64_t)i);
  }
  hd_add_output(c, "a", s->a, (size_t)s->n, HD_F32);
}

static void teardown(hd_case *c) {
  fold_state *s = c->state;
  free(s->a);
  free(s->b);
  free(s->c);
  free(s);
}

// No loop to share a mistake with: k steps of v × r + c are v × r^k + c × (1 - r^k) / (1 - r).
static void reference(hd_case *c) {
  const fold_state *s = c->state;
  const double power = pow((double)FOLD_RATIO, (double)c->size);
  const double sum = (1 - power) / (1 - (double)FOLD_RATIO);
#pragma omp parallel for schedule(static)
  for (long i = 0; i < s->n; i++) c->outputs[0].expected[i] = s->b[i] * power + s->c[i] * sum;
}

// All terms are positive, so each of the k steps adds at most two roundings of 2^-24 (one with an FMA).
static double tolerance(const hd_case *c) {
  return (double)c->size * 0x1p-23;
}

static double flops(const hd_case *c) {
  return 2.0 * (double)c->size * (double)((const fold_state *)c->state)->n;
}
static double bytes(const hd_case *c) {
  return 12.0 * (double)((const fold_state *)c->state)->n;
}
static double bound_s(const hd_case *c, enum hd_where where) {
  (void)where;
  return roofs_bound_s(c, flops(c), bytes(c));
}
static double memory(long k) {
  (void)k;
  return (12.0 + 8.0) * ELEMENTS;
}

// One lane and one chain: seconds for a run at a large k, to show once more what a small k shows.
static bool short_enough(const hd_case *c) {
  return c->size <= 32;
}

// A simulated GPU executes every step on the CPU: the same, only slower.
static bool fits_gpu(const hd_case *c) {
  return !hd_device_simulated() || c->size <= 256;
}

#define RUN(version)                                 \
  static void run_##version(hd_case *c) {            \
    fold_state *s = c->state;                        \
    fold_##version(s->a, s->b, s->c, s->n, c->size); \
  }
RUN(scalar)
RUN(simd)
RUN(chains)
RUN(threads)
RUN(streaming)

static const hd_variant variants[] = {
    {"scalar", HD_SERIAL, run_scalar, "one element at a time: one lane, one chain of FMAs",
     .before = roofs_measure, .fits = short_enough},
    {"simd", HD_SERIAL, run_simd, "a whole vector at a time: all lanes, still one chain",
     .before = roofs_measure},
    {"chains", HD_SERIAL, run_chains, "eight vectors at a time: no FMA waits for another",
     .before = roofs_measure},
    {"threads", HD_THREADS, run_threads, "all cores: more arithmetic, the same memory",
     .before = roofs_measure},
    {"streaming", HD_THREADS, run_streaming, "stores around the cache: a quarter fewer bytes",
     .before = roofs_measure},
    {"gpu", HD_GPU, HD_WITH_CUDA(run_gpu), "one thread per element: other warps are the chains",
     HD_WITH_CUDA(&at_gpu), "CUDA", .before = roofs_measure, .fits = fits_gpu},
};

const hd_lesson hd_this_lesson = {
    .number = 1,
    .name = "roofline",
    .title = "Roofline: triad to FMA",
    .size_name = "FMAs per element",
    .unit = "GFLOP/s",
    .flops = flops,
    .bytes = bytes,
    .rate = HD_RATE_FLOPS,
    .quick = {1, 8, 32, 128},
    .full = {1, 2, 4, 8, 16, 32, 64, 256},
    .sim_quick = {1, 8, 128},
    .sim_full = {1, 4, 16, 64, 256},
    .verify = {0, 1, 33, 127, 1000, -1},
    .sweep_threads = true,
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .bound_s = bound_s,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
};
