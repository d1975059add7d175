// SPDX-License-Identifier: MIT
// The computation itself, on a GPU: one thread per cell, a warp along a row.
#include <cuda_runtime.h>
#include <heddle/device.h>

#include "halo.h"

enum { ACROSS = 128, DOWN = 2 };

__global__ static void jacobi(const float *from, float *to, long columns, long first, long count) {
  const long j = (long)blockIdx.x * ACROSS + threadIdx.x + 1, i = (long)blockIdx.y * DOWN + threadIdx.y;
  const long width = columns + 2, at = (first + i) * width + j;
  if (j > columns || i >= count) return;
  to[at] = 0.25f * ((from[at - width] + from[at + width]) + (from[at - 1] + from[at + 1]));
}

void jacobi_gpu(const float *from, float *to, long columns, long first, long count, void *stream) {
  const dim3 block(ACROSS, DOWN);
  const dim3 grid((unsigned)((columns + ACROSS - 1) / ACROSS), (unsigned)((count + DOWN - 1) / DOWN));
  jacobi<<<grid, block, 0, (cudaStream_t)stream>>>(from, to, columns, first, count);
  HD_LAUNCHED();
}
