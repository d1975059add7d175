// SPDX-License-Identifier: MIT
// Rung 3: a block fetches each tile of A and B once and shares it.
#include "gemm_gpu.h"
#include "heddle/device.h"
#include "tiles.cuh"

enum { SIDE = 32, THREADS = SIDE * SIDE };

// Idea: walk along k in steps of 32. In each step the block's 1024 threads copy one 32 × 32 tile of A and
// one of B into shared memory, one element each, and then read every element 32 times from there.
//
// Prediction: 8 KiB from L2 for 2 · 32³ FLOP: 8 FLOP/B instead of 0.25; all requests 4 sectors. No bank
// conflicts: a warp reads one element of the tile of A (broadcast) and a row of the tile of B (32 banks).
//
// What is left: each FMA still needs two shared loads, so the load/store unit is busier than the arithmetic;
// the compiler softens it by fetching four k of A at once (16 bytes). Two barriers per step: nobody may read
// a tile before it is complete, nor overwrite it before all have read it. And of blocks of 1024 threads only
// one or two fit an SM: few other warps fill the pauses.
static __global__ void __launch_bounds__(THREADS)
    gemm_shared(int n, const float *a, const float *b, float *c) {
  __shared__ float tile_a[SIDE][SIDE], tile_b[SIDE][SIDE];
  const int x = (int)threadIdx.x, y = (int)threadIdx.y;
  const int row = (int)blockIdx.y * SIDE + y, column = (int)blockIdx.x * SIDE + x;
  float sum = 0;
  for (int k0 = 0; k0 < n; k0 += SIDE) {
    // Outside the matrix the tiles hold zeros, which add nothing: sizes need not be multiples of 32.
    tile_a[y][x] = element(a, n, row, k0 + x);
    tile_b[y][x] = element(b, n, k0 + y, column);
    __syncthreads();
    for (int k = 0; k < SIDE; k++) sum += tile_a[y][k] * tile_b[k][x];
    __syncthreads();
  }
  if (row < n && column < n) c[(size_t)row * n + column] = sum;
}

void run_shared(hd_case *c) {
  const gemm_case *m = (const gemm_case *)c->state;
  const int n = (int)c->size;
  gemm_shared<<<dim3(tiles(n, SIDE), tiles(n, SIDE)), dim3(SIDE, SIDE)>>>(n, m->device_a, m->device_b,
                                                                          m->device_c);
  HD_LAUNCHED();
}
