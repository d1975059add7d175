// SPDX-License-Identifier: MIT
// One thread per cell, a warp along a row.
#include <cuda_runtime.h>

#include "heddle/device.h"
#include "kernels/jacobi/jacobi.h"

enum { ACROSS = 128, DOWN = 2 };

__global__ static void jacobi(const float *from, float *to, long pitch, long rows, long columns) {
  const long j = (long)blockIdx.x * ACROSS + threadIdx.x, i = (long)blockIdx.y * DOWN + threadIdx.y;
  const long at = i * pitch + j;
  if (j >= columns || i >= rows) return;
  to[at] = 0.25f * ((from[at - pitch] + from[at + pitch]) + (from[at - 1] + from[at + 1]));
}

void hd_jacobi_block_cuda(const float *from, float *to, long pitch, long rows, long columns, void *stream) {
  if (rows <= 0 || columns <= 0) return;  // a grid of no blocks is an error
  const dim3 block(ACROSS, DOWN);
  const dim3 grid((unsigned)((columns + ACROSS - 1) / ACROSS), (unsigned)((rows + DOWN - 1) / DOWN));
  jacobi<<<grid, block, 0, (cudaStream_t)stream>>>(from, to, pitch, rows, columns);
  HD_LAUNCHED();
}
