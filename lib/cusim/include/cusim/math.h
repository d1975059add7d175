// SPDX-License-Identifier: MIT
// CUDA's device functions that C's library lacks. The fast ones (__expf …) are as exact as the plain ones
// here.
#ifndef CUSIM_MATH_H
#define CUSIM_MATH_H
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <type_traits>

template <class A, class B, class = std::enable_if_t<std::is_arithmetic_v<A> && std::is_arithmetic_v<B>>>
inline std::common_type_t<A, B> min(A a, B b) {
  return b < a ? b : a;
}
template <class A, class B, class = std::enable_if_t<std::is_arithmetic_v<A> && std::is_arithmetic_v<B>>>
inline std::common_type_t<A, B> max(A a, B b) {
  return a < b ? b : a;
}

inline float rsqrtf(float x) {
  return 1.0f / sqrtf(x);
}
inline double rsqrt(double x) {
  return 1.0 / sqrt(x);
}
inline float __expf(float x) {
  return expf(x);
}
inline float __exp10f(float x) {
  return powf(10.0f, x);
}
inline float __logf(float x) {
  return logf(x);
}
inline float __log2f(float x) {
  return log2f(x);
}
inline float __log10f(float x) {
  return log10f(x);
}
inline float __powf(float x, float y) {
  return powf(x, y);
}
inline float __sinf(float x) {
  return sinf(x);
}
inline float __cosf(float x) {
  return cosf(x);
}
inline float __tanf(float x) {
  return tanf(x);
}
inline void __sincosf(float x, float *s, float *c) {
  *s = sinf(x), *c = cosf(x);
}
inline float exp10f(float x) {
  return powf(10.0f, x);
}
inline float sinpif(float x) {
  return sinf(3.14159265358979323846f * x);
}
inline float cospif(float x) {
  return cosf(3.14159265358979323846f * x);
}
inline float normcdff(float x) {
  return 0.5f * erfcf(-0.70710678118654752440f * x);
}
inline double normcdf(double x) {
  return 0.5 * erfc(-0.70710678118654752440 * x);
}
inline float __saturatef(float x) {
  return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f;
}
inline float __fdividef(float a, float b) {
  return a / b;
}
inline float fdividef(float a, float b) {
  return a / b;
}
inline float __fdiv_rn(float a, float b) {
  return a / b;
}
inline float __frcp_rn(float a) {
  return 1.0f / a;
}
inline float __fsqrt_rn(float a) {
  return sqrtf(a);
}
inline float __frsqrt_rn(float a) {
  return 1.0f / sqrtf(a);
}
inline float __fmaf_rn(float a, float b, float c) {
  return fmaf(a, b, c);
}
inline double __fma_rn(double a, double b, double c) {
  return fma(a, b, c);
}
// Kept apart on purpose: the compiler must not contract them into one fused operation.
__attribute__((optimize("fp-contract=off"))) inline float __fadd_rn(float a, float b) {
  return a + b;
}
__attribute__((optimize("fp-contract=off"))) inline float __fsub_rn(float a, float b) {
  return a - b;
}
__attribute__((optimize("fp-contract=off"))) inline float __fmul_rn(float a, float b) {
  return a * b;
}

inline int __popc(unsigned x) {
  return __builtin_popcount(x);
}
inline int __popcll(unsigned long long x) {
  return __builtin_popcountll(x);
}
inline int __clz(int x) {
  return x ? __builtin_clz((unsigned)x) : 32;
}
inline int __clzll(long long x) {
  return x ? __builtin_clzll((unsigned long long)x) : 64;
}
inline int __ffs(int x) {
  return __builtin_ffs(x);
}
inline int __ffsll(long long x) {
  return __builtin_ffsll(x);
}
inline unsigned __brev(unsigned x) {
  x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
  x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
  x = (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4;
  return __builtin_bswap32(x);
}
inline int __mul24(int a, int b) {
  return a * b;
}
inline unsigned __umul24(unsigned a, unsigned b) {
  return a * b;
}
inline int __mulhi(int a, int b) {
  return (int)((long long)a * b >> 32);
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return (unsigned)((unsigned long long)a * b >> 32);
}
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((unsigned __int128)a * b >> 64);
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return (unsigned)(((unsigned long long)high << 32 | low) << (shift & 31) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return (unsigned)(((unsigned long long)high << 32 | low) >> (shift & 31));
}

namespace cusim {
template <class To, class From>
inline To bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "same size");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}
}  // namespace cusim
inline int __float_as_int(float x) {
  return cusim::bits<int>(x);
}
inline unsigned __float_as_uint(float x) {
  return cusim::bits<unsigned>(x);
}
inline float __int_as_float(int x) {
  return cusim::bits<float>(x);
}
inline float __uint_as_float(unsigned x) {
  return cusim::bits<float>(x);
}
inline long long __double_as_longlong(double x) {
  return cusim::bits<long long>(x);
}
inline double __longlong_as_double(long long x) {
  return cusim::bits<double>(x);
}
inline int __float2int_rn(float x) {
  return (int)lrintf(x);
}
inline int __float2int_rz(float x) {
  return (int)x;
}
inline int __float2int_rd(float x) {
  return (int)floorf(x);
}
inline int __float2int_ru(float x) {
  return (int)ceilf(x);
}
inline unsigned __float2uint_rn(float x) {
  return (unsigned)llrintf(x);
}
inline unsigned __float2uint_rz(float x) {
  return (unsigned)x;
}
inline float __int2float_rn(int x) {
  return (float)x;
}
inline float __uint2float_rn(unsigned x) {
  return (float)x;
}
inline float __double2float_rn(double x) {
  return (float)x;
}
inline int __double2int_rn(double x) {
  return (int)lrint(x);
}

// Cache hints: the model knows one kind of load and store.
template <class T>
inline T __ldg(const T *p) {
  return *p;
}
template <class T>
inline T __ldcs(const T *p) {
  return *p;
}
template <class T>
inline T __ldcg(const T *p) {
  return *p;
}
template <class T>
inline T __ldca(const T *p) {
  return *p;
}
template <class T>
inline void __stcs(T *p, T value) {
  *p = value;
}
template <class T>
inline void __stcg(T *p, T value) {
  *p = value;
}
template <class T>
inline void __stwt(T *p, T value) {
  *p = value;
}

inline long long clock64() {
  return (long long)std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}
inline void __nanosleep(unsigned) {}
[[noreturn]] inline void __trap() {
  std::abort();
}
#endif
