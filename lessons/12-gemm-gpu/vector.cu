// SPDX-License-Identifier: MIT
// Rung 6: 16 bytes per load.
#include "gemm_gpu.h"
#include "heddle/device.h"
#include "tiles.cuh"

// As tile2d: SIDE × SIDE results per block, steps of DEPTH, PATCH × PATCH results per thread.
enum { SIDE = 128, DEPTH = 8, PATCH = 8, THREADS = (SIDE / PATCH) * (SIDE / PATCH) };

// Idea: float4. The tile of A is stored transposed, so that a thread's eight elements of A are neighbours in
// shared memory as those of B are; both come by two 16-byte loads. Global loads and stores move 16 bytes,
// too.
//
// Prediction: per k 4 shared requests for 64 FMAs instead of 16; per step 2 global requests a thread instead
// of 8, of 16 sectors each. The instructions saved go to the FMAs. The transposing stores hit each bank
// twice (two threads hold the halves of one row of A), once per 8 k: cheap.
//
// What is left: columns of neighbouring threads are still 8 floats apart. A quarter of a warp reads 8 × 16
// bytes of B from 16 of the 32 banks, 2 wavefronts where 1 would do, and a store of C fills half of each of
// its 32 sectors.
static __global__ void __launch_bounds__(THREADS, 2)
    gemm_vector(int n, const float *a, const float *b, float *c) {
  __shared__ __align__(16) float tile_a[DEPTH][SIDE], tile_b[DEPTH][SIDE];
  const int me = (int)threadIdx.x, row0 = (int)blockIdx.y * SIDE, column0 = (int)blockIdx.x * SIDE;
  const int my_row = me / (SIDE / PATCH) * PATCH, my_column = me % (SIDE / PATCH) * PATCH;
  // SIDE · DEPTH = 4 · THREADS: one group of four of each tile per thread.
  const int a_row = me / (DEPTH / 4), a_k = me % (DEPTH / 4) * 4;
  const int b_k = me / (SIDE / 4), b_column = me % (SIDE / 4) * 4;
  float sum[PATCH][PATCH] = {{0}};
  for (int k0 = 0; k0 < n; k0 += DEPTH) {
    const float4 v = load_quad(a, n, row0 + a_row, k0 + a_k);
    tile_a[a_k + 0][a_row] = v.x;
    tile_a[a_k + 1][a_row] = v.y;
    tile_a[a_k + 2][a_row] = v.z;
    tile_a[a_k + 3][a_row] = v.w;
    *(float4 *)&tile_b[b_k][b_column] = load_quad(b, n, k0 + b_k, column0 + b_column);
    __syncthreads();
#pragma unroll
    for (int k = 0; k < DEPTH; k++) {
      float from_a[PATCH], from_b[PATCH];
#pragma unroll
      for (int i = 0; i < PATCH; i += 4) fetch_quad(from_a + i, &tile_a[k][my_row + i]);
#pragma unroll
      for (int j = 0; j < PATCH; j += 4) fetch_quad(from_b + j, &tile_b[k][my_column + j]);
#pragma unroll
      for (int i = 0; i < PATCH; i++)
#pragma unroll
        for (int j = 0; j < PATCH; j++) sum[i][j] += from_a[i] * from_b[j];
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < PATCH; i++)
#pragma unroll
    for (int j = 0; j < PATCH; j += 4)
      store_quad(c, n, row0 + my_row + i, column0 + my_column + j, &sum[i][j]);
}

void run_vector(hd_case *c) {
  const gemm_case *m = (const gemm_case *)c->state;
  const int n = (int)c->size;
  gemm_vector<<<dim3(tiles(n, SIDE), tiles(n, SIDE)), THREADS>>>(n, m->device_a, m->device_b, m->device_c);
  HD_LAUNCHED();
}
