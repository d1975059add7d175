// SPDX-License-Identifier: MIT
// Rung 7: a tile per warp between the block's tile and the thread's.
#include "gemm_gpu.h"
#include "heddle/device.h"
#include "tiles.cuh"

// A block computes SIDE × SIDE elements of C in steps of DEPTH along k; each of its four warps a WARP_SIDE ×
// WARP_SIDE quarter. In it the 32 lanes stand in 8 rows of 4. A lane's results are ROWS × 4 in each of
// STRIPS strips; a strip is 4 lanes × 4 columns wide.
enum { SIDE = 128, DEPTH = 16, WARP_SIDE = 64, LANES_ACROSS = 4, ROWS = 8 };
enum { STRIP = LANES_ACROSS * 4, STRIPS = WARP_SIDE / STRIP, COLUMNS = STRIPS * 4 };
enum { WARPS_ACROSS = SIDE / WARP_SIDE, THREADS = 32 * WARPS_ACROSS * WARPS_ACROSS };

static __device__ __forceinline__ void load_tiles(int n, const float *a, const float *b, int row0,
                                                  int column0, int k0, float tile_a[DEPTH][SIDE],
                                                  float tile_b[DEPTH][SIDE]) {
#pragma unroll
  for (int i = (int)threadIdx.x; i < SIDE * DEPTH / 4; i += THREADS) {
    const int row = i / (DEPTH / 4), k = i % (DEPTH / 4) * 4;
    const float4 v = load_quad(a, n, row0 + row, k0 + k);
    tile_a[k + 0][row] = v.x;
    tile_a[k + 1][row] = v.y;
    tile_a[k + 2][row] = v.z;
    tile_a[k + 3][row] = v.w;
  }
#pragma unroll
  for (int i = (int)threadIdx.x; i < SIDE * DEPTH / 4; i += THREADS) {
    const int k = i / (SIDE / 4), column = i % (SIDE / 4) * 4;
    *(float4 *)&tile_b[k][column] = load_quad(b, n, k0 + k, column0 + column);
  }
}

// Idea: decide where each lane's results lie. Four lanes side by side read 4 × 16 neighbouring bytes of B;
// lanes of one row share an address of A: no bank is hit twice. And 128 results a thread instead of 64 need
// 24 operands per 128 FMAs instead of 32.
//
// Prediction: 6 shared requests of 16 bytes for 128 FMAs, all free of conflicts: the load/store unit works
// about half as long as the arithmetic. A store of C fills whole sectors: 16 per request. 16 k per step:
// half the barriers. (The transposing stores, four-way conflicts, come once per 16 k.) Some 200 to 240
// registers: two blocks of four warps on an SM, 12 to 17 % occupancy, and the fastest kernel so far.
// Occupancy is a means to hide latency, not an aim.
static __global__ void __launch_bounds__(THREADS, 2)
    gemm_warptile(int n, const float *a, const float *b, float *c) {
  __shared__ __align__(16) float tile_a[DEPTH][SIDE], tile_b[DEPTH][SIDE];
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  const int row0 = (int)blockIdx.y * SIDE, column0 = (int)blockIdx.x * SIDE;
  const int my_row = warp / WARPS_ACROSS * WARP_SIDE + lane / LANES_ACROSS * ROWS;
  const int my_column = warp % WARPS_ACROSS * WARP_SIDE + lane % LANES_ACROSS * 4;
  float sum[ROWS][COLUMNS] = {{0}};
  for (int k0 = 0; k0 < n; k0 += DEPTH) {
    load_tiles(n, a, b, row0, column0, k0, tile_a, tile_b);
    __syncthreads();
#pragma unroll
    for (int k = 0; k < DEPTH; k++) {
      float from_a[ROWS], from_b[COLUMNS];
#pragma unroll
      for (int i = 0; i < ROWS; i += 4) fetch_quad(from_a + i, &tile_a[k][my_row + i]);
#pragma unroll
      for (int s = 0; s < STRIPS; s++) fetch_quad(from_b + 4 * s, &tile_b[k][my_column + s * STRIP]);
#pragma unroll
      for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int j = 0; j < COLUMNS; j++) sum[i][j] += from_a[i] * from_b[j];
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < ROWS; i++)
#pragma unroll
    for (int s = 0; s < STRIPS; s++)
      store_quad(c, n, row0 + my_row + i, column0 + my_column + s * STRIP, &sum[i][4 * s]);
}

void run_warptile(hd_case *c) {
  const gemm_case *m = (const gemm_case *)c->state;
  const int n = (int)c->size;
  gemm_warptile<<<dim3(tiles(n, SIDE), tiles(n, SIDE)), THREADS>>>(n, m->device_a, m->device_b, m->device_c);
  HD_LAUNCHED();
}
