// SPDX-License-Identifier: MIT
// Temporal blocking on a GPU: several sweeps of a tile in shared memory, for one trip to DRAM.
#include <cuda_runtime.h>

#include "heddle/device.h"
#include "stencil.h"

// What a block works on, and what is left of it as its result: each sweep costs a row or column at each side,
// whose neighbours are those of another block. Blocks can't wait for each other, so their tiles overlap.
enum { SIDE = 64, INSIDE = SIDE - 2 * GPU_DEPTH, ROWS = 8, EACH = SIDE / ROWS };

// A sweep in shared memory. Cells outside of the grid and in its border keep their value; those at the tile's
// sides, too, and what they spoil comes a cell nearer with each sweep. A thread's cells lie below each other:
// the one it has just read as the lower neighbour is the next one's own, and then its upper neighbour.
static __device__ __forceinline__ void sweep(float (*now)[SIDE], float (*next)[SIDE], int row0, int column0,
                                             int n) {
  const int j = (int)threadIdx.x, first = (int)threadIdx.y * EACH, column = column0 + j;
  if (column < 0 || column >= n || j == 0 || j == SIDE - 1) return;
  float above = first > 0 ? now[first - 1][j] : 0, own = now[first][j];
#pragma unroll
  for (int e = 0; e < EACH; e++) {
    const int i = first + e, row = row0 + i;
    const float below = i < SIDE - 1 ? now[i + 1][j] : 0;
    if (row >= 0 && row < n && i > 0 && i < SIDE - 1)
      next[i][j] = 0.25f * ((above + below) + (now[i][j - 1] + now[i][j + 1]));
    above = own;
    own = below;
  }
}

template <bool WITH_BARRIER>
static __device__ __forceinline__ void trip(const float *from, float *to, long pitch, int n) {
  __shared__ float one[SIDE][SIDE], other[SIDE][SIDE];
  const int column0 = (int)blockIdx.x * INSIDE - GPU_DEPTH, row0 = (int)blockIdx.y * INSIDE - GPU_DEPTH;
  const int j = (int)threadIdx.x, column = column0 + j;
#pragma unroll
  for (int e = 0; e < EACH; e++) {
    const int i = e * ROWS + (int)threadIdx.y, row = row0 + i;
    const bool there = row >= -1 && row <= n && column >= -1 && column <= n;
    one[i][j] = other[i][j] = there ? from[row * pitch + column] : 0;
  }
  __syncthreads();
#pragma unroll
  for (int k = 0; k < GPU_DEPTH; k++) {
    sweep(k % 2 ? other : one, k % 2 ? one : other, row0, column0, n);
    if (WITH_BARRIER) __syncthreads();
  }
#pragma unroll
  for (int e = 0; e < EACH; e++) {
    const int i = e * ROWS + (int)threadIdx.y, row = row0 + i;
    const bool inside = i >= GPU_DEPTH && i < SIDE - GPU_DEPTH && j >= GPU_DEPTH && j < SIDE - GPU_DEPTH;
    if (inside && row < n && column < n) to[row * pitch + column] = (GPU_DEPTH % 2 ? other : one)[i][j];
  }
}

// Idea: 4 sweeps of a 64 × 64 tile, of which 56 × 56 remain.
//
// Prediction: (64 / 56)² = 1.31 times the loads and the arithmetic for a quarter of the trips: DRAM would
// allow 3.5 times the speed of `gpu-naive`; shared memory, with four accesses a cell, allows less.
static __global__ void __launch_bounds__(SIDE *ROWS)
    temporal_kernel(const float *from, float *to, long pitch, int n) {
  trip<true>(from, to, pitch, n);
}

// What goes wrong: no barrier between the sweeps. Some warps read cells that others have not written yet.
static __global__ void __launch_bounds__(SIDE *ROWS)
    wrong_barrier_kernel(const float *from, float *to, long pitch, int n) {
  trip<false>(from, to, pitch, n);
}

typedef void kernel(const float *from, float *to, long pitch, int n);

static void run(const hd_case *c, kernel *f) {
  const stencil *s = (const stencil *)c->state;
  const int n = (int)s->n;
  if (n == 0) return;
  float *grids[2] = {s->gpu_now, s->gpu_next};
  const long at = stencil_at(s, 0, 0);
  const unsigned tiles = (unsigned)((n + INSIDE - 1) / INSIDE);
  for (int k = 0; k < SWEEPS / GPU_DEPTH; k++) {
    f<<<dim3(tiles, tiles), dim3(SIDE, ROWS)>>>(grids[k % 2] + at, grids[(k + 1) % 2] + at, s->pitch, n);
    HD_LAUNCHED();
  }
}

void run_gpu_temporal(hd_case *c) {
  run(c, temporal_kernel);
}
void run_gpu_wrong_barrier(hd_case *c) {
  run(c, wrong_barrier_kernel);
}
