// SPDX-License-Identifier: MIT
// Tensor cores by the instruction itself: mma.sync, fed by ldmatrix. Read warp_product.cuh first.
#include "heddle/device.h"
#include "warp_product.cuh"

template <bool Swizzled>
static __device__ __forceinline__ void fetch(uint4 *tile, const uint4 *x, int row_chunks, int first,
                                             int from) {
#pragma unroll
  for (int i = (int)threadIdx.x; i < TILE_CHUNKS; i += THREADS) {
    const int row = i / CHUNKS, chunk = i % CHUNKS;
    tile[place_of<Swizzled>(row, chunk)] = x[(size_t)(first + row) * row_chunks + from + chunk];
  }
}

// Idea of `mma`: where WMMA hides which lane holds what, PTX documents it. ldmatrix fetches four 8 × 8
// matrices by one instruction, so that 8 requests feed 32 products. Tiles as in `wmma-shared`, but without
// the gap between their rows.
//
// Prediction: the rows of a tile are 64 bytes, so of the eight that make a matrix four share their banks: 16
// wavefronts per ldmatrix.x4 where 4 would do, and 128 cycles of shared memory for 32 products of a warp.
//
// Idea of `mma-swizzle`: exchange the chunks of a row, differently in every second one. No byte more of
// shared memory, 4 wavefronts per ldmatrix.x4 instead of 16.
template <bool Swizzled>
static __global__ void __launch_bounds__(THREADS, 2)
    tensor_mma(int row_chunks, const uint4 *a, const uint4 *b, float *c) {
  __shared__ __align__(128) uint4 tile_a[TILE_CHUNKS], tile_b[TILE_CHUNKS];
  float sum[ROWS_16][COLUMNS_8][4] = {{{0}}};
  for (int from = 0; from < row_chunks; from += CHUNKS) {
    fetch<Swizzled>(tile_a, a, row_chunks, (int)blockIdx.y * SIDE, from);
    fetch<Swizzled>(tile_b, b, row_chunks, (int)blockIdx.x * SIDE, from);
    __syncthreads();
    multiply_tiles<__nv_bfloat16, Swizzled>(sum, tile_a, tile_b);
    __syncthreads();
  }
  store_sums(c, (int)gridDim.x * SIDE, sum);
}

template <bool Swizzled>
static void run(hd_case *c) {
  const tensor_case *m = (const tensor_case *)c->state;
  const unsigned blocks = (unsigned)(m->side / SIDE);
  const int row_chunks = m->side * (int)hd_type_bytes(m->format) / 16;
  tensor_mma<Swizzled>
      <<<dim3(blocks, blocks), THREADS>>>(row_chunks, (const uint4 *)m->a, (const uint4 *)m->b, m->c);
  HD_LAUNCHED();
}

void run_mma(hd_case *c) {
  run<false>(c);
}
void run_mma_swizzle(hd_case *c) {
  run<true>(c);
}
