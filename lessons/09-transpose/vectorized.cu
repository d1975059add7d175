// SPDX-License-Identifier: MIT
// The last rung: 16 bytes per global access.
#include "heddle/device.h"
#include "shape.cuh"
#include "transpose.h"

enum { QUADS = SIDE / 4, THREADS = SIDE * QUADS };  // groups of four in a row; one per thread

// Four neighbours of row `row`, from a column that is a multiple of 4 on. 16-byte accesses need 16-byte
// addresses, which every row offers only if n is a multiple of 4; then a group lies inside or outside as a
// whole.
static __device__ __forceinline__ void load_quad(float to[4], const float *x, int n, int row, int column) {
  const float *from = x + (size_t)row * n + column;
  if (n % 4 == 0) {
    if (row >= n || column >= n) return;
    const float4 v = *(const float4 *)from;
    to[0] = v.x;
    to[1] = v.y;
    to[2] = v.z;
    to[3] = v.w;
    return;
  }
#pragma unroll
  for (int e = 0; e < 4; e++)
    if (row < n && column + e < n) to[e] = from[e];
}

static __device__ __forceinline__ void store_quad(float *x, int n, int row, int column, const float v[4]) {
  float *to = x + (size_t)row * n + column;
  if (n % 4 == 0) {
    if (row < n && column < n) *(float4 *)to = make_float4(v[0], v[1], v[2], v[3]);
    return;
  }
#pragma unroll
  for (int e = 0; e < 4; e++)
    if (row < n && column + e < n) to[e] = v[e];
}

// Idea: each thread moves four neighbours at a time: one load and one store instead of four of each.
//
// Prediction: 16 sectors per request, a quarter of the requests, the same sectors in all. In shared memory a
// warp is 4 rows of 8 groups: with the padding word, element e of group q of row r lies in bank (r + 4q + e)
// % 32, and of those there are 32 different ones, both ways: no conflicts. More bytes are under way per
// warp, which is what hides latency in a kernel that waits for memory.
static __global__ void __launch_bounds__(THREADS) vectorized_kernel(int n, const float *a, float *b) {
  __shared__ float tile[SIDE][SIDE + 1];
  const int quad = (int)threadIdx.x * 4, line = (int)threadIdx.y;
  const int row0 = (int)blockIdx.y * SIDE, column0 = (int)blockIdx.x * SIDE;
  float v[4] = {0};
  load_quad(v, a, n, row0 + line, column0 + quad);
#pragma unroll
  for (int e = 0; e < 4; e++) tile[line][quad + e] = v[e];
  __syncthreads();
#pragma unroll
  for (int e = 0; e < 4; e++) v[e] = tile[quad + e][line];
  store_quad(b, n, column0 + line, row0 + quad, v);
}

void run_vectorized(hd_case *c) {
  const transpose_case *t = (const transpose_case *)c->state;
  const int n = (int)c->size;
  vectorized_kernel<<<dim3(tiles(n, SIDE), tiles(n, SIDE)), dim3(QUADS, SIDE)>>>(n, t->device_a, t->device_b);
  HD_LAUNCHED();
}
