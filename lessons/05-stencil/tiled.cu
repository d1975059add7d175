// SPDX-License-Identifier: MIT
// Each value read from global memory once in a block.
#include <cuda_runtime.h>

#include "heddle/device.h"
#include "stencil.h"

enum { ACROSS = 32, DOWN = 8 };

// Idea: a block brings its tile and the cells around it to shared memory; its threads find their neighbours
// there.
//
// Prediction: fewer requests to the first cache, the same sectors from DRAM, which is what binds. Nothing, or
// less than nothing: a barrier, and a second way for every value.
static __global__ void tiled_kernel(const float *from, float *to, long pitch, int n) {
  __shared__ float tile[DOWN + 2][ACROSS + 2];
  const int x = (int)threadIdx.x, y = (int)threadIdx.y;
  const int column0 = (int)blockIdx.x * ACROSS, row0 = (int)blockIdx.y * DOWN;
  for (int j = x; j < ACROSS + 2; j += ACROSS)
    for (int i = y; i < DOWN + 2; i += DOWN)
      if (row0 + i - 1 <= n && column0 + j - 1 <= n)
        tile[i][j] = from[(row0 + i - 1) * pitch + column0 + j - 1];
  __syncthreads();
  if (row0 + y < n && column0 + x < n)
    to[(row0 + y) * pitch + column0 + x] =
        0.25f * ((tile[y][x + 1] + tile[y + 2][x + 1]) + (tile[y + 1][x] + tile[y + 1][x + 2]));
}

void run_gpu_tiled(hd_case *c) {
  const stencil *s = (const stencil *)c->state;
  const int n = (int)s->n;
  if (n == 0) return;
  float *grids[2] = {s->gpu_now, s->gpu_next};
  const long at = stencil_at(s, 0, 0);
  const dim3 blocks((unsigned)((n + ACROSS - 1) / ACROSS), (unsigned)((n + DOWN - 1) / DOWN));
  for (int k = 0; k < SWEEPS; k++) {
    tiled_kernel<<<blocks, dim3(ACROSS, DOWN)>>>(grids[k % 2] + at, grids[(k + 1) % 2] + at, s->pitch, n);
    HD_LAUNCHED();
  }
}
