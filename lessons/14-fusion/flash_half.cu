// SPDX-License-Identifier: MIT
// Flash attention on tensor cores, operands in bf16. Read flash.cu and lesson 13's mma.cu first.
#include <cuda_pipeline.h>
#include <float.h>

#include "fusion.h"
#include "heddle/device.h"
#include "lessons/13-tensor-cores/mma_sync.cuh"

enum {
  THREADS = 128,
  CHUNKS = WIDTH * 2 / 16,
  TILE_CHUNKS = TILE * CHUNKS,
  STEPS = WIDTH / 16,
  STRIPS = TILE / 8
};
static const float FACTOR = 0.125f * 1.44269504f;  // exp(score / √WIDTH) = 2^(FACTOR · score)

// A row is 128 bytes, all banks; the eight rows of a matrix would share them chunk by chunk, so each row has
// its chunks exchanged in another way.
static __device__ __forceinline__ int chunk_at(int row, int chunk) {
  return row * CHUNKS + (chunk ^ row % CHUNKS);
}

static __device__ __forceinline__ void start(uint4 *tile, const uint4 *rows) {
#pragma unroll
  for (int part = 0; part < TILE_CHUNKS / THREADS; part++) {
    const int i = part * THREADS + (int)threadIdx.x;
    __pipeline_memcpy_async(&tile[chunk_at(i / CHUNKS, i % CHUNKS)], &rows[i], sizeof *tile);
  }
}

// As load_matrices, each matrix transposed: lane 4g + t receives rows 2t and 2t + 1 of column g.
static __device__ __forceinline__ void load_transposed(unsigned to[4], const uint4 *row) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 750
  const unsigned address = (unsigned)__cvta_generic_to_shared(row);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(address));
#endif
}

static __device__ __forceinline__ unsigned pack(float low, float high) {
  const __nv_bfloat162 both = __floats2bfloat162_rn(low, high);
  return *(const unsigned *)&both;
}

// scores = a warp's 16 queries times the tile's 64 keys: 8 strips of 8 keys. Keys lie by rows, which is by
// columns for the product: ldmatrix fetches them as they are, four chunks of 8 keys at a time.
static __device__ __forceinline__ void multiply_keys(float (&scores)[STRIPS][4],
                                                     const unsigned (&queries)[STEPS][4], const uint4 *keys) {
  const int lane = (int)threadIdx.x % 32;
#pragma unroll
  for (int strip = 0; strip < STRIPS; strip++) {
    unsigned four[4];
#pragma unroll
    for (int e = 0; e < 4; e++) scores[strip][e] = 0;
#pragma unroll
    for (int step = 0; step < STEPS; step += 2) {
      load_matrices(four, keys + chunk_at(strip * 8 + lane % 8, 2 * step + lane / 8));
      multiply(scores[strip], queries[step], four, __nv_bfloat16());
      multiply(scores[strip], queries[step + 1], four + 2, __nv_bfloat16());
    }
  }
}

// out += weights · values. Idea: the sums of one product lie in the lanes just as the first operand of the
// next is wanted: two strips of 8 scores are 16 of k. So the weights never leave their registers.
static __device__ __forceinline__ void add_values(float (&out)[STRIPS][4], const float (&weights)[STRIPS][4],
                                                  const uint4 *values) {
  const int lane = (int)threadIdx.x % 32;
#pragma unroll
  for (int step = 0; step < TILE / 16; step++) {
    const float *low = weights[2 * step], *high = weights[2 * step + 1];
    const unsigned a[4] = {pack(low[0], low[1]), pack(low[2], low[3]), pack(high[0], high[1]),
                           pack(high[2], high[3])};
#pragma unroll
    for (int strip = 0; strip < STRIPS; strip += 2) {
      unsigned four[4];
      load_transposed(four, values + chunk_at(step * 16 + lane % 16, strip + lane / 16));
      multiply(out[strip], a, four, __nv_bfloat16());
      multiply(out[strip + 1], a, four + 2, __nv_bfloat16());
    }
  }
}

// A row's maximum and sum over the four lanes that share it.
static __device__ __forceinline__ float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}
static __device__ __forceinline__ float quad_sum(float x) {
  x += __shfl_xor_sync(0xffffffffu, x, 1);
  return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

// Idea: `causal` by tensor cores: a warp has 16 queries, the next keys and values are under way while these
// are multiplied.
//
// Prediction: 16 times the rate for the products; the exponentials stay where they were, 16 a cycle and SM:
// for each of them 256 FLOP, so 4096 FLOP a cycle, just what the tensor cores of an H200's SM do. The two
// share the time: half of the peak at best.
static __global__ void __launch_bounds__(THREADS, 3)
    flash_half_kernel(const uint4 *q, const uint4 *k, const uint4 *v, float *y, int n, int padded) {
  __shared__ __align__(128) uint4 queries[TILE_CHUNKS], keys[2][TILE_CHUNKS], values[2][TILE_CHUNKS];
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  const int tile = (int)(gridDim.x - 1 - blockIdx.x), row = warp * 16 + lane / 4;
  const size_t head = (size_t)blockIdx.y * padded * CHUNKS;
  float out[STRIPS][4] = {{0}}, top[2] = {-FLT_MAX, -FLT_MAX}, sum[2] = {0, 0};
  unsigned mine[STEPS][4];
  start(queries, q + head + (size_t)tile * TILE_CHUNKS);
  start(keys[0], k + head);
  start(values[0], v + head);
  __pipeline_commit();
  for (int at = 0; at <= tile; at++) {
    if (at < tile) {
      start(keys[(at + 1) % 2], k + head + (size_t)(at + 1) * TILE_CHUNKS);
      start(values[(at + 1) % 2], v + head + (size_t)(at + 1) * TILE_CHUNKS);
    }
    __pipeline_commit();
    __pipeline_wait_prior(1);
    __syncthreads();
#pragma unroll
    for (int step = 0; at == 0 && step < STEPS; step++)
      load_matrices(mine[step], queries + chunk_at(warp * 16 + lane % 16, 2 * step + lane / 16));
    float scores[STRIPS][4];
    multiply_keys(scores, mine, keys[at % 2]);
#pragma unroll
    for (int half = 0; half < 2; half++) {  // a lane has two rows, eight apart, two neighbours of each strip
      float highest = top[half], added = 0;
#pragma unroll
      for (int strip = 0; strip < STRIPS; strip++)
#pragma unroll
        for (int e = 2 * half; e < 2 * half + 2; e++) {
          if (at == tile && strip * 8 + lane % 4 * 2 + e % 2 > row + 8 * half) scores[strip][e] = -FLT_MAX;
          highest = fmaxf(highest, scores[strip][e]);
        }
      highest = quad_max(highest);
      const float less = exp2f((top[half] - highest) * FACTOR);
      top[half] = highest;
#pragma unroll
      for (int strip = 0; strip < STRIPS; strip++)
#pragma unroll
        for (int e = 2 * half; e < 2 * half + 2; e++) {
          added += scores[strip][e] = exp2f((scores[strip][e] - highest) * FACTOR);
          out[strip][e] *= less;
        }
      sum[half] = sum[half] * less + quad_sum(added);
    }
    add_values(out, scores, values[at % 2]);
    __syncthreads();  // nobody needs these tiles any more
  }
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int t = tile * TILE + row + 8 * half;
    const float share = 1 / sum[half];
    float *to = y + ((size_t)blockIdx.y * n + t) * WIDTH + lane % 4 * 2;
#pragma unroll
    for (int strip = 0; strip < STRIPS; strip++)
      if (t < n)
        *(float2 *)(to + strip * 8) =
            make_float2(out[strip][2 * half] * share, out[strip][2 * half + 1] * share);
  }
}

void run_attention_half(hd_case *c) {
  const attention_case *a = (const attention_case *)c->state;
  const double side = (double)(a->padded / TILE), tiles = side * (side + 1) / 2;
  flash_half_kernel<<<dim3((unsigned)side, (unsigned)a->heads), THREADS>>>(
      (const uint4 *)a->half_q, (const uint4 *)a->half_k, (const uint4 *)a->half_v, a->on_y, (int)a->n,
      (int)a->padded);
  HD_LAUNCHED();
  note_traffic(c, (double)a->heads * WIDTH * (2.0 * (2 * TILE * tiles + side * TILE) + 4.0 * (double)a->n),
               0);
  note_intensity(c, 0, HD_BF16);
}
