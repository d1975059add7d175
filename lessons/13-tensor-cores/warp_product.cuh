// SPDX-License-Identifier: MIT
// What the rungs in PTX share: a tile of 16-byte chunks in shared memory, how a warp takes its operands from
// it and multiplies them, and where its sums lie. The PTX manual's pictures, in code. The instructions
// themselves: mma_sync.cuh.
#ifndef WARP_PRODUCT_CUH
#define WARP_PRODUCT_CUH
#include <cuda_runtime.h>

#include "mma_sync.cuh"
#include "tensor.h"

// A block makes SIDE × SIDE elements of C with four warps, each a QUARTER × QUARTER quarter. A tile has SIDE
// rows (A's rows, or B's columns) of ROW_BYTES along k: 32 elements of 16 bits, or 16 of tf32. STEP bytes of
// k feed one mma: m16n8k16 on 16 bits, m16n8k8 on tf32.
enum { SIDE = TILE, QUARTER = SIDE / 2, THREADS = 128, ROW_BYTES = 64, CHUNKS = ROW_BYTES / 16, STEP = 32 };
enum { TILE_CHUNKS = SIDE * CHUNKS, ROWS_16 = QUARTER / 16, COLUMNS_8 = QUARTER / 8 };

// Where chunk `chunk` of row `row` stands. Eight rows of the same chunk are what ldmatrix fetches at once. In
// order they lie 64 bytes apart: in half of the banks, four rows to each (rows 0, 2, 4, 6). Swizzled, the
// chunk's place in its row changes with every second row, so that eight rows of a chunk lie in all 32 banks.
template <bool Swizzled>
static __device__ __forceinline__ int turn_of(int row) {
  return Swizzled ? row / 2 % CHUNKS : 0;
}
template <bool Swizzled>
static __device__ __forceinline__ int place_of(int row, int chunk) {
  return row * CHUNKS + (chunk ^ turn_of<Swizzled>(row));
}

// A warp's share of one pair of tiles: per STEP 4 + 4 ldmatrix for 32 mma. Rows that are 16 apart are turned
// alike.
template <class T, bool Swizzled>
static __device__ __forceinline__ void multiply_tiles(float sum[ROWS_16][COLUMNS_8][4], const uint4 *tile_a,
                                                      const uint4 *tile_b) {
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  // A's four matrices: rows 0-7 and 8-15 of the first chunk, then of the second. B's: both chunks of columns
  // 0-7, then of 8-15, which are two products' operands.
  const int row = warp / 2 * QUARTER + lane % 16, row_turn = turn_of<Swizzled>(row);
  const int column = warp % 2 * QUARTER + lane / 16 * 8 + lane % 8, column_turn = turn_of<Swizzled>(column);
#pragma unroll
  for (int chunk = 0; chunk < CHUNKS; chunk += STEP / 16) {
    unsigned from_a[ROWS_16][4], from_b[COLUMNS_8][2];
    const uint4 *at_a = tile_a + row * CHUNKS + ((chunk + lane / 16) ^ row_turn);
    const uint4 *at_b = tile_b + column * CHUNKS + ((chunk + lane / 8 % 2) ^ column_turn);
#pragma unroll
    for (int i = 0; i < ROWS_16; i++) load_matrices(from_a[i], at_a + i * 16 * CHUNKS);
#pragma unroll
    for (int j = 0; j < COLUMNS_8; j += 2) {
      unsigned both[4];
      load_matrices(both, at_b + j * 8 * CHUNKS);
      from_b[j][0] = both[0];
      from_b[j][1] = both[1];
      from_b[j + 1][0] = both[2];
      from_b[j + 1][1] = both[3];
    }
#pragma unroll
    for (int i = 0; i < ROWS_16; i++)
#pragma unroll
      for (int j = 0; j < COLUMNS_8; j++) multiply(sum[i][j], from_a[i], from_b[j], T());
  }
}

// Lane 4g + t holds two neighbours, columns 2t and 2t + 1, in row g and two in row g + 8: a row of a fragment
// is one sector.
static __device__ __forceinline__ void store_sums(float *c, int side,
                                                  const float sum[ROWS_16][COLUMNS_8][4]) {
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  const int row = (int)blockIdx.y * SIDE + warp / 2 * QUARTER + lane / 4;
  const int column = (int)blockIdx.x * SIDE + warp % 2 * QUARTER + lane % 4 * 2;
#pragma unroll
  for (int i = 0; i < ROWS_16; i++)
#pragma unroll
    for (int j = 0; j < COLUMNS_8; j++)
#pragma unroll
      for (int half = 0; half < 2; half++)
        *(float2 *)(c + (size_t)(row + i * 16 + half * 8) * side + column + j * 8) =
            make_float2(sum[i][j][2 * half], sum[i][j][2 * half + 1]);
}
#endif
