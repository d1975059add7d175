// SPDX-License-Identifier: MIT
// Read from top to bottom: each version lifts one of the limits that keep the one above it below the roof.
#include "fold.h"

#include "heddle/simd.h"  // vectors as wide as the machine's registers: +, × and FMA work on all lanes

// Vectors in flight: an FMA's result is there after about 4 cycles and two can start in each, so 8 at least,
// and a few more to spare.
enum { CHAINS = 10, BLOCK = CHAINS * HD_WIDTH };

// One element: k FMAs, each waiting for the one before it.
static inline float fold_one(float v, float add, long k) {
  for (long j = 0; j < k; j++) v = v * FOLD_RATIO + add;
  return v;
}

// The loop as one writes it: one element at a time, one lane of the vector unit at work.
void fold_scalar(float *a, const float *b, const float *c, long n, long k) {
  for (long i = 0; i < n; i++) a[i] = hd_keep_scalar(fold_one(b[i], c[i], k));
}

// The same for HD_WIDTH elements at once. Still each FMA waits for the one before it: at a large k the core
// can start two in every cycle and starts one in about four.
void fold_simd(float *a, const float *b, const float *c, long n, long k) {
  long i = 0;
  for (; i + HD_WIDTH <= n; i += HD_WIDTH) {
    hd_floats v = *(const hd_floats *)(b + i);
    const hd_floats add = *(const hd_floats *)(c + i);
    for (long j = 0; j < k; j++) v = v * FOLD_RATIO + add;
    *(hd_floats *)(a + i) = v;
  }
  for (; i < n; i++) a[i] = fold_one(b[i], c[i], k);
}

// CHAINS vectors at once: their chains are independent, so while one waits the others run. The unrolling
// keeps them in registers.
static inline void fold_block(hd_floats v[CHAINS], const float *b, const float *c, long k) {
#pragma GCC unroll 10
  for (int t = 0; t < CHAINS; t++) v[t] = *(const hd_floats *)(b + t * HD_WIDTH);
  for (long j = 0; j < k; j++) {
#pragma GCC unroll 10
    for (int t = 0; t < CHAINS; t++) v[t] = v[t] * FOLD_RATIO + *(const hd_floats *)(c + t * HD_WIDTH);
  }
}

static inline void chains(float *a, const float *b, const float *c, long from, long to, long k) {
  long i = from;
  for (; i + BLOCK <= to; i += BLOCK) {
    hd_floats v[CHAINS];
    fold_block(v, b + i, c + i, k);
#pragma GCC unroll 10
    for (int t = 0; t < CHAINS; t++) *(hd_floats *)(a + i + t * HD_WIDTH) = v[t];
  }
  for (; i < to; i++) a[i] = fold_one(b[i], c[i], k);
}

void fold_chains(float *a, const float *b, const float *c, long n, long k) {
  chains(a, b, c, 0, n, k);
}

// All cores. Each gets whole pages in one piece, so that it reads what it touched first and no prefetcher
// works across two threads' data.
enum { PIECE = 64 * BLOCK };

void fold_threads(float *a, const float *b, const float *c, long n, long k) {
#pragma omp parallel for schedule(static)
  for (long i = 0; i < n; i += PIECE) chains(a, b, c, i, i + PIECE < n ? i + PIECE : n, k);
}

// A core that stores into a line it does not have reads the line first: 4 bytes more for every element, 16
// instead of 12. A streaming store does not. It pays at a small k only, where bytes are the limit.
void fold_streaming(float *a, const float *b, const float *c, long n, long k) {
#pragma omp parallel for schedule(static)
  for (long from = 0; from < n; from += PIECE) {
    const long to = from + PIECE < n ? from + PIECE : n;
    long i = from;
    for (; i + BLOCK <= to; i += BLOCK) {
      hd_floats v[CHAINS];
      fold_block(v, b + i, c + i, k);
#pragma GCC unroll 10
      for (int t = 0; t < CHAINS; t++) hd_store_around_cache(a + i + t * HD_WIDTH, v[t]);
    }
    for (; i < to; i++) a[i] = fold_one(b[i], c[i], k);
  }
}
