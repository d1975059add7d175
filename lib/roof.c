// SPDX-License-Identifier: MIT
#include "heddle/roof.h"

#include <math.h>
#include <omp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "heddle/clock.h"
#include "heddle/error.h"
#include "heddle/simd.h"

const char *hd_simd(void) {
#if defined(__AVX512F__)
  return "AVX-512";
#elif defined(__AVX2__)
  return "AVX2";
#elif defined(__ARM_NEON)
  return "NEON";
#elif defined(__SSE2__)
  return "SSE2";
#else
  return "none";
#endif
}

// 3 × 64 MiB: several times any last-level cache share of the machines we know, touched first by its users.
enum { COUNT = 16 << 20, PASSES = 4, ARRAYS = 3 };
static float *a, *b, *c;
static void have_arrays(void) {
  if (a) return;
  a = hd_alloc(COUNT, sizeof(float));
  b = hd_alloc(COUNT, sizeof(float));
  c = hd_alloc(COUNT, sizeof(float));
#pragma omp parallel for schedule(static)
  for (long i = 0; i < COUNT; i++) a[i] = 0, b[i] = 1, c[i] = 2;
}

static void triad(int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (long i = 0; i < COUNT; i += HD_WIDTH)
    hd_store_around_cache(a + i, *(const hd_floats *)(b + i) + 3.0f * *(const hd_floats *)(c + i));
}

static void update_in_place(int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (long i = 0; i < COUNT; i += HD_WIDTH) *(hd_floats *)(a + i) += 3.0f * *(const hd_floats *)(b + i);
}

double hd_roof_bytes(int threads) {
  have_arrays();
  double best = INFINITY;
  for (int pass = 0; pass < PASSES; pass++) {
    const double start = hd_wall();
    if (pass % 2)
      update_in_place(threads);
    else
      triad(threads);
    best = fmin(best, hd_wall() - start);
  }
  return 12.0 * COUNT / best;
}

double hd_roof_read(int threads) {
  have_arrays();
  double best = INFINITY;
  const float *const arrays[ARRAYS] = {a, b, c};
  for (int pass = 0; pass < ARRAYS; pass++) {
    const float *x = arrays[pass];
    const double start = hd_wall();
#pragma omp parallel num_threads(threads)
    {
      // Two streams a thread: a core's prefetchers get a fifth more out of two than out of one.
      hd_floats sum[4] = {0};
#pragma omp for schedule(static) nowait
      for (long i = 0; i < COUNT / 2; i += 2 * HD_WIDTH)
#pragma GCC unroll 2
        for (int k = 0; k < 2; k++) {
          sum[k] += *(const hd_floats *)(x + i + k * HD_WIDTH);
          sum[2 + k] += *(const hd_floats *)(x + COUNT / 2 + i + k * HD_WIDTH);
        }
      __asm__ volatile("" : : "m"(sum));  // keeps the loads alive
    }
    best = fmin(best, hd_wall() - start);
  }
  return 4.0 * COUNT / best;
}

double hd_roof_flops(int threads) {
  // More chains than latency × issue width of any core today (5 cycles × 2), so that only throughput counts.
  enum { CHAINS = 12, STEPS = 40000, TRIES = 10 };
  double best = INFINITY;
  for (int pass = 0; pass < TRIES; pass++) {
    const double start = hd_wall();
#pragma omp parallel num_threads(threads)
    {
      hd_floats x[CHAINS];
      hd_floats m = {0}, d = {0};
      m += 0.999f;
      d += 1e-3f;
#pragma GCC unroll 12
      for (int k = 0; k < CHAINS; k++) x[k] = d * (float)(k + 1);
      for (long i = 0; i < STEPS; i++) {
#pragma GCC unroll 12
        for (int k = 0; k < CHAINS; k++) x[k] = x[k] * m + d;
      }
      hd_floats sum = x[0];
#pragma GCC unroll 11
      for (int k = 1; k < CHAINS; k++) sum += x[k];
      __asm__ volatile("" : : "m"(sum));  // keeps the chains alive
    }
    best = fmin(best, hd_wall() - start);
  }
  return 2.0 * HD_WIDTH * CHAINS * STEPS * threads / best;
}

double hd_roof_flops_best(int threads) {
  enum { SAMPLES = 3, MOST = 64 };
  static double best[MOST + 1];
  const int cores = threads < omp_get_num_procs() ? threads : omp_get_num_procs();
  if (cores > MOST) return cores * hd_roof_flops_best(1);
  for (int i = 0; i < SAMPLES; i++) {
    const double sample = hd_roof_flops(cores);
    if (sample > best[cores]) best[cores] = sample;
  }
  return best[cores];
}

// The ball: even values belong to the server, odd ones to its partner.
static _Alignas(128) atomic_uint ball;
static atomic_bool stop;

static void return_balls(void) {
  while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
    const unsigned v = atomic_load_explicit(&ball, memory_order_acquire);
    if (v % 2) atomic_store_explicit(&ball, v + 1, memory_order_release);
  }
}

// Nanoseconds one way; the best of short spans, for one descheduling would otherwise be the whole answer.
static double serve_balls(void) {
  double best = INFINITY;
  const double end = hd_wall() + 2e-3;
  while (hd_wall() < end) {
    enum { ROUNDS = 100 };
    const double start = hd_wall();
    for (int i = 0; i < ROUNDS; i++) {
      const unsigned served = atomic_fetch_add_explicit(&ball, 1, memory_order_acq_rel) + 1;
      long spins =
          0;  // the deadline is looked at seldom: reading the clock costs as much as the ball's flight
      while (atomic_load_explicit(&ball, memory_order_acquire) == served)
        if (++spins % 4096 == 0 && hd_wall() > end + 0.05) break;
    }
    best = fmin(best, (hd_wall() - start) / (2 * ROUNDS));
  }
  return best * 1e9;
}

// Between the first two threads of the OpenMP team, those that compute: a thread of our own would have to
// share a core with a team that spins between its regions.
double hd_ping_pong_ns(void) {
  if (omp_get_num_procs() < 2) return 0;
  double flight = 0;
  atomic_store(&ball, 0);
  atomic_store(&stop, false);
#pragma omp parallel num_threads(2)
  {
    if (omp_get_thread_num() == 1)
      return_balls();
    else if (omp_get_num_threads() == 2) {
      flight = serve_balls();
      atomic_store(&stop, true);
    }
  }
  return flight;
}

const char *hd_mood(double ping_pong_ns) {
  if (!(ping_pong_ns > 0)) return "";
  return ping_pong_ns < 100 ? "SAME" : ping_pong_ns < 1000 ? "CROSS" : "BUSY";
}
