// SPDX-License-Identifier: MIT
// Tensor cores by nvcuda::wmma: a warp multiplies matrices of 16 × 16, and CUDA hides which lane holds what.
#include <cuda_bf16.h>
#include <mma.h>

#include "heddle/device.h"
#include "tensor.h"

namespace wmma = nvcuda::wmma;
enum { M = 16 };  // of a fragment, in every direction
typedef wmma::fragment<wmma::accumulator, M, M, M, float> sums;

// bfloat16 came with compute capability 8.0.
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
#define HAS_BF16 1
typedef wmma::fragment<wmma::matrix_a, M, M, M, __nv_bfloat16, wmma::row_major> rows;
typedef wmma::fragment<wmma::matrix_b, M, M, M, __nv_bfloat16, wmma::col_major> columns;
#endif

// Idea: one instruction of a warp multiplies two 16 × 16 matrices: 8192 FLOP where an FMA of a warp has 64.
// Each warp of a block makes one tile of C, straight from global memory.
//
// Prediction: the units wait. A fragment of A and one of B, 1 KiB, serve 8192 FLOP: 8 FLOP/B from L1 and L2,
// which deliver some 64 B a cycle and SM, so 512 FLOP a cycle of the 4096 a Hopper SM could do. No faster
// than CUDA cores with good tiles, and that with a kernel of ten lines.
enum { BLOCK = 32, WARPS = (BLOCK / M) * (BLOCK / M) };
static __global__ void __launch_bounds__(32 * WARPS)
    tensor_wmma(int side, const __nv_bfloat16 *a, const __nv_bfloat16 *b, float *c) {
#if HAS_BF16
  const int warp = (int)threadIdx.x / 32;
  const int row = (int)blockIdx.y * BLOCK + warp / 2 * M, column = (int)blockIdx.x * BLOCK + warp % 2 * M;
  sums sum;
  wmma::fill_fragment(sum, 0);
  for (int k = 0; k < side; k += M) {
    rows from_a;
    columns from_b;
    wmma::load_matrix_sync(from_a, a + (size_t)row * side + k, side);
    wmma::load_matrix_sync(from_b, b + (size_t)column * side + k, side);
    wmma::mma_sync(sum, from_a, from_b, sum);
  }
  wmma::store_matrix_sync(c + (size_t)row * side + column, sum, side, wmma::mem_row_major);
#endif
}

void run_wmma(hd_case *c) {
  const tensor_case *m = (const tensor_case *)c->state;
  const unsigned blocks = (unsigned)(m->side / BLOCK);
  tensor_wmma<<<dim3(blocks, blocks), 32 * WARPS>>>(m->side, (const __nv_bfloat16 *)m->a,
                                                    (const __nv_bfloat16 *)m->b, m->c);
  HD_LAUNCHED();
}

// Idea: lesson 12's tiles. A block makes 128 × 128 elements of C, each of its four warps a 64 × 64 quarter:
// 16 fragments of sums. Tiles of A and B go through shared memory, 32 of k at a time; per 16 of k a warp
// loads 4 + 4 fragments for 16 products.
//
// Prediction: 64 FLOP/B from L2 and 32 from shared memory instead of 8 and 8, so several times faster. What
// WMMA does inside with a tile whose rows are 64 bytes apart, only a profiler shows.
enum { SIDE = TILE, DEPTH = 32, QUARTER = SIDE / 2, ACROSS = QUARTER / M, THREADS = 128 };

#if HAS_BF16
static __device__ __forceinline__ void fetch(__nv_bfloat16 (*tile)[DEPTH], const __nv_bfloat16 *x, int side,
                                             int first, int k0) {
#pragma unroll
  for (int i = (int)threadIdx.x; i < SIDE * DEPTH / 8; i += THREADS) {
    const int row = i / (DEPTH / 8), k = i % (DEPTH / 8) * 8;
    *(uint4 *)&tile[row][k] = *(const uint4 *)(x + (size_t)(first + row) * side + k0 + k);
  }
}
#endif

static __global__ void __launch_bounds__(THREADS, 2)
    tensor_wmma_shared(int side, const __nv_bfloat16 *a, const __nv_bfloat16 *b, float *c) {
#if HAS_BF16
  __shared__ __align__(128) __nv_bfloat16 tile_a[SIDE][DEPTH], tile_b[SIDE][DEPTH];
  const int warp = (int)threadIdx.x / 32, my_row = warp / 2 * QUARTER, my_column = warp % 2 * QUARTER;
  const int row0 = (int)blockIdx.y * SIDE, column0 = (int)blockIdx.x * SIDE;
  sums sum[ACROSS][ACROSS];
#pragma unroll
  for (int i = 0; i < ACROSS; i++)
#pragma unroll
    for (int j = 0; j < ACROSS; j++) wmma::fill_fragment(sum[i][j], 0);
  for (int k0 = 0; k0 < side; k0 += DEPTH) {
    fetch(tile_a, a, side, row0, k0);
    fetch(tile_b, b, side, column0, k0);
    __syncthreads();
#pragma unroll
    for (int k = 0; k < DEPTH; k += M) {
      rows from_a[ACROSS];
      columns from_b[ACROSS];
#pragma unroll
      for (int i = 0; i < ACROSS; i++) wmma::load_matrix_sync(from_a[i], &tile_a[my_row + i * M][k], DEPTH);
#pragma unroll
      for (int j = 0; j < ACROSS; j++)
        wmma::load_matrix_sync(from_b[j], &tile_b[my_column + j * M][k], DEPTH);
#pragma unroll
      for (int i = 0; i < ACROSS; i++)
#pragma unroll
        for (int j = 0; j < ACROSS; j++) wmma::mma_sync(sum[i][j], from_a[i], from_b[j], sum[i][j]);
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < ACROSS; i++)
#pragma unroll
    for (int j = 0; j < ACROSS; j++)
      wmma::store_matrix_sync(c + (size_t)(row0 + my_row + i * M) * side + column0 + my_column + j * M,
                              sum[i][j], side, wmma::mem_row_major);
#endif
}

void run_wmma_shared(hd_case *c) {
  const tensor_case *m = (const tensor_case *)c->state;
  const unsigned blocks = (unsigned)(m->side / SIDE);
  tensor_wmma_shared<<<dim3(blocks, blocks), THREADS>>>(m->side, (const __nv_bfloat16 *)m->a,
                                                        (const __nv_bfloat16 *)m->b, m->c);
  HD_LAUNCHED();
}
