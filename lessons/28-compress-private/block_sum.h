// SPDX-License-Identifier: MIT
// Sums over a block of WARPS warps, on a GPU: by shuffles within a warp, then over the warps in their order.
#ifndef HEDDLE_LESSON_28_BLOCK_SUM_H
#define HEDDLE_LESSON_28_BLOCK_SUM_H

enum { WARP = 32, WARPS = 8, THREADS = WARP * WARPS };

// sums[k] over the block, the same to the bit in each of its threads. Before the next call: a barrier.
template <int COUNT>
__device__ static void add_block(float (&sums)[COUNT]) {
  __shared__ float partial[WARPS][COUNT];
  for (int k = 0; k < COUNT; k++) {
    for (int offset = WARP / 2; offset > 0; offset /= 2)
      sums[k] += __shfl_xor_sync(0xffffffffu, sums[k], offset);
    if (threadIdx.x % WARP == 0) partial[threadIdx.x / WARP][k] = sums[k];
  }
  __syncthreads();
  for (int k = 0; k < COUNT; k++) {
    sums[k] = 0;
    for (int w = 0; w < WARPS; w++) sums[k] += partial[w][k];
  }
}
#endif
