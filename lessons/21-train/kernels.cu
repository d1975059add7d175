// SPDX-License-Identifier: MIT
// Idea: no library. The matrix product is a kernel of ours: lesson 12's rung "tile2d", for matrices of any
// shape, either of them transposed. All other operations are kernels/nn's, as in the other GPU variants.
//
// Prediction: 64 × 64 tiles cut a batch of 128 into 2 · 8 = 16 blocks for the first layer, on a card with 132
// multiprocessors: most of it idles. cuBLAS cuts such products along k as well.
#include <heddle/device.h>
#include <kernels/nn/ops.h>

extern "C" {
#include "trainer.h"
}

// A block computes SIDE × SIDE elements of C in steps of DEPTH along k, a thread PATCH × PATCH of them.
enum { SIDE = 64, DEPTH = 16, PATCH = 4, ACROSS = SIDE / PATCH, THREADS = ACROSS * ACROSS };

typedef struct matrix {
  const float *at;
  long ld;
  bool transposed;
} matrix;

// Element (row, column) of op(a), which is rows × columns; zero outside, which adds nothing.
__device__ static float element(matrix a, long rows, long columns, long row, long column) {
  if (row >= rows || column >= columns) return 0;
  return a.transposed ? a.at[column * a.ld + row] : a.at[row * a.ld + column];
}

__global__ static void __launch_bounds__(THREADS)
    product_kernel(matrix a, matrix b, long m, long n, long k, float alpha, float beta, float *c, long ldc) {
  __shared__ float tile_a[DEPTH][SIDE + 1], tile_b[DEPTH][SIDE + 1];  // + 1: no two lanes in one bank
  const int me = (int)threadIdx.x, my_row = me / ACROSS, my_column = me % ACROSS;
  const long row0 = blockIdx.y * (long)SIDE, column0 = blockIdx.x * (long)SIDE;
  float sum[PATCH][PATCH] = {{0}};
  for (long k0 = 0; k0 < k; k0 += DEPTH) {
    for (int i = me; i < SIDE * DEPTH; i += THREADS) {
      // Neighbouring threads read neighbouring addresses, whichever way the matrix lies.
      const int along = i % DEPTH, across = i / DEPTH, turned_along = i / SIDE, turned_across = i % SIDE;
      if (a.transposed)
        tile_a[turned_along][turned_across] = element(a, m, k, row0 + turned_across, k0 + turned_along);
      else
        tile_a[along][across] = element(a, m, k, row0 + across, k0 + along);
      if (b.transposed)
        tile_b[along][across] = element(b, k, n, k0 + along, column0 + across);
      else
        tile_b[turned_along][turned_across] = element(b, k, n, k0 + turned_along, column0 + turned_across);
    }
    __syncthreads();
    for (int p = 0; p < DEPTH; p++) {
      float from_a[PATCH], from_b[PATCH];
#pragma unroll
      for (int i = 0; i < PATCH; i++) from_a[i] = tile_a[p][my_row + i * ACROSS];
#pragma unroll
      for (int j = 0; j < PATCH; j++) from_b[j] = tile_b[p][my_column + j * ACROSS];
#pragma unroll
      for (int i = 0; i < PATCH; i++)
#pragma unroll
        for (int j = 0; j < PATCH; j++) sum[i][j] += from_a[i] * from_b[j];
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < PATCH; i++)
#pragma unroll
    for (int j = 0; j < PATCH; j++) {
      const long row = row0 + my_row + i * ACROSS, column = column0 + my_column + j * ACROSS;
      if (row >= m || column >= n) continue;
      float *to = c + row * ldc + column;
      *to = alpha * sum[i][j] + (beta != 0 ? beta * *to : 0);
    }
}

static void product(hd_ops *o, bool trans_a, bool trans_b, long m, long n, long k, float alpha,
                    const float *a, long lda, const float *b, long ldb, float beta, float *c, long ldc) {
  if (m == 0 || n == 0) return;
  const matrix left = {a, lda, trans_a}, right = {b, ldb, trans_b};
  const dim3 grid((unsigned)((n + SIDE - 1) / SIDE), (unsigned)((m + SIDE - 1) / SIDE));
  product_kernel<<<grid, THREADS, 0, (cudaStream_t)o->stream>>>(left, right, m, n, k, alpha, beta, c, ldc);
  HD_LAUNCHED();
}

static hd_ops *own_kernels(void) {
  hd_ops *o = hd_ops_cuda(NULL);
  o->gemm = product;
  return o;
}

extern "C" const engine gpu_kernels = {own_kernels, HD_F32, trainer_gradient, NULL};
