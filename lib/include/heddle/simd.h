// SPDX-License-Identifier: MIT
// Vectors as wide as the machine's registers, by GCC's vector extension: the same source for every SIMD
// level.
#ifndef HEDDLE_SIMD_H
#define HEDDLE_SIMD_H
#include <stdint.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { HD_WIDTH = 16 };
#elif defined(__AVX__)
enum { HD_WIDTH = 8 };
#else
enum { HD_WIDTH = 4 };
#endif
typedef float hd_floats __attribute__((vector_size(HD_WIDTH * 4)));
typedef int32_t hd_ints __attribute__((vector_size(HD_WIDTH * 4)));

// Lane i is lane from[i] of `a`, or lane from[i] - HD_WIDTH of `b` where that is not negative.
static inline hd_ints hd_shuffle(hd_ints a, hd_ints b, hd_ints from) {
#if defined(__clang__)
  hd_ints result;
  for (int i = 0; i < HD_WIDTH; i++)
    result[i] = from[i] < HD_WIDTH ? a[from[i] % HD_WIDTH] : b[from[i] % HD_WIDTH];
  return result;
#else
  return __builtin_shuffle(a, b, from);
#endif
}

// Stores a vector without fetching its cache line first: for arrays that are written once, as a whole, and
// are larger than the caches. `to` must be aligned to the vector. A cast makes floats of other vectors' bits.
static inline void hd_store_around_cache(void *to, hd_floats value) {
#if defined(__AVX512F__)
  _mm512_stream_ps(to, (__m512)value);
#elif defined(__AVX__)
  _mm256_stream_ps(to, (__m256)value);
#elif defined(__SSE2__)
  _mm_stream_ps(to, (__m128)value);
#else
  *(hd_floats *)to = value;
#endif
}

#endif
