// SPDX-License-Identifier: MIT
// The sum over a block's SUM_THREADS threads by shuffles: what all rungs from `shuffle` on end with.
#ifndef REDUCE_SCAN_BLOCK_SUM_CUH
#define REDUCE_SCAN_BLOCK_SUM_CUH
#include "sum.h"

// Lane 0 returns the sum over its warp: 5 steps, in each of which a lane adds the register of another one.
// Nothing is stored, and no barrier is needed: the shuffle itself waits for the lanes of its mask.
static __device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
  for (int half = 16; half; half /= 2) x += __shfl_down_sync(0xffffffffu, x, half);
  return x;
}

// Thread 0 returns the sum over the block; all its threads must call. A warp hands on one number; the first
// warp adds these.
static __device__ __forceinline__ float block_sum(float x) {
  __shared__ float of_warp[SUM_THREADS / 32];
  const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
  x = warp_sum(x);
  if (lane == 0) of_warp[warp] = x;
  __syncthreads();
  if (warp == 0) x = warp_sum(lane < SUM_THREADS / 32 ? of_warp[lane] : 0);
  return x;
}
#endif
