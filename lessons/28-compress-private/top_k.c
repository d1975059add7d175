// SPDX-License-Identifier: MIT
// Top-k messages on a CPU; the idea is told in top_k.h.
// The k-th largest magnitude is found by counting: one count of the upper 16 bits and one of the lower 16
// bits among those at the border will do.
#include "top_k.h"

#include <heddle/bench.h>
#include <heddle/error.h>
#include <stdlib.h>

enum { HALF = 1 << 16 };

static size_t words(size_t n) {
  return 2 * top_k_kept(n);
}

// Of a histogram, from the top: the bin in which the *k-th largest lies; *k becomes its rank within the bin.
static uint32_t bin_of(const uint32_t *count, size_t *k) {
  uint32_t bin = HALF - 1;
  for (; bin > 0 && count[bin] < *k; bin--) *k -= count[bin];
  return bin;
}

// The k-th largest magnitude; *equals: how many elements of just this one are among the k.
static uint32_t threshold(const float *x, size_t n, size_t k, size_t *equals) {
  uint32_t *count = hd_alloc(HALF, sizeof *count);
  memset(count, 0, HALF * sizeof *count);
  for (size_t i = 0; i < n; i++) count[magnitude(x[i]) >> 16]++;
  const uint32_t high = bin_of(count, &k);
  memset(count, 0, HALF * sizeof *count);
  for (size_t i = 0; i < n; i++)
    if (magnitude(x[i]) >> 16 == high) count[magnitude(x[i]) & (HALF - 1)]++;
  const uint32_t low = bin_of(count, &k);
  free(count);
  *equals = k;
  return high << 16 | low;
}

static void encode(hd_ops *o, float *x, size_t n, uint32_t *message, void *work, uint64_t seed,
                   uint64_t stream) {
  (void)o, (void)work, (void)seed, (void)stream;
  size_t equals, at = 0;
  const size_t k = top_k_kept(n);
  const uint32_t border = n ? threshold(x, n, k, &equals) : 0;
  for (size_t i = 0; i < n; i++) {
    const uint32_t m = magnitude(x[i]);
    if (m < border || (m == border && equals == 0)) continue;
    equals -= m == border;
    message[at] = (uint32_t)i;
    memcpy(&message[k + at++], &x[i], sizeof *x);
    x[i] = 0;
  }
}

static void sum(hd_ops *o, const uint32_t *messages, int count, size_t n, float *sum) {
  const size_t k = top_k_kept(n);
  o->zero(o, sum, n * sizeof *sum);
  for (int r = 0; r < count; r++, messages += 2 * k)
    for (size_t i = 0; i < k; i++) {
      float value;
      memcpy(&value, &messages[k + i], sizeof value);
      sum[messages[i]] += value;
    }
}

static const codec cpu = {encode, sum};
const compressor top_k = {words, HD_WITH_CUDA(top_k_work), &cpu, HD_WITH_CUDA(&top_k_gpu)};
const compressor top_k_library = {words, HD_WITH_CUDA(top_k_cub_work), NULL, HD_WITH_CUDA(&top_k_cub)};
