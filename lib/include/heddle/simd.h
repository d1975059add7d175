// SPDX-License-Identifier: MIT
// Vectors as wide as the machine's registers, by GCC's vector extension: the same source for every SIMD
// level.
#ifndef HEDDLE_SIMD_H
#define HEDDLE_SIMD_H
#include <stdbool.h>
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

// a·b + c with one rounding in each lane, as fmaf() has, on every machine: a * b + c is rounded once or
// twice, as the compiler pleases.
static inline hd_floats hd_fma(hd_floats a, hd_floats b, hd_floats c) {
#if defined(__AVX512F__)
  return (hd_floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX__) && defined(__FMA__)
  return (hd_floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  hd_floats result;
  for (int i = 0; i < HD_WIDTH; i++) result[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return result;
#endif
}

// Whether a lane of the mask `a` is set: all of its bits, as comparisons give it.
static inline bool hd_any_lane(hd_ints a) {
#if defined(__AVX512F__)
  return _mm512_test_epi32_mask((__m512i)a, (__m512i)a) != 0;
#elif defined(__AVX__)
  return _mm256_movemask_ps((__m256)a) != 0;
#elif defined(__SSE2__)
  return _mm_movemask_ps((__m128)a) != 0;
#else
  int32_t any = 0;
  for (int i = 0; i < HD_WIDTH; i++) any |= a[i];
  return any != 0;
#endif
}

// Empty assembly that takes a value out of the compiler's hands: a loop with it isn't vectorized.
static inline float hd_keep_scalar(float v) {
#ifdef __SSE2__
  __asm__("" : "+x"(v));
#else
  __asm__("" : "+m"(v));
#endif
  return v;
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
