// SPDX-License-Identifier: MIT
// A tile turns round in shared memory, so that both sides of global memory are walked along rows. Then the
// banks.
#include "heddle/device.h"
#include "shape.cuh"
#include "transpose.h"

// Where element (row, column) of the tile lies in shared memory: the only difference between the three
// rungs. Shared memory has 32 banks; word w lies in bank w % 32; a warp that asks one bank for k words waits
// k times.
enum layout { PLAIN, PADDED, SWIZZLED };

template <enum layout LAYOUT>
static __device__ __forceinline__ int place_of(int row, int column) {
  if (LAYOUT == PADDED) return row * (SIDE + 1) + column;
  if (LAYOUT == SWIZZLED) return row * SIDE + (column ^ row);
  return row * SIDE + column;
}

template <enum layout LAYOUT>
static __device__ __forceinline__ void transpose_tile(int n, const float *a, float *b, float *tile) {
  const int x = (int)threadIdx.x, y = (int)threadIdx.y;
  const int row0 = (int)blockIdx.y * SIDE, column0 = (int)blockIdx.x * SIDE;  // of the tile in A
  for (int i = y; i < SIDE; i += ROWS)
    if (row0 + i < n && column0 + x < n)
      tile[place_of<LAYOUT>(i, x)] = a[(size_t)(row0 + i) * n + column0 + x];
  __syncthreads();
  for (int i = y; i < SIDE; i += ROWS)
    if (column0 + i < n && row0 + x < n)
      b[(size_t)(column0 + i) * n + row0 + x] = tile[place_of<LAYOUT>(x, i)];
}

// Idea: fill the tile by its rows, empty it by its columns, which become rows of B.
//
// Prediction: 4 sectors per request on both sides. But a column of the tile is 32 words that are 32 words
// apart: one bank, a 32-way conflict, 32 wavefronts per load instead of 1.
static __global__ void tiled_kernel(int n, const float *a, float *b) {
  __shared__ float tile[SIDE * SIDE];
  transpose_tile<PLAIN>(n, a, b, tile);
}

// Idea: one unused word at the end of each row. Element (r, c) lies in bank (33 r + c) % 32 = (r + c) % 32:
// rows and columns both meet all banks.
//
// Prediction: 1 wavefront everywhere; as fast as the copy. The price is 128 bytes of shared memory per
// block.
static __global__ void padded_kernel(int n, const float *a, float *b) {
  __shared__ float tile[SIDE * (SIDE + 1)];
  transpose_tile<PADDED>(n, a, b, tile);
}

// Idea: the same without the unused words: column c of row r lies at c XOR r. For a fixed row that is a
// permutation of the banks, for a fixed column another.
//
// Prediction: as padded. It matters where the layout must stay dense: for the copy engine (TMA) and for
// matrix units (lesson 13).
static __global__ void swizzled_kernel(int n, const float *a, float *b) {
  __shared__ float tile[SIDE * SIDE];
  transpose_tile<SWIZZLED>(n, a, b, tile);
}

void run_tiled(hd_case *c) {
  const transpose_case *t = (const transpose_case *)c->state;
  const int n = (int)c->size;
  tiled_kernel<<<dim3(tiles(n, SIDE), tiles(n, SIDE)), dim3(SIDE, ROWS)>>>(n, t->device_a, t->device_b);
  HD_LAUNCHED();
}

void run_padded(hd_case *c) {
  const transpose_case *t = (const transpose_case *)c->state;
  const int n = (int)c->size;
  padded_kernel<<<dim3(tiles(n, SIDE), tiles(n, SIDE)), dim3(SIDE, ROWS)>>>(n, t->device_a, t->device_b);
  HD_LAUNCHED();
}

void run_swizzled(hd_case *c) {
  const transpose_case *t = (const transpose_case *)c->state;
  const int n = (int)c->size;
  swizzled_kernel<<<dim3(tiles(n, SIDE), tiles(n, SIDE)), dim3(SIDE, ROWS)>>>(n, t->device_a, t->device_b);
  HD_LAUNCHED();
}
