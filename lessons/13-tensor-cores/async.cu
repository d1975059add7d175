// SPDX-License-Identifier: MIT
// The next tiles are on their way while these are multiplied. Read mma.cu first.
#include <cuda_pipeline.h>

#include "heddle/device.h"
#include "warp_product.cuh"

enum { STAGES = 3 };  // pairs of tiles: 48 KiB, the most a block may have without asking for more

static __device__ __forceinline__ void start(uint4 *tile, const uint4 *x, int row_chunks, int first,
                                             int from) {
#pragma unroll
  for (int i = (int)threadIdx.x; i < TILE_CHUNKS; i += THREADS) {
    const int row = i / CHUNKS, chunk = i % CHUNKS;
    __pipeline_memcpy_async(&tile[place_of<true>(row, chunk)],
                            &x[(size_t)(first + row) * row_chunks + from + chunk], sizeof *tile);
  }
}

// Idea: cp.async copies from global to shared memory past the registers, and the thread goes on. Three pairs
// of tiles: one is multiplied, two are under way. A commit closes a group of copies; wait_prior(1) waits
// until at most the youngest group is missing. One barrier per step: behind it the tiles of this step are
// there for all, and those of the step before, which the next copies overwrite, are read by nobody any more.
//
// Prediction: in `mma-swizzle` each step waits for L2 or DRAM, 600 cycles or more, and then multiplies for
// some 400; two blocks on an SM hide a part of that from each other. Now a copy has two steps' time: nearly
// all of it is hidden. The same kernel serves fp16 at the same speed, and tf32 at half of it: half as many
// numbers in the same bytes, and mma on tf32 runs at half the rate.
template <class T>
static __global__ void __launch_bounds__(THREADS, 2)
    tensor_async(int row_chunks, const uint4 *a, const uint4 *b, float *c) {
  __shared__ __align__(128) uint4 tile_a[STAGES][TILE_CHUNKS], tile_b[STAGES][TILE_CHUNKS];
  const int row0 = (int)blockIdx.y * SIDE, column0 = (int)blockIdx.x * SIDE, steps = row_chunks / CHUNKS;
  float sum[ROWS_16][COLUMNS_8][4] = {{{0}}};
  for (int step = 0; step < STAGES - 1; step++) {
    if (step < steps) {
      start(tile_a[step], a, row_chunks, row0, step * CHUNKS);
      start(tile_b[step], b, row_chunks, column0, step * CHUNKS);
    }
    __pipeline_commit();
  }
  for (int step = 0; step < steps; step++) {
    __pipeline_wait_prior(STAGES - 2);
    __syncthreads();
    const int next = step + STAGES - 1;
    if (next < steps) {
      start(tile_a[next % STAGES], a, row_chunks, row0, next * CHUNKS);
      start(tile_b[next % STAGES], b, row_chunks, column0, next * CHUNKS);
    }
    __pipeline_commit();  // empty at the end, so that the count of groups stays right
    multiply_tiles<T, true>(sum, tile_a[step % STAGES], tile_b[step % STAGES]);
  }
  store_sums(c, (int)gridDim.x * SIDE, sum);
}

template <class T>
static void run(hd_case *c) {
  const tensor_case *m = (const tensor_case *)c->state;
  const unsigned blocks = (unsigned)(m->side / SIDE);
  const int row_chunks = m->side * (int)hd_type_bytes(m->format) / 16;
  tensor_async<T>
      <<<dim3(blocks, blocks), THREADS>>>(row_chunks, (const uint4 *)m->a, (const uint4 *)m->b, m->c);
  HD_LAUNCHED();
}

void run_async_bf16(hd_case *c) {
  run<__nv_bfloat16>(c);
}
void run_async_fp16(hd_case *c) {
  run<__half>(c);
}
void run_async_tf32(hd_case *c) {
  run<tf32_bits>(c);
}
