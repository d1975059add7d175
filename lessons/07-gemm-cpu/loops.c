// SPDX-License-Identifier: MIT
// First reading: three loops, and the order they run in. All three functions do the same n³ multiply-adds;
// only the addresses they touch one after the other differ.
#include <string.h>

#include "ladder.h"

// Idea: the definition, c[i][j] = Σ a[i][k] · b[k][j].
//
// Prediction: a few percent of peak at best. (1) The inner loop walks down a column of B: each step is n
// floats further, so of every 64-byte line it fetches it uses 4 bytes. (2) `sum` is one chain of dependent
// additions, one per 4 cycles or so, and C forbids the compiler to reorder them into SIMD lanes.
//
// Trap: when n is a power of two, all elements of a column fall into the same few cache sets and evict each
// other, long before the cache is full. Compare n = 1000 with 512 and 1024.
void gemm_naive(long n, const float *a, const float *b, float *c) {
  for (long i = 0; i < n; i++)
    for (long j = 0; j < n; j++) {
      float sum = 0;
      for (long k = 0; k < n; k++) sum += a[i * n + k] * b[k * n + j];
      c[i * n + j] = sum;
    }
}

// Idea: swap the two inner loops, so that the innermost runs along rows of B and C.
//
// Prediction: ten to a hundred times faster. Every byte of a fetched line is used, the prefetcher sees one
// long stream, and the n additions of the inner loop are independent: the compiler fills SIMD lanes with
// them.
//
// What is left: for each multiply-add C is loaded and stored, and all of B streams by once per row of A.
void gemm_reordered(long n, const float *a, const float *b, float *restrict c) {
  memset(c, 0, sizeof(float) * (size_t)(n * n));
  for (long i = 0; i < n; i++)
    for (long k = 0; k < n; k++) {
      const float factor = a[i * n + k];
      for (long j = 0; j < n; j++) c[i * n + j] += factor * b[k * n + j];
    }
}

static long smaller(long x, long y) {
  return x < y ? x : y;
}

// Idea: cache tiles. A STEPS × COLUMNS piece of B (256 KiB: within any L2 of today) meets all rows of A
// before the next piece is fetched, so B comes from the L2 cache instead of from L3 or memory.
//
// Prediction: as fast at every n as where all of B fits the L2 cache; a gain only beyond that, and a small
// one as long as L3 streams about as fast as one core can ask.
//
// What is left: C is loaded and stored for every multiply-add, so the bound is one store per cycle now, not
// the FMA units.
void gemm_blocked(long n, const float *a, const float *b, float *restrict c) {
  enum { STEPS = 128, COLUMNS = 512 };
  memset(c, 0, sizeof(float) * (size_t)(n * n));
  for (long jc = 0; jc < n; jc += COLUMNS)
    for (long pc = 0; pc < n; pc += STEPS) {
      const long j_end = smaller(n, jc + COLUMNS), k_end = smaller(n, pc + STEPS);
      for (long i = 0; i < n; i++)
        for (long k = pc; k < k_end; k++) {
          const float factor = a[i * n + k];
          for (long j = jc; j < j_end; j++) c[i * n + j] += factor * b[k * n + j];
        }
    }
}
