// SPDX-License-Identifier: MIT
// Products of 64 × 64 tiles in shared memory by 256 threads, 4 × 4 results each: thread (x, y) of 16 × 16 has
// rows 4y … 4y + 3 and columns 4x … 4x + 3, so half a warp has all columns of its rows.
#ifndef FUSION_TILES_CUH
#define FUSION_TILES_CUH
#include <cuda_runtime.h>

#include "fusion.h"

enum { TILE_THREADS = 256, EACH = 4 };

static __device__ __forceinline__ int tile_x(void) {
  return (int)threadIdx.x % (TILE / EACH);
}
static __device__ __forceinline__ int tile_y(void) {
  return (int)threadIdx.x / (TILE / EACH);
}

// Rows first … first + 63 of n, as they are: a warp reads and writes 512 bytes in one piece. Zeros behind the
// last row.
static __device__ __forceinline__ void load_down(float (*to)[TILE], const float *rows, int first, int n) {
#pragma unroll
  for (int part = 0; part < TILE * WIDTH / 4 / TILE_THREADS; part++) {
    const int i = part * TILE_THREADS + (int)threadIdx.x, row = i / (WIDTH / 4), at = i % (WIDTH / 4) * 4;
    float4 four = make_float4(0, 0, 0, 0);
    if (first + row < n) four = *(const float4 *)(rows + (size_t)(first + row) * WIDTH + at);
    *(float4 *)&to[row][at] = four;
  }
}

// The same, each row as a column: number k of row r stands in row k. What a warp loads in one piece, 64
// numbers of two rows, would all go to two banks; so columns are exchanged in fours, by another rule for
// every four k, and no bank has more than two of them.
static __device__ __forceinline__ int column_of(int k, int row) {
  return row ^ k / 4 * 4;
}
static __device__ __forceinline__ void load_across(float (*to)[TILE], const float *rows, int first, int n) {
#pragma unroll
  for (int part = 0; part < TILE * WIDTH / 4 / TILE_THREADS; part++) {
    const int i = part * TILE_THREADS + (int)threadIdx.x, row = i / (WIDTH / 4), at = i % (WIDTH / 4) * 4;
    float4 four = make_float4(0, 0, 0, 0);
    if (first + row < n) four = *(const float4 *)(rows + (size_t)(first + row) * WIDTH + at);
    const int column = column_of(at, row);
    to[at][column] = four.x;
    to[at + 1][column] = four.y;
    to[at + 2][column] = four.z;
    to[at + 3][column] = four.w;
  }
}

// sum = queries · keysᵀ, both by columns.
static __device__ __forceinline__ void multiply(float (&sum)[EACH][EACH], const float (*queries)[TILE],
                                                const float (*keys)[TILE]) {
#pragma unroll
  for (int i = 0; i < EACH; i++)
#pragma unroll
    for (int j = 0; j < EACH; j++) sum[i][j] = 0;
#pragma unroll 8
  for (int k = 0; k < WIDTH; k++) {
    const float4 left = *(const float4 *)&queries[k][column_of(k, EACH * tile_y())],
                 right = *(const float4 *)&keys[k][column_of(k, EACH * tile_x())];
    const float a[EACH] = {left.x, left.y, left.z, left.w}, b[EACH] = {right.x, right.y, right.z, right.w};
#pragma unroll
    for (int i = 0; i < EACH; i++)
#pragma unroll
      for (int j = 0; j < EACH; j++) sum[i][j] += a[i] * b[j];
  }
}

// Where weights that belong to columns `at` … at + 3 of row 4y + i stand: the two rows that a warp reads at
// once would share their banks, so every second group of four rows has its halves of 16 exchanged.
static __device__ __forceinline__ float4 *weights_at(float (*weights)[TILE], int i, int at) {
  return (float4 *)&weights[EACH * tile_y() + i][at ^ (tile_y() % 2 * 16)];
}

static __device__ __forceinline__ void put_weights(float (*weights)[TILE], const float (&mine)[EACH][EACH]) {
#pragma unroll
  for (int i = 0; i < EACH; i++)
    *weights_at(weights, i, EACH * tile_x()) = make_float4(mine[i][0], mine[i][1], mine[i][2], mine[i][3]);
}

// out += weights · values.
static __device__ __forceinline__ void add_values(float (&out)[EACH][EACH], float (*weights)[TILE],
                                                  const float (*values)[TILE]) {
#pragma unroll 4
  for (int s = 0; s < TILE; s += 4) {
    float a[EACH][4];
#pragma unroll
    for (int i = 0; i < EACH; i++) {
      const float4 four = *weights_at(weights, i, s);
      a[i][0] = four.x;
      a[i][1] = four.y;
      a[i][2] = four.z;
      a[i][3] = four.w;
    }
#pragma unroll
    for (int k = 0; k < 4; k++) {
      const float4 four = *(const float4 *)&values[s + k][EACH * tile_x()];
      const float b[EACH] = {four.x, four.y, four.z, four.w};
#pragma unroll
      for (int i = 0; i < EACH; i++)
#pragma unroll
        for (int j = 0; j < EACH; j++) out[i][j] += a[i][k] * b[j];
    }
  }
}

// Over the half of a warp that has a row.
static __device__ __forceinline__ float row_max(float x) {
#pragma unroll
  for (int offset = 8; offset; offset /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, offset));
  return x;
}
static __device__ __forceinline__ float row_sum(float x) {
#pragma unroll
  for (int offset = 8; offset; offset /= 2) x += __shfl_xor_sync(0xffffffffu, x, offset);
  return x;
}

// Four neighbours of a row of the n × n scores; by 16 bytes where rows start at a multiple of them.
static __device__ __forceinline__ float4 load_scores(const float *row, int at, int n) {
  if (n % 4 == 0) return at < n ? *(const float4 *)(row + at) : make_float4(0, 0, 0, 0);
  return make_float4(at < n ? row[at] : 0, at + 1 < n ? row[at + 1] : 0, at + 2 < n ? row[at + 2] : 0,
                     at + 3 < n ? row[at + 3] : 0);
}
static __device__ __forceinline__ void store_scores(float *row, int at, int n, const float (&four)[EACH]) {
  if (n % 4 == 0) {
    if (at < n) *(float4 *)(row + at) = make_float4(four[0], four[1], four[2], four[3]);
    return;
  }
#pragma unroll
  for (int j = 0; j < EACH; j++)
    if (at + j < n) row[at + j] = four[j];
}
#endif
