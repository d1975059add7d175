// SPDX-License-Identifier: MIT
// Rung 5: a square of results per thread.
#include "gemm_gpu.h"
#include "heddle/device.h"
#include "tiles.cuh"

// A block computes SIDE × SIDE elements of C in steps of DEPTH along k; a thread PATCH × PATCH of them.
enum { SIDE = 128, DEPTH = 8, PATCH = 8, THREADS = (SIDE / PATCH) * (SIDE / PATCH) };

// Idea: reuse in both directions. Per k a thread loads 8 elements of A and 8 of B into registers and makes
// 64 FMAs of them (an outer product): 16 shared loads for 64 FMAs.
//
// Prediction: 8 KiB from L2 for 2 · 128 · 128 · 8 FLOP: 32 FLOP/B. 64 sums, 16 operands and the addresses
// want some 140 registers; held to 128 (the 2 in __launch_bounds__), two blocks fit an SM: occupancy 25 to
// 33 %. It hardly matters: 64 independent FMAs of one thread hide their own latency.
//
// What is left: the columns of neighbouring threads are 8 floats apart, so a load of B hits each bank
// several times, a store of C touches 32 sectors, and all of it moves 4 bytes at a time.
static __global__ void __launch_bounds__(THREADS, 2)
    gemm_tile2d(int n, const float *a, const float *b, float *c) {
  __shared__ float tile_a[SIDE][DEPTH], tile_b[DEPTH][SIDE];
  const int me = (int)threadIdx.x, row0 = (int)blockIdx.y * SIDE, column0 = (int)blockIdx.x * SIDE;
  const int my_row = me / (SIDE / PATCH) * PATCH, my_column = me % (SIDE / PATCH) * PATCH;
  float sum[PATCH][PATCH] = {{0}};
  for (int k0 = 0; k0 < n; k0 += DEPTH) {
    // SIDE · DEPTH = 4 · THREADS: four elements of each tile per thread.
#pragma unroll
    for (int i = me; i < SIDE * DEPTH; i += THREADS)
      tile_a[i / DEPTH][i % DEPTH] = element(a, n, row0 + i / DEPTH, k0 + i % DEPTH);
#pragma unroll
    for (int i = me; i < SIDE * DEPTH; i += THREADS)
      tile_b[i / SIDE][i % SIDE] = element(b, n, k0 + i / SIDE, column0 + i % SIDE);
    __syncthreads();
#pragma unroll
    for (int k = 0; k < DEPTH; k++) {
      float from_a[PATCH], from_b[PATCH];
#pragma unroll
      for (int i = 0; i < PATCH; i++) from_a[i] = tile_a[my_row + i][k];
#pragma unroll
      for (int j = 0; j < PATCH; j++) from_b[j] = tile_b[k][my_column + j];
#pragma unroll
      for (int i = 0; i < PATCH; i++)
#pragma unroll
        for (int j = 0; j < PATCH; j++) sum[i][j] += from_a[i] * from_b[j];
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < PATCH; i++) {
    const int row = row0 + my_row + i;
#pragma unroll
    for (int j = 0; j < PATCH; j++) {
      const int column = column0 + my_column + j;
      if (row < n && column < n) c[(size_t)row * n + column] = sum[i][j];
    }
  }
}

void run_tile2d(hd_case *c) {
  const gemm_case *m = (const gemm_case *)c->state;
  const int n = (int)c->size;
  gemm_tile2d<<<dim3(tiles(n, SIDE), tiles(n, SIDE)), THREADS>>>(n, m->device_a, m->device_b, m->device_c);
  HD_LAUNCHED();
}
