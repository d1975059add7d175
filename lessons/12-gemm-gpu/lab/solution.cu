// SPDX-License-Identifier: MIT
// The lab of lesson 12: two tiles of each matrix, and one barrier per step.
#include "gemm_gpu.h"
#include "heddle/device.h"
#include "tiles.cuh"

enum { SIDE = 32, THREADS = SIDE * SIDE };

//> solution
// Who comes out of the barrier of step s knows that all have stored tile s, and that all have ended reading
// tile s - 1, which is where tile s + 1 goes. So one barrier does for both.
static __global__ void __launch_bounds__(THREADS) yours(int n, const float *a, const float *b, float *c) {
  __shared__ float tile_a[2][SIDE][SIDE], tile_b[2][SIDE][SIDE];
  const int x = (int)threadIdx.x, y = (int)threadIdx.y;
  const int row = (int)blockIdx.y * SIDE + y, column = (int)blockIdx.x * SIDE + x;
  float sum = 0;
  for (int k0 = 0, now = 0; k0 < n; k0 += SIDE, now = 1 - now) {
    tile_a[now][y][x] = element(a, n, row, k0 + x);
    tile_b[now][y][x] = element(b, n, k0 + y, column);
    __syncthreads();
    for (int k = 0; k < SIDE; k++) sum += tile_a[now][y][k] * tile_b[now][k][x];
  }
  if (row < n && column < n) c[(size_t)row * n + column] = sum;
}
//> instead
// // `shared` with one of its two barriers taken out: which tile is overwritten too early?
// static __global__ void __launch_bounds__(THREADS) yours(int n, const float *a, const float *b, float *c) {
//   __shared__ float tile_a[SIDE][SIDE], tile_b[SIDE][SIDE];
//   const int x = (int)threadIdx.x, y = (int)threadIdx.y;
//   const int row = (int)blockIdx.y * SIDE + y, column = (int)blockIdx.x * SIDE + x;
//   float sum = 0;
//   for (int k0 = 0; k0 < n; k0 += SIDE) {
//     tile_a[y][x] = element(a, n, row, k0 + x);
//     tile_b[y][x] = element(b, n, k0 + y, column);
//     __syncthreads();
//     for (int k = 0; k < SIDE; k++) sum += tile_a[y][k] * tile_b[k][x];
//   }
//   if (row < n && column < n) c[(size_t)row * n + column] = sum;
// }
//> end

void run_yours(hd_case *c) {
  const gemm_case *m = (const gemm_case *)c->state;
  const int n = (int)c->size;
  yours<<<dim3(tiles(n, SIDE), tiles(n, SIDE)), dim3(SIDE, SIDE)>>>(n, m->device_a, m->device_b, m->device_c);
  HD_LAUNCHED();
}
