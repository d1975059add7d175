// SPDX-License-Identifier: MIT
// The yardstick and the first rung: straight from global memory to global memory.
#include "heddle/device.h"
#include "shape.cuh"
#include "transpose.h"

// Not a transpose: what moving the matrix costs when reads and writes are both along rows. No transpose can
// be faster than this; how near the others come is the lesson.
//
// Prediction: 4 sectors per request for loads and stores, every byte of them used; bound by DRAM.
static __global__ void copy_kernel(int n, const float *a, float *b) {
  const int column = (int)(blockIdx.x * SIDE + threadIdx.x);
  for (int i = (int)threadIdx.y; i < SIDE; i += ROWS) {
    const int row = (int)blockIdx.y * SIDE + i;
    if (row < n && column < n) b[(size_t)row * n + column] = a[(size_t)row * n + column];
  }
}

// Idea: exchange the indices on the left.
//
// Prediction: loads as before. But a warp now stores one column: 32 addresses, n floats apart, 32 sectors
// for 128 useful bytes. The kernel waits for its stores.
static __global__ void naive_kernel(int n, const float *a, float *b) {
  const int column = (int)(blockIdx.x * SIDE + threadIdx.x);
  for (int i = (int)threadIdx.y; i < SIDE; i += ROWS) {
    const int row = (int)blockIdx.y * SIDE + i;
    if (row < n && column < n) b[(size_t)column * n + row] = a[(size_t)row * n + column];
  }
}

void run_copy(hd_case *c) {
  transpose_case *t = (transpose_case *)c->state;
  const int n = (int)c->size;
  copy_kernel<<<dim3(tiles(n, SIDE), tiles(n, SIDE)), dim3(SIDE, ROWS)>>>(n, t->device_a, t->device_b);
  HD_LAUNCHED();
  t->copied = true;
}

// The same by the library: what a copy is measured against everywhere.
void run_memcpy(hd_case *c) {
  transpose_case *t = (transpose_case *)c->state;
  const size_t bytes = (size_t)c->size * (size_t)c->size * sizeof(float);
  HD_CUDA(cudaMemcpyAsync(t->device_b, t->device_a, bytes, cudaMemcpyDeviceToDevice, 0));
  t->copied = true;
}

void run_naive(hd_case *c) {
  const transpose_case *t = (const transpose_case *)c->state;
  const int n = (int)c->size;
  naive_kernel<<<dim3(tiles(n, SIDE), tiles(n, SIDE)), dim3(SIDE, ROWS)>>>(n, t->device_a, t->device_b);
  HD_LAUNCHED();
}
