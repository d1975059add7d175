// SPDX-License-Identifier: MIT
// C = A · B for square matrices, row-major, in single precision: one case, and the product by each rung.
// Every run_* computes device_c from device_a and device_b on the default stream.
#ifndef GEMM_GPU_H
#define GEMM_GPU_H
#include "heddle/bench.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gemm_case {
  float *a, *b, *c;                       // (n, n) on the host
  float *device_a, *device_b, *device_c;  // (n, n) on the GPU, between place_matrices and release_matrices
} gemm_case;

// The three steps of hd_place, the same for all rungs: matrices.cu.
hd_run place_matrices, collect_matrices, release_matrices;

// In reading order.
hd_run run_serial, run_omp_micro;  // cpu.c
hd_run run_naive, run_coalesced;   // naive.cu
hd_run run_shared;                 // shared.cu
hd_run run_tile1d;                 // tile1d.cu
hd_run run_tile2d;                 // tile2d.cu
hd_run run_vector;                 // vector.cu
hd_run run_warptile;               // warptile.cu
hd_run run_cublas;                 // cublas.cu
hd_run run_yours;                  // the lab's

// Tiles of `side` that cover n, at least one: a grid must not be empty. For n = 0 the kernels' own checks let
// no thread touch anything.
static inline unsigned tiles(int n, int side) {
  return n > 0 ? (unsigned)((n + side - 1) / side) : 1;
}

#ifdef __cplusplus
}
#endif
#endif
