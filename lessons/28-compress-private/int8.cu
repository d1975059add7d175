// SPDX-License-Identifier: MIT
// Int8 messages on a GPU; the idea is told in int8.h.
// A warp makes one block's message: each lane has two quads of four neighbours, so a lane's four bytes are a
// word of the message, and its four random numbers are one call of the generator. The block's scale is a
// maximum over the warp, by shuffles: no barrier. All messages are added by one kernel, which keeps a quad's
// sum in registers, in the order of the ranks.
#include <heddle/device.h>

#include "int8.h"

enum { WARP = 32, WARPS = 8, THREADS = WARP * WARPS, LANE_QUADS = INT8_QUADS / WARP };

// Elements 4·quad … of x, zeros behind its end.
__device__ static float4 load(const float *x, size_t n, size_t quad) {
  const size_t i = 4 * quad;
  if (i + 4 <= n) return ((const float4 *)x)[quad];
  return make_float4(i < n ? x[i] : 0, i + 1 < n ? x[i + 1] : 0, i + 2 < n ? x[i + 2] : 0, 0);
}

__device__ static void store(float *x, size_t n, size_t quad, float4 v) {
  const size_t i = 4 * quad;
  if (i + 4 <= n) {
    ((float4 *)x)[quad] = v;
    return;
  }
  if (i < n) x[i] = v.x;
  if (i + 1 < n) x[i + 1] = v.y;
  if (i + 2 < n) x[i + 2] = v.z;
}

__device__ static uint32_t larger(uint32_t a, uint32_t b) {
  return a > b ? a : b;
}

// Rounds *x, subtracts what will be sent of it, and returns its byte.
__device__ static uint32_t round_one(float *x, float scale, float inverse, uint32_t random) {
  const int q = isnan(scale) ? 0 : int8_round(*x, inverse, random);
  *x -= scale * (float)q;
  return (uint32_t)q & 255;
}

__global__ static void encode_kernel(float *x, size_t n, uint32_t *message, size_t blocks, uint64_t seed,
                                     uint64_t stream) {
  const size_t block = blockIdx.x * (size_t)WARPS + threadIdx.x / WARP;
  const unsigned lane = threadIdx.x % WARP;
  if (block >= blocks) return;
  float4 v[LANE_QUADS];
  uint32_t largest = 0;
  for (int i = 0; i < LANE_QUADS; i++) {
    v[i] = load(x, n, block * INT8_QUADS + i * WARP + lane);
    largest = larger(larger(magnitude(v[i].x), magnitude(v[i].y)), larger(largest, magnitude(v[i].z)));
    largest = larger(largest, magnitude(v[i].w));
  }
  for (int offset = WARP / 2; offset > 0; offset /= 2)
    largest = larger(largest, __shfl_xor_sync(0xffffffffu, largest, offset));
  const float scale = int8_scale(largest), inverse = 1 / scale;
  uint32_t *words = message + block * INT8_WORDS;
  if (lane == 0) words[0] = __float_as_uint(scale);
  for (int i = 0; i < LANE_QUADS; i++) {
    const size_t quad = block * INT8_QUADS + i * WARP + lane;
    const hd_random4 r = hd_philox(seed, stream, quad);
    words[1 + i * WARP + lane] =
        round_one(&v[i].x, scale, inverse, r.v[0]) | round_one(&v[i].y, scale, inverse, r.v[1]) << 8 |
        round_one(&v[i].z, scale, inverse, r.v[2]) << 16 | round_one(&v[i].w, scale, inverse, r.v[3]) << 24;
    store(x, n, quad, v[i]);
  }
}

// Byte k of a word, with its sign.
__device__ static float byte_of(uint32_t word, int k) {
  return (float)(signed char)(word >> 8 * k);
}

__global__ static void sum_kernel(const uint32_t *messages, int count, size_t words, float *sum, size_t n) {
  const size_t quad = blockIdx.x * (size_t)THREADS + threadIdx.x;
  if (4 * quad >= n) return;
  const uint32_t *block = messages + quad / INT8_QUADS * INT8_WORDS;
  float4 total = make_float4(0, 0, 0, 0);
  for (int r = 0; r < count; r++, block += words) {
    const float scale = __uint_as_float(block[0]);
    const uint32_t word = block[1 + quad % INT8_QUADS];
    total.x += scale * byte_of(word, 0);
    total.y += scale * byte_of(word, 1);
    total.z += scale * byte_of(word, 2);
    total.w += scale * byte_of(word, 3);
  }
  store(sum, n, quad, total);
}

static void encode(hd_ops *o, float *x, size_t n, uint32_t *message, void *work, uint64_t seed,
                   uint64_t stream) {
  (void)work;
  if (n == 0) return;
  const size_t blocks = int8.words(n) / INT8_WORDS;
  encode_kernel<<<(unsigned)((blocks + WARPS - 1) / WARPS), THREADS, 0, (cudaStream_t)o->stream>>>(
      x, n, message, blocks, seed, stream);
  HD_LAUNCHED();
}

static void sum(hd_ops *o, const uint32_t *messages, int count, size_t n, float *sum) {
  if (n == 0) return;
  const size_t quads = (n + 3) / 4;
  sum_kernel<<<(unsigned)((quads + THREADS - 1) / THREADS), THREADS, 0, (cudaStream_t)o->stream>>>(
      messages, count, int8.words(n), sum, n);
  HD_LAUNCHED();
}

const codec int8_gpu = {encode, sum};
