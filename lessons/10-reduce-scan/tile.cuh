// SPDX-License-Identifier: MIT
// A tile of SCAN_TILE integers in the registers of a block: loaded, scanned, stored. A warp holds 512
// neighbours as ROWS rows of 128: in each row a lane has 4 neighbours, 16 bytes, so that a row is one request
// in one piece and nothing has to be turned round in shared memory.
//
// 16 integers a thread: with what the scan needs around 40 registers, so 3 blocks of 512 threads are resident
// (cc 9.0), with 96 KB under way per SM where 25 KB keep an H200's memory busy. The more a tile holds, the
// fewer tiles there are that have to hear of each other.
#ifndef REDUCE_SCAN_TILE_CUH
#define REDUCE_SCAN_TILE_CUH
#include "scan.h"

enum { ROWS = 4, ROW = 128, WARPS = SCAN_THREADS / 32 };

typedef struct tile {
  int at[ROWS][4];
} tile;

// Where the first of this thread's four elements of a row stands.
static __device__ __forceinline__ size_t place_of(size_t number, int row) {
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  return number * SCAN_TILE + (warp * ROWS + row) * ROW + 4 * lane;
}

// Behind the end there are zeros. All loads are issued before the first is used.
static __device__ __forceinline__ tile load_tile(size_t n, const int *k, size_t number) {
  tile t;
  if ((number + 1) * SCAN_TILE <= n) {
#pragma unroll
    for (int row = 0; row < ROWS; row++) {
      const int4 v = *(const int4 *)(k + place_of(number, row));
      t.at[row][0] = v.x;
      t.at[row][1] = v.y;
      t.at[row][2] = v.z;
      t.at[row][3] = v.w;
    }
    return t;
  }
#pragma unroll
  for (int row = 0; row < ROWS; row++) {
    const size_t i = place_of(number, row);
#pragma unroll
    for (int e = 0; e < 4; e++) t.at[row][e] = i + e < n ? k[i + e] : 0;
  }
  return t;
}

// Stores the tile with `before` added. __stcg (past L1, as all stores go) because nvcc cuts a plain store of
// an int4 into four where it likes to.
static __device__ __forceinline__ void store_tile(size_t n, int *y, size_t number, const tile *t,
                                                  int before) {
  if ((number + 1) * SCAN_TILE <= n) {
#pragma unroll
    for (int row = 0; row < ROWS; row++) {
      const int *v = t->at[row];
      __stcg((int4 *)(y + place_of(number, row)),
             make_int4(v[0] + before, v[1] + before, v[2] + before, v[3] + before));
    }
    return;
  }
#pragma unroll
  for (int row = 0; row < ROWS; row++) {
    const size_t i = place_of(number, row);
#pragma unroll
    for (int e = 0; e < 4; e++)
      if (i + e < n) y[i + e] = t->at[row][e] + before;
  }
}

// The sum over lanes 0 … this one.
static __device__ __forceinline__ int warp_scan(int x) {
  const unsigned lane = threadIdx.x % 32;
#pragma unroll
  for (unsigned by = 1; by < 32; by *= 2) {
    const int below = __shfl_up_sync(0xffffffffu, x, by);
    if (lane >= by) x += below;
  }
  return x;
}

static __device__ __forceinline__ int warp_total(int x) {
#pragma unroll
  for (int half = 16; half; half /= 2) x += __shfl_xor_sync(0xffffffffu, x, half);
  return x;
}

// Scans each warp's 512 elements by themselves; returns their sum. The rows' scans don't wait for each other.
static __device__ __forceinline__ int scan_warps(tile *t) {
  int before = 0;
#pragma unroll
  for (int row = 0; row < ROWS; row++) {
    int *v = t->at[row];
    v[1] += v[0];
    v[2] += v[1];
    v[3] += v[2];
    const int inclusive = warp_scan(v[3]);
    const int lanes = before + inclusive - v[3];
    before += __shfl_sync(0xffffffffu, inclusive, 31);
#pragma unroll
    for (int e = 0; e < 4; e++) v[e] += lanes;
  }
  return before;
}

// What one warp tells all others: the sums of the warps, in shared memory. All threads must call; returns the
// sum of the warps before this one, and that of the block in *total.
static __device__ __forceinline__ int sum_before_warp(int of_warp, int *total) {
  __shared__ int sums[WARPS];
  const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
  if (lane == 0) sums[warp] = of_warp;
  __syncthreads();
  const int inclusive = warp_scan(lane < WARPS ? sums[lane] : 0);
  *total = __shfl_sync(0xffffffffu, inclusive, WARPS - 1);
  return __shfl_sync(0xffffffffu, inclusive, warp) - of_warp;
}
#endif
