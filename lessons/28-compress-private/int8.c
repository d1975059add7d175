// SPDX-License-Identifier: MIT
// Int8 messages on a CPU; the idea is told in int8.h.
#include "int8.h"

#include <heddle/bench.h>

static size_t words(size_t n) {
  return (n + INT8_BLOCK - 1) / INT8_BLOCK * INT8_WORDS;
}

static size_t length_of(size_t n, size_t from) {
  return n - from < INT8_BLOCK ? n - from : INT8_BLOCK;
}

// One block of 256; what is behind the end of the vector has been filled up with zeros.
static float encode_block(float x[INT8_BLOCK], int8_t q[INT8_BLOCK], uint64_t seed, uint64_t stream,
                          uint64_t first) {
  uint32_t largest = 0, random[INT8_BLOCK];
  for (int i = 0; i < INT8_BLOCK; i++) largest = magnitude(x[i]) > largest ? magnitude(x[i]) : largest;
  const float scale = int8_scale(largest), inverse = 1 / scale;
  for (int i = 0; i < INT8_QUADS; i++) {
    const hd_random4 r = hd_philox(seed, stream, first + (uint64_t)i);
    for (int k = 0; k < 4; k++) random[4 * i + k] = r.v[k];
  }
  for (int i = 0; i < INT8_BLOCK; i++) {
    q[i] = isnan(scale) ? 0 : (int8_t)int8_round(x[i], inverse, random[i]);
    x[i] -= scale * (float)q[i];
  }
  return scale;
}

static void encode(hd_ops *o, float *x, size_t n, uint32_t *message, void *work, uint64_t seed,
                   uint64_t stream) {
  (void)o, (void)work;
  for (size_t from = 0; from < n; from += INT8_BLOCK, message += INT8_WORDS) {
    const size_t count = length_of(n, from);
    float block[INT8_BLOCK] = {0};
    int8_t q[INT8_BLOCK];
    memcpy(block, x + from, count * sizeof *x);
    const float scale = encode_block(block, q, seed, stream, from / 4);
    memcpy(x + from, block, count * sizeof *x);
    memcpy(message, &scale, sizeof scale);
    memcpy(message + 1, q, sizeof q);
    memset((int8_t *)(message + 1) + count, 0, INT8_BLOCK - count);
  }
}

static void sum(hd_ops *o, const uint32_t *messages, int count, size_t n, float *sum) {
  o->zero(o, sum, n * sizeof *sum);
  for (int r = 0; r < count; r++)
    for (size_t from = 0; from < n; from += INT8_BLOCK, messages += INT8_WORDS) {
      float scale;
      int8_t q[INT8_BLOCK];
      memcpy(&scale, messages, sizeof scale);
      memcpy(q, messages + 1, sizeof q);
      for (size_t i = 0; i < length_of(n, from); i++) sum[from + i] += scale * (float)q[i];
    }
}

static const codec cpu = {encode, sum};
const compressor int8 = {words, NULL, &cpu, HD_WITH_CUDA(&int8_gpu)};
