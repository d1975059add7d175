// SPDX-License-Identifier: MIT
// Orthonormal columns on a GPU; what for is told in low_rank.h.
// A block per layer, whose threads hold their rows in registers. A column's length and what the later ones
// have of it are one reduction over the block: four of them for a sweep, where a kernel for each product
// would be twenty launches.
#include <heddle/device.h>

#include "low_rank.h"

enum { WARP = 32, WARPS = 8, THREADS = WARP * WARPS, MOST_ROWS = 4 };  // of a thread: 1024 in all

// sums[d] over the block, the same to the bit in each of its threads.
__device__ static void add_block(float sums[LOW_RANK]) {
  __shared__ float partial[WARPS][LOW_RANK];
  __syncthreads();
  for (int d = 0; d < LOW_RANK; d++) {
    for (int offset = WARP / 2; offset > 0; offset /= 2)
      sums[d] += __shfl_xor_sync(0xffffffffu, sums[d], offset);
    if (threadIdx.x % WARP == 0) partial[threadIdx.x / WARP][d] = sums[d];
  }
  __syncthreads();
  for (int d = 0; d < LOW_RANK; d++) {
    sums[d] = 0;
    for (int w = 0; w < WARPS; w++) sums[d] += partial[w][d];
  }
}

__device__ static void sweep(float own[MOST_ROWS][LOW_RANK]) {
  for (int c = 0; c < LOW_RANK; c++) {
    float sums[LOW_RANK] = {0};
    for (int r = 0; r < MOST_ROWS; r++)
      for (int d = c; d < LOW_RANK; d++) sums[d] += own[r][c] * own[r][d];
    add_block(sums);
    const float inverse = sums[c] > 0 ? 1 / sums[c] : 0, scale = sqrtf(inverse);
    for (int r = 0; r < MOST_ROWS; r++) {
      for (int d = c + 1; d < LOW_RANK; d++) own[r][d] -= sums[d] * inverse * own[r][c];
      own[r][c] = sums[c] > 0 ? own[r][c] * scale : r == 0 && (int)threadIdx.x == c ? 1.0f : 0.0f;
    }
  }
}

__global__ static void orthonormalize_kernel(factors p) {
  float own[MOST_ROWS][LOW_RANK];
  const long rows = p.rows[blockIdx.x];
  float *all = p.of[blockIdx.x];
  for (int r = 0; r < MOST_ROWS; r++) {
    const long row = threadIdx.x + r * (long)THREADS;
    for (int d = 0; d < LOW_RANK; d++) own[r][d] = row < rows ? all[row * LOW_RANK + d] : 0;
  }
  sweep(own);
  sweep(own);
  for (int r = 0; r < MOST_ROWS; r++) {
    const long row = threadIdx.x + r * (long)THREADS;
    for (int d = 0; row < rows && d < LOW_RANK; d++) all[row * LOW_RANK + d] = own[r][d];
  }
}

void orthonormalize_gpu(hd_ops *o, factors p) {
  orthonormalize_kernel<<<FACTORED_LAYERS, THREADS, 0, (cudaStream_t)o->stream>>>(p);
  HD_LAUNCHED();
}
