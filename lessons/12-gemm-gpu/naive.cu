// SPDX-License-Identifier: MIT
// Rungs 1 and 2: one thread per element of C, and which thread gets which element.
#include "gemm_gpu.h"
#include "heddle/device.h"

enum { SIDE = 32, THREADS = SIDE * SIDE };  // a block computes SIDE × SIDE elements

static __device__ void multiply(int n, const float *a, const float *b, float *c, int row, int column) {
  if (row >= n || column >= n) return;
  float sum = 0;
  for (int k = 0; k < n; k++) sum += a[(size_t)row * n + k] * b[(size_t)k * n + column];
  c[(size_t)row * n + column] = sum;
}

// Idea: the two loops over C become threads; neighbouring threads (threadIdx.x) get neighbouring rows.
//
// Prediction: the 32 threads of a warp read 32 rows of A, n floats apart: one request touches 32 sectors of
// 32 bytes and uses 4 bytes of each. All read the same element of B: 1 sector. The store of C touches 32
// sectors again. The load/store unit serves the 32 lanes one after the other where n is a power of two: 33
// cycles for 32 FMAs, so the arithmetic units rest 31 of 32 cycles.
static __global__ void __launch_bounds__(THREADS)
    gemm_naive(int n, const float *a, const float *b, float *c) {
  const int row = (int)(blockIdx.x * SIDE + threadIdx.x), column = (int)(blockIdx.y * SIDE + threadIdx.y);
  multiply(n, a, b, c, row, column);
}

// Idea: the same with rows and columns exchanged: neighbouring threads get neighbouring columns.
//
// Prediction: a warp reads one element of A (1 sector, broadcast) and 32 neighbours of B (4 sectors, every
// byte used); its store touches 4 sectors. 5 sectors per 32 FMAs instead of 33: several times faster.
//
// What is left: two loads per FMA, and every warp fetches its own row of A and columns of B from L1 or L2: 2
// FLOP for 8 bytes, 0.25 FLOP/B before the caches help.
static __global__ void __launch_bounds__(THREADS)
    gemm_coalesced(int n, const float *a, const float *b, float *c) {
  const int row = (int)(blockIdx.y * SIDE + threadIdx.y), column = (int)(blockIdx.x * SIDE + threadIdx.x);
  multiply(n, a, b, c, row, column);
}

void run_naive(hd_case *c) {
  const gemm_case *m = (const gemm_case *)c->state;
  const int n = (int)c->size;
  gemm_naive<<<dim3(tiles(n, SIDE), tiles(n, SIDE)), dim3(SIDE, SIDE)>>>(n, m->device_a, m->device_b,
                                                                         m->device_c);
  HD_LAUNCHED();
}

void run_coalesced(hd_case *c) {
  const gemm_case *m = (const gemm_case *)c->state;
  const int n = (int)c->size;
  gemm_coalesced<<<dim3(tiles(n, SIDE), tiles(n, SIDE)), dim3(SIDE, SIDE)>>>(n, m->device_a, m->device_b,
                                                                             m->device_c);
  HD_LAUNCHED();
}
