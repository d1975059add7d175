// SPDX-License-Identifier: MIT
// Orthonormal columns on a GPU; what for is told in low_rank.h.
// A block per layer, whose threads hold their rows in registers. A column's length and what the later ones
// have of it are one reduction over the block: four of them for a sweep, where a kernel for each product
// would be twenty launches.
#include <heddle/device.h>
#include <heddle/error.h>

#include "block_sum.h"
#include "low_rank.h"

enum { MOST_ROWS = 4 };  // of a thread: 1024 in all

__device__ static void sweep(float own[MOST_ROWS][LOW_RANK]) {
  for (int c = 0; c < LOW_RANK; c++) {
    float sums[LOW_RANK] = {0};
    for (int r = 0; r < MOST_ROWS; r++)
      for (int d = c; d < LOW_RANK; d++) sums[d] += own[r][c] * own[r][d];
    __syncthreads();  // all have read the sums before
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
  for (int l = 0; l < FACTORED_LAYERS; l++)
    if (p.rows[l] > MOST_ROWS * THREADS)
      hd_fail(HD_EXIT_FAILURE, "low rank: a factor of %ld rows; at most %d are possible", p.rows[l],
              MOST_ROWS * THREADS);
  orthonormalize_kernel<<<FACTORED_LAYERS, THREADS, 0, (cudaStream_t)o->stream>>>(p);
  HD_LAUNCHED();
}
