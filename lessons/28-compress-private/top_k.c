// SPDX-License-Identifier: MIT
// Idea: most of a gradient's length is in few of its elements: send the largest hundredth, with their places.
// Prediction: 8 bytes for each of n/100 elements, 50 times fewer; and without error feedback a training that
// never hears of the other 99 %.
// The k-th largest magnitude is found by counting: fp32 numbers without their sign are ordered as whole
// numbers are, so one count of their upper 16 bits and one of the lower 16 bits among those at the border
// will do.
#include <heddle/error.h>
#include <stdlib.h>
#include <string.h>

#include "compress.h"

enum { SHARE = 100, HALF = 1 << 16 };

static size_t kept(size_t n) {
  return (n + SHARE - 1) / SHARE;
}
static size_t words(size_t n) {
  return 2 * kept(n);
}

static uint32_t magnitude(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits & 0x7fffffff;
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

static void encode(const float *x, size_t n, uint32_t *message, uint64_t seed, uint64_t stream) {
  (void)seed, (void)stream;
  size_t equals, at = 0;
  const size_t k = kept(n);
  const uint32_t border = n ? threshold(x, n, k, &equals) : 0;
  for (size_t i = 0; i < n; i++) {
    const uint32_t m = magnitude(x[i]);
    if (m < border || (m == border && equals == 0)) continue;
    equals -= m == border;
    message[at] = (uint32_t)i;
    memcpy(&message[k + at++], &x[i], sizeof *x);
  }
}

static void add(const uint32_t *message, size_t n, float factor, float *sum) {
  const size_t k = kept(n);
  for (size_t i = 0; i < k; i++) {
    float value;
    memcpy(&value, &message[k + i], sizeof value);
    sum[message[i]] += factor * value;
  }
}

const compressor top_k = {words, encode, add};
