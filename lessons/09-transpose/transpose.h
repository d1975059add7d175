// SPDX-License-Identifier: MIT
// B = Aᵀ for an n × n matrix of floats, row-major: one case, and the transpose by each rung. Every GPU run_*
// writes device_b from device_a on the default stream.
#ifndef TRANSPOSE_H
#define TRANSPOSE_H
#include "heddle/bench.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct transpose_case {
  float *a, *b;                // (n, n) on the host
  float *device_a, *device_b;  // (n, n) on the GPU, between place_matrices and release_matrices
  bool copied;                 // device_b holds A, not Aᵀ: run_copy or run_memcpy was here
} transpose_case;

// The three steps of hd_place, the same for all rungs: matrices.cu.
hd_run place_matrices, collect_matrices, release_matrices;

// In reading order.
hd_run run_serial, run_omp_blocked;          // cpu.c
hd_run run_copy, run_memcpy, run_naive;      // direct.cu
hd_run run_tiled, run_padded, run_swizzled;  // tiled.cu
hd_run run_vectorized;                       // vectorized.cu
hd_run run_yours;                            // the lab's

// B = Aᵀ by 32 × 32 blocks on all OpenMP threads. a, b: (n, n), not overlapping.
void transpose_blocked(long n, const float *a, float *b);

// Tiles of `side` that cover n, at least one: a grid must not be empty. For n = 0 the kernels' own checks let
// no thread touch anything.
static inline unsigned tiles(int n, int side) {
  return n > 0 ? (unsigned)((n + side - 1) / side) : 1;
}

#ifdef __cplusplus
}
#endif
#endif
