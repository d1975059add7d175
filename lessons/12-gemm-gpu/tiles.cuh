// SPDX-License-Identifier: MIT
// How the tiled rungs touch the matrices: every access is checked against the size, so that no size needs to
// be a multiple of a tile. Outside a matrix there are zeros, which add nothing to a product.
#ifndef GEMM_TILES_CUH
#define GEMM_TILES_CUH
#include <cuda_runtime.h>

// Element (row, column) of an n × n matrix, or zero.
static __device__ __forceinline__ float element(const float *x, int n, int row, int column) {
  return row < n && column < n ? x[(size_t)row * n + column] : 0;
}

// The four elements from (row, column) on; column is a multiple of 4. A 16-byte access must have a 16-byte
// address, which every row offers only if n is a multiple of 4; then, too, a group of four lies inside or
// outside as a whole. Other sizes take the four elements one by one. The test is the same for all threads:
// no divergence.
static __device__ __forceinline__ float4 load_quad(const float *x, int n, int row, int column) {
  if (n % 4 == 0) {
    if (row < n && column < n) return *(const float4 *)(x + (size_t)row * n + column);
    return make_float4(0, 0, 0, 0);
  }
  return make_float4(element(x, n, row, column), element(x, n, row, column + 1),
                     element(x, n, row, column + 2), element(x, n, row, column + 3));
}

// The counterpart of load_quad; v holds the four values. What lies outside is not written.
static __device__ __forceinline__ void store_quad(float *x, int n, int row, int column, const float *v) {
  if (row >= n) return;
  float *to = x + (size_t)row * n + column;
  if (n % 4 == 0) {
    if (column < n) *(float4 *)to = make_float4(v[0], v[1], v[2], v[3]);
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; i++)
    if (column + i < n) to[i] = v[i];
}

// Four neighbours in shared memory into registers by one 16-byte load; `from` is 16-byte aligned.
static __device__ __forceinline__ void fetch_quad(float to[4], const float *from) {
  const float4 v = *(const float4 *)from;
  to[0] = v.x;
  to[1] = v.y;
  to[2] = v.z;
  to[3] = v.w;
}
#endif
