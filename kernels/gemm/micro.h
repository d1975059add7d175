// SPDX-License-Identifier: MIT
// The micro-kernel: one MR × NR tile of C held in vector registers, updated by kc rank-1 products.
//
//            NR: whole vectors
//          ┌─────────────────┐
//          │ panel of B      │ kc rows
//          └─────────────────┘
//      kc  ┌─────────────────┐
//    ┌───┐ │ tile of C       │
// MR │ A │ │ in registers    │
//    └───┘ └─────────────────┘
//
// Each step reads one row of the B panel (NR floats) and one column of the A panel (MR floats) and multiplies
// every pair: MR · NR multiply-adds for MR + NR loaded floats. C is touched once, after kc steps. Both panels
// are packed, so they are read from front to back, which the hardware prefetcher foresees.
#ifndef HEDDLE_KERNELS_GEMM_MICRO_H
#define HEDDLE_KERNELS_GEMM_MICRO_H

// Blocking (names of the BLIS papers). Registers: MR·NR accumulators plus NR/lanes of B plus one of A must
// fit in 32 (AVX-512, NEON) or 16 (AVX2, SSE) vector registers, and at least latency × units = 8 independent
// multiply-adds must be in flight. Caches: a KC × NR panel of B stays near L1 while it meets a whole MC × KC
// block of A, which stays in L2; KC × NC of B stays in L3.
#if defined(__AVX512F__)
enum { VECTOR_BYTES = 64, MR = 8, NR = 32, KC = 512, MC = 128, NC = 4096 };
#elif defined(__AVX__)
enum { VECTOR_BYTES = 32, MR = 4, NR = 24, KC = 320, MC = 96, NC = 4080 };
#elif defined(__aarch64__)
enum { VECTOR_BYTES = 16, MR = 8, NR = 12, KC = 384, MC = 128, NC = 4080 };
#else
enum { VECTOR_BYTES = 16, MR = 4, NR = 12, KC = 320, MC = 96, NC = 4080 };
#endif
enum { LANES = VECTOR_BYTES / 4, VECTORS = NR / LANES };

// A vector as GCC and Clang spell it on every machine; alignment 4 because rows of C start anywhere.
typedef float vector __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));

// c[MR][vectors · LANES] = alpha · (A panel · B panel) + beta · c, rows of c ldc floats apart.
//   a: kc columns of MR floats; b: kc rows ldb floats apart, of which the first `vectors` vectors are used.
//   panel: the rows of b are also stored there, NR floats apart: a B that nobody packed is packed on the way,
//   and its loads from far away hide behind products. NULL: b is a panel already.
//   beta = 0 does not read c. vectors must be a constant: inlined, so that the loops over it disappear.
static inline __attribute__((always_inline)) void micro_kernel(int vectors, long kc, float alpha,
                                                               const float *restrict a,
                                                               const float *restrict b, long ldb,
                                                               float *restrict panel, float beta,
                                                               float *restrict c, long ldc) {
  vector sum[MR][VECTORS] = {0};
  // C arrives from memory while the products run, instead of stalling after them.
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++) {
    __builtin_prefetch(c + i * ldc, 1);
    __builtin_prefetch(c + i * ldc + vectors * LANES - 1, 1);
  }
  // Every loop over `sum` must be unrolled completely: an array stays in registers only if all indices are
  // constants.
#pragma GCC unroll 4
  for (long k = 0; k < kc; k++, a += MR, b += ldb) {
    const vector *row = (const vector *)b;
    if (panel)
#pragma GCC unroll 4
      for (int j = 0; j < vectors; j++) ((vector *)panel)[k * VECTORS + j] = row[j];
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 4
      for (int j = 0; j < vectors; j++) sum[i][j] += a[i] * row[j];
  }
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++) {
    vector *row = (vector *)(c + i * ldc);
#pragma GCC unroll 4
    for (int j = 0; j < vectors; j++)
      row[j] = beta == 0 ? alpha * sum[i][j] : alpha * sum[i][j] + beta * row[j];
  }
}

// The same at the right and lower edge of C, where only rows × columns of the tile exist: computed in full
// (panels are padded with zeros) into a tile of our own, of which the part that exists is added to c.
static inline void micro_kernel_edge(int rows, int columns, long kc, float alpha, const float *a,
                                     const float *b, float beta, float *c, long ldc) {
  float tile[MR * NR] __attribute__((aligned(VECTOR_BYTES)));
  if (columns <= LANES)
    micro_kernel(1, kc, alpha, a, b, NR, NULL, 0, tile, NR);
  else
    micro_kernel(VECTORS, kc, alpha, a, b, NR, NULL, 0, tile, NR);
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < columns; j++)
      c[i * ldc + j] = beta == 0 ? tile[i * NR + j] : tile[i * NR + j] + beta * c[i * ldc + j];
}

#endif
