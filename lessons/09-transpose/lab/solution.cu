// SPDX-License-Identifier: MIT
// The lab of lesson 09: a tile for each warp, and no barrier for the block.
#include "heddle/device.h"
#include "transpose.h"

//> solution
// A warp moves a tile of 32 × 32 by itself, so only its own lanes must have stored before one of them reads
// what another one stored: __syncwarp(), which lets the other warps of the block go on.
enum { SIDE = 32, WARPS = 4 };

static __global__ void __launch_bounds__(SIDE *WARPS) yours(int n, const float *a, float *b) {
  __shared__ float tile[WARPS][SIDE][SIDE + 1];
  const int lane = (int)threadIdx.x, warp = (int)threadIdx.y;
  const int row0 = ((int)blockIdx.y * WARPS + warp) * SIDE, column0 = (int)blockIdx.x * SIDE;
  for (int i = 0; i < SIDE; i++)
    if (row0 + i < n && column0 + lane < n) tile[warp][i][lane] = a[(size_t)(row0 + i) * n + column0 + lane];
  __syncwarp();
  for (int i = 0; i < SIDE; i++)
    if (column0 + i < n && row0 + lane < n) b[(size_t)(column0 + i) * n + row0 + lane] = tile[warp][lane][i];
}

void run_yours(hd_case *c) {
  const transpose_case *t = (const transpose_case *)c->state;
  const int n = (int)c->size;
  yours<<<dim3(tiles(n, SIDE), tiles(n, SIDE * WARPS)), dim3(SIDE, WARPS)>>>(n, t->device_a, t->device_b);
  HD_LAUNCHED();
}
//> instead
// // Right, but the stores of a warp touch 32 rows of B.
// enum { SIDE = 32, WARPS = 4 };
//
// static __global__ void yours(int n, const float *a, float *b) {
//   const int row = (int)blockIdx.y * WARPS + (int)threadIdx.y;
//   const int column = (int)blockIdx.x * SIDE + (int)threadIdx.x;
//   if (row < n && column < n) b[(size_t)column * n + row] = a[(size_t)row * n + column];
// }
//
// void run_yours(hd_case *c) {
//   const transpose_case *t = (const transpose_case *)c->state;
//   const int n = (int)c->size;
//   yours<<<dim3(tiles(n, SIDE), tiles(n, WARPS)), dim3(SIDE, WARPS)>>>(n, t->device_a, t->device_b);
//   HD_LAUNCHED();
// }
//> end
