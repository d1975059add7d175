// SPDX-License-Identifier: MIT
// Rung 4: a column of results per thread.
#include "gemm_gpu.h"
#include "heddle/device.h"
#include "tiles.cuh"

// A block computes SIDE × SIDE elements of C in steps of DEPTH along k; a thread HEIGHT of them, one below
// the other.
enum { SIDE = 64, DEPTH = 8, HEIGHT = 8, THREADS = SIDE * SIDE / HEIGHT };

// Idea: a thread that computes eight elements of one column loads an element of B once for all eight: 9
// shared loads for 8 FMAs instead of 16. The sums live in registers.
//
// Prediction: 4 KiB from L2 for 2 · 64 · 64 · 8 FLOP: 16 FLOP/B. Loads of B: 4 sectors. A row of the tile of
// A is 8 floats = 1 sector, so a warp's load of A touches 4 rows = 4 sectors as well. In shared memory a
// warp shares its eight elements of A (broadcasts) and reads 32 neighbours of B: no conflicts. Two to three
// times the rung before.
static __global__ void __launch_bounds__(THREADS)
    gemm_tile1d(int n, const float *a, const float *b, float *c) {
  __shared__ float tile_a[SIDE][DEPTH], tile_b[DEPTH][SIDE];
  const int me = (int)threadIdx.x, row0 = (int)blockIdx.y * SIDE, column0 = (int)blockIdx.x * SIDE;
  const int my_row = me / SIDE * HEIGHT, my_column = me % SIDE;  // of my results, within the tile
  float sum[HEIGHT] = {0};
  for (int k0 = 0; k0 < n; k0 += DEPTH) {
    // SIDE · DEPTH = THREADS: one element of each tile per thread, neighbours along the rows of A and B.
    tile_a[me / DEPTH][me % DEPTH] = element(a, n, row0 + me / DEPTH, k0 + me % DEPTH);
    tile_b[me / SIDE][me % SIDE] = element(b, n, k0 + me / SIDE, column0 + me % SIDE);
    __syncthreads();
#pragma unroll
    for (int k = 0; k < DEPTH; k++) {
      const float from_b = tile_b[k][my_column];
#pragma unroll
      for (int i = 0; i < HEIGHT; i++) sum[i] += tile_a[my_row + i][k] * from_b;
    }
    __syncthreads();
  }
  const int column = column0 + my_column;
#pragma unroll
  for (int i = 0; i < HEIGHT; i++) {
    const int row = row0 + my_row + i;
    if (row < n && column < n) c[(size_t)row * n + column] = sum[i];
  }
}

void run_tile1d(hd_case *c) {
  const gemm_case *m = (const gemm_case *)c->state;
  const int n = (int)c->size;
  gemm_tile1d<<<dim3(tiles(n, SIDE), tiles(n, SIDE)), THREADS>>>(n, m->device_a, m->device_b, m->device_c);
  HD_LAUNCHED();
}
