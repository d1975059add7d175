// SPDX-License-Identifier: MIT
// What half and bfloat16 share: sixteen bits of storage, arithmetic through float with one rounding, as each
// operation has on hardware. (A product or sum of two 11- or 8-bit significands rounds to float without error
// or to the same result: 24 >= 2 * 11 + 2.) An fma goes through double for the same reason.
#ifndef CUSIM_SMALL_FLOAT_H
#define CUSIM_SMALL_FLOAT_H
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "../cuda_runtime.h"

namespace cusim {
// Steps from the nearest value of the format to the one on the wanted side of the exact value: up (direction
// 1), down (-1) or towards zero (0).
template <class T>
inline T directed(double exact, int direction) {
  T near(exact);
  const double got = (double)(float)near;
  if (exact != exact || got == exact) return near;
  if (direction == 0) direction = exact < 0 ? 1 : -1;
  if (direction > 0 ? got > exact : got < exact) return near;
  const bool negative = near.bits >> 15, outwards = negative == (direction < 0);
  if ((near.bits & 0x7fff) == 0)
    near.bits = (unsigned short)((direction < 0 ? 0x8000 : 0) | 1);
  else
    near.bits = (unsigned short)(near.bits + (outwards ? 1 : -1));
  return near;
}
template <class To>
inline To small_to_integer(float value) {
  using limits = std::numeric_limits<To>;
  if (value != value) return sizeof(To) < 8 ? (To)0 : (To)((To)1 << (sizeof(To) * 8 - 1));
  if (value >= std::ldexp(1.0f, limits::digits)) return limits::max();
  if (value <= (float)limits::min()) return limits::min();
  return (To)value;
}
}  // namespace cusim

extern "C" void cusim_note_half(unsigned long long operations);

// In the traced pass the float code behind an operation stays unseen; the operation is announced instead.
#ifdef CUSIM_TRACED_PASS
#define CUSIM_SMALL __attribute__((no_sanitize("thread"), no_sanitize_coverage, noinline)) static
#define CUSIM_NOTE_HALF(n) cusim_note_half(n)
#else
#define CUSIM_SMALL static inline
#define CUSIM_NOTE_HALF(n) (void)0
#endif

// The functions of one format under CUDA's names. T: the type with `bits`; T2: its pair with x and y.
#define CUSIM_SMALL_OPERATOR(T, sign)          \
  CUSIM_SMALL T operator sign(T a, T b) {      \
    CUSIM_NOTE_HALF(1);                        \
    return T((float)a sign(float) b);          \
  }                                            \
  CUSIM_SMALL T &operator sign##=(T &a, T b) { \
    CUSIM_NOTE_HALF(1);                        \
    return a = T((float)a sign(float) b);      \
  }
// Comparisons of one value, of pairs (1.0 or 0.0, all bits set or none, both true), and those that NaN makes
// true.
#define CUSIM_SMALL_COMPARISON(T, T2, sign, name, opposite) \
  CUSIM_SMALL bool operator sign(T a, T b) {                \
    return (float)a sign(float) b;                          \
  }                                                         \
  CUSIM_SMALL bool operator sign(T2 a, T2 b) {              \
    return a.x sign b.x && a.y sign b.y;                    \
  }                                                         \
  CUSIM_SMALL bool __h##name(T a, T b) {                    \
    return a sign b;                                        \
  }                                                         \
  CUSIM_SMALL bool __h##name##u(T a, T b) {                 \
    return !((float)a opposite(float) b);                   \
  }                                                         \
  CUSIM_SMALL_PAIR_COMPARISON(T, T2, name)                  \
  CUSIM_SMALL_PAIR_COMPARISON(T, T2, name##u)
#define CUSIM_SMALL_PAIR_COMPARISON(T, T2, name)                                            \
  CUSIM_SMALL T2 __h##name##2(T2 a, T2 b) {                                                 \
    return T2(T(__h##name(a.x, b.x) ? 1.0f : 0.0f), T(__h##name(a.y, b.y) ? 1.0f : 0.0f));  \
  }                                                                                         \
  CUSIM_SMALL unsigned __h##name##2_mask(T2 a, T2 b) {                                      \
    return (__h##name(a.x, b.x) ? 0xffffu : 0u) | (__h##name(a.y, b.y) ? 0xffff0000u : 0u); \
  }                                                                                         \
  CUSIM_SMALL bool __hb##name##2(T2 a, T2 b) {                                              \
    return __h##name(a.x, b.x) && __h##name(a.y, b.y);                                      \
  }
// Arithmetic whose result is held between 0 and 1, or never fused with another operation.
#define CUSIM_SMALL_VARIANTS(T, T2, name, sign)            \
  CUSIM_SMALL T name##_sat(T a, T b) {                     \
    return cusim_saturate(a sign b);                       \
  }                                                        \
  CUSIM_SMALL T2 name##2_sat(T2 a, T2 b) {                 \
    return T2(name##_sat(a.x, b.x), name##_sat(a.y, b.y)); \
  }                                                        \
  CUSIM_SMALL T name##_rn(T a, T b) {                      \
    return a sign b;                                       \
  }                                                        \
  CUSIM_SMALL T2 name##2_rn(T2 a, T2 b) {                  \
    return T2(a.x sign b.x, a.y sign b.y);                 \
  }
#define CUSIM_SMALL_INTEGER(T, small, I, integer)                \
  inline I __##small##2##integer##_rn(T a) {                     \
    return cusim::small_to_integer<I>(std::nearbyint((float)a)); \
  }                                                              \
  inline I __##small##2##integer##_rz(T a) {                     \
    return cusim::small_to_integer<I>((float)a);                 \
  }                                                              \
  inline I __##small##2##integer##_ru(T a) {                     \
    return cusim::small_to_integer<I>(std::ceil((float)a));      \
  }                                                              \
  inline I __##small##2##integer##_rd(T a) {                     \
    return cusim::small_to_integer<I>(std::floor((float)a));     \
  }                                                              \
  inline T __##integer##2##small##_rn(I a) {                     \
    return T((double)a);                                         \
  }                                                              \
  inline T __##integer##2##small##_rz(I a) {                     \
    return cusim::directed<T>((double)a, 0);                     \
  }                                                              \
  inline T __##integer##2##small##_ru(I a) {                     \
    return cusim::directed<T>((double)a, 1);                     \
  }                                                              \
  inline T __##integer##2##small##_rd(I a) {                     \
    return cusim::directed<T>((double)a, -1);                    \
  }
// Conversions of one format: small is its name within function names.
#define CUSIM_SMALL_CONVERSIONS(T, T2, small)                \
  CUSIM_SMALL_INTEGER(T, small, short, short)                \
  CUSIM_SMALL_INTEGER(T, small, unsigned short, ushort)      \
  CUSIM_SMALL_INTEGER(T, small, int, int)                    \
  CUSIM_SMALL_INTEGER(T, small, unsigned, uint)              \
  CUSIM_SMALL_INTEGER(T, small, long long, ll)               \
  CUSIM_SMALL_INTEGER(T, small, unsigned long long, ull)     \
  inline signed char __##small##2char_rz(T a) {              \
    return cusim::small_to_integer<signed char>((float)a);   \
  }                                                          \
  inline unsigned char __##small##2uchar_rz(T a) {           \
    return cusim::small_to_integer<unsigned char>((float)a); \
  }                                                          \
  inline T __float2##small(float a) {                        \
    return T(a);                                             \
  }                                                          \
  inline T __float2##small##_rn(float a) {                   \
    return T(a);                                             \
  }                                                          \
  inline T __float2##small##_rz(float a) {                   \
    return cusim::directed<T>(a, 0);                         \
  }                                                          \
  inline T __float2##small##_ru(float a) {                   \
    return cusim::directed<T>(a, 1);                         \
  }                                                          \
  inline T __float2##small##_rd(float a) {                   \
    return cusim::directed<T>(a, -1);                        \
  }                                                          \
  inline T __double2##small(double a) {                      \
    return T(a);                                             \
  }                                                          \
  inline float __##small##2float(T a) {                      \
    return (float)a;                                         \
  }                                                          \
  inline T2 __##small##2##small##2(T a) {                    \
    return T2(a, a);                                         \
  }                                                          \
  inline T __low2##small(T2 a) {                             \
    return a.x;                                              \
  }                                                          \
  inline T __high2##small(T2 a) {                            \
    return a.y;                                              \
  }                                                          \
  inline T2 __low2##small##2(T2 a) {                         \
    return T2(a.x, a.x);                                     \
  }                                                          \
  inline T2 __high2##small##2(T2 a) {                        \
    return T2(a.y, a.y);                                     \
  }                                                          \
  inline T2 __lows2##small##2(T2 a, T2 b) {                  \
    return T2(a.x, b.x);                                     \
  }                                                          \
  inline T2 __highs2##small##2(T2 a, T2 b) {                 \
    return T2(a.y, b.y);                                     \
  }                                                          \
  inline T2 __halves2##small##2(T a, T b) {                  \
    return T2(a, b);                                         \
  }                                                          \
  inline T2 __floats2##small##2_rn(float a, float b) {       \
    return T2(T(a), T(b));                                   \
  }                                                          \
  inline T2 __float2##small##2_rn(float a) {                 \
    return T2(T(a), T(a));                                   \
  }                                                          \
  inline T2 __float22##small##2_rn(float2 a) {               \
    return T2(T(a.x), T(a.y));                               \
  }                                                          \
  inline float2 __##small##22float2(T2 a) {                  \
    return make_float2((float)a.x, (float)a.y);              \
  }                                                          \
  inline T2 __lowhigh2highlow(T2 a) {                        \
    return T2(a.y, a.x);                                     \
  }                                                          \
  inline float __low2float(T2 a) {                           \
    return (float)a.x;                                       \
  }                                                          \
  inline float __high2float(T2 a) {                          \
    return (float)a.y;                                       \
  }

#define CUSIM_SMALL_BINARY(T, T2, name, expression) \
  CUSIM_SMALL T name(T a, T b) {                    \
    return expression;                              \
  }                                                 \
  CUSIM_SMALL T2 name##2(T2 a, T2 b) {              \
    return T2(name(a.x, b.x), name(a.y, b.y));      \
  }
#define CUSIM_SMALL_UNARY(T, T2, name, expression) \
  CUSIM_SMALL T h##name(T value) {                 \
    const float a = (float)value;                  \
    CUSIM_NOTE_HALF(1);                            \
    return T(expression);                          \
  }                                                \
  CUSIM_SMALL T2 h2##name(T2 v) {                  \
    return T2(h##name(v.x), h##name(v.y));         \
  }

#define CUSIM_SMALL_FLOAT(T, T2)                                                                  \
  CUSIM_SMALL_OPERATOR(T, +)                                                                      \
  CUSIM_SMALL_OPERATOR(T, -)                                                                      \
  CUSIM_SMALL_OPERATOR(T, *)                                                                      \
  CUSIM_SMALL_OPERATOR(T, /)                                                                      \
  CUSIM_SMALL T operator-(T a) {                                                                  \
    return T(-(float)a);                                                                          \
  }                                                                                               \
  CUSIM_SMALL T operator+(T a) {                                                                  \
    return a;                                                                                     \
  }                                                                                               \
  CUSIM_SMALL_COMPARISON(T, T2, ==, eq, !=)                                                       \
  CUSIM_SMALL_COMPARISON(T, T2, !=, ne, ==)                                                       \
  CUSIM_SMALL_COMPARISON(T, T2, <, lt, >=)                                                        \
  CUSIM_SMALL_COMPARISON(T, T2, <=, le, >)                                                        \
  CUSIM_SMALL_COMPARISON(T, T2, >, gt, <=)                                                        \
  CUSIM_SMALL_COMPARISON(T, T2, >=, ge, <)                                                        \
  CUSIM_SMALL_BINARY(T, T2, __hadd, a + b)                                                        \
  CUSIM_SMALL_BINARY(T, T2, __hsub, a - b)                                                        \
  CUSIM_SMALL_BINARY(T, T2, __hmul, a *b)                                                         \
  CUSIM_SMALL_BINARY(T, T2, __hdiv, a / b)                                                        \
  CUSIM_SMALL_BINARY(T, T2, __hmax, (float)a < (float)b || (float)a != (float)a ? b : a)          \
  CUSIM_SMALL_BINARY(T, T2, __hmin, (float)b < (float)a || (float)a != (float)a ? b : a)          \
  CUSIM_SMALL T __hfma(T a, T b, T c) {                                                           \
    CUSIM_NOTE_HALF(2);                                                                           \
    return T((double)(float)a * (double)(float)b + (double)(float)c);                             \
  }                                                                                               \
  CUSIM_SMALL T2 __hfma2(T2 a, T2 b, T2 c) {                                                      \
    return T2(__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y));                                      \
  }                                                                                               \
  CUSIM_SMALL T __hneg(T a) {                                                                     \
    return -a;                                                                                    \
  }                                                                                               \
  CUSIM_SMALL T __habs(T a) {                                                                     \
    return T(fabsf((float)a));                                                                    \
  }                                                                                               \
  CUSIM_SMALL bool __hisnan(T a) {                                                                \
    return (float)a != (float)a;                                                                  \
  }                                                                                               \
  CUSIM_SMALL bool __hisinf(T a) {                                                                \
    return std::isinf((float)a);                                                                  \
  }                                                                                               \
  CUSIM_SMALL T cusim_saturate(T a) {                                                             \
    return (float)a > 0.0f ? (float)a < 1.0f ? a : T(1.0f) : T(0.0f);                             \
  }                                                                                               \
  CUSIM_SMALL_VARIANTS(T, T2, __hadd, +)                                                          \
  CUSIM_SMALL_VARIANTS(T, T2, __hsub, -)                                                          \
  CUSIM_SMALL_VARIANTS(T, T2, __hmul, *)                                                          \
  CUSIM_SMALL T2 __h2div(T2 a, T2 b) {                                                            \
    return T2(a.x / b.x, a.y / b.y);                                                              \
  }                                                                                               \
  CUSIM_SMALL T __hfma_sat(T a, T b, T c) {                                                       \
    return cusim_saturate(__hfma(a, b, c));                                                       \
  }                                                                                               \
  CUSIM_SMALL T2 __hfma2_sat(T2 a, T2 b, T2 c) {                                                  \
    return T2(__hfma_sat(a.x, b.x, c.x), __hfma_sat(a.y, b.y, c.y));                              \
  }                                                                                               \
  CUSIM_SMALL T __hfma_relu(T a, T b, T c) {                                                      \
    const T r = __hfma(a, b, c);                                                                  \
    return (float)r < 0.0f ? T(0.0f) : r;                                                         \
  }                                                                                               \
  CUSIM_SMALL T2 __hfma2_relu(T2 a, T2 b, T2 c) {                                                 \
    return T2(__hfma_relu(a.x, b.x, c.x), __hfma_relu(a.y, b.y, c.y));                            \
  }                                                                                               \
  CUSIM_SMALL T2 __hcmadd(T2 a, T2 b, T2 c) {                                                     \
    return T2(__hfma(-a.y, b.y, __hfma(a.x, b.x, c.x)), __hfma(a.y, b.x, __hfma(a.x, b.y, c.y))); \
  }                                                                                               \
  CUSIM_SMALL T __hmax_nan(T a, T b) {                                                            \
    return a != a ? a : b != b ? b : __hmax(a, b);                                                \
  }                                                                                               \
  CUSIM_SMALL T __hmin_nan(T a, T b) {                                                            \
    return a != a ? a : b != b ? b : __hmin(a, b);                                                \
  }                                                                                               \
  CUSIM_SMALL T2 __hmax2_nan(T2 a, T2 b) {                                                        \
    return T2(__hmax_nan(a.x, b.x), __hmax_nan(a.y, b.y));                                        \
  }                                                                                               \
  CUSIM_SMALL T2 __hmin2_nan(T2 a, T2 b) {                                                        \
    return T2(__hmin_nan(a.x, b.x), __hmin_nan(a.y, b.y));                                        \
  }                                                                                               \
  CUSIM_SMALL T2 __hneg2(T2 a) {                                                                  \
    return T2(-a.x, -a.y);                                                                        \
  }                                                                                               \
  CUSIM_SMALL T2 __habs2(T2 a) {                                                                  \
    return T2(__habs(a.x), __habs(a.y));                                                          \
  }                                                                                               \
  CUSIM_SMALL T2 __hisnan2(T2 a) {                                                                \
    return T2(T(__hisnan(a.x) ? 1.0f : 0.0f), T(__hisnan(a.y) ? 1.0f : 0.0f));                    \
  }                                                                                               \
  CUSIM_SMALL T2 operator-(T2 a) {                                                                \
    return __hneg2(a);                                                                            \
  }                                                                                               \
  CUSIM_SMALL T &operator++(T &a) {                                                               \
    return a += T(1.0f);                                                                          \
  }                                                                                               \
  CUSIM_SMALL T &operator--(T &a) {                                                               \
    return a -= T(1.0f);                                                                          \
  }                                                                                               \
  CUSIM_SMALL T operator++(T &a, int) {                                                           \
    const T old = a;                                                                              \
    a += T(1.0f);                                                                                 \
    return old;                                                                                   \
  }                                                                                               \
  CUSIM_SMALL T operator--(T &a, int) {                                                           \
    const T old = a;                                                                              \
    a -= T(1.0f);                                                                                 \
    return old;                                                                                   \
  }                                                                                               \
  CUSIM_SMALL T2 &operator-=(T2 &a, T2 b) {                                                       \
    return a = __hsub2(a, b);                                                                     \
  }                                                                                               \
  CUSIM_SMALL T2 &operator/=(T2 &a, T2 b) {                                                       \
    return a = T2(a.x / b.x, a.y / b.y);                                                          \
  }                                                                                               \
  CUSIM_SMALL T2 operator+(T2 a, T2 b) {                                                          \
    return __hadd2(a, b);                                                                         \
  }                                                                                               \
  CUSIM_SMALL T2 operator-(T2 a, T2 b) {                                                          \
    return __hsub2(a, b);                                                                         \
  }                                                                                               \
  CUSIM_SMALL T2 operator*(T2 a, T2 b) {                                                          \
    return __hmul2(a, b);                                                                         \
  }                                                                                               \
  CUSIM_SMALL T2 operator/(T2 a, T2 b) {                                                          \
    return __hdiv2(a, b);                                                                         \
  }                                                                                               \
  CUSIM_SMALL T2 &operator+=(T2 &a, T2 b) {                                                       \
    return a = __hadd2(a, b);                                                                     \
  }                                                                                               \
  CUSIM_SMALL T2 &operator*=(T2 &a, T2 b) {                                                       \
    return a = __hmul2(a, b);                                                                     \
  }                                                                                               \
  CUSIM_SMALL T2 operator+(T2 a) {                                                                \
    return a;                                                                                     \
  }                                                                                               \
  CUSIM_SMALL T2 &operator++(T2 &a) {                                                             \
    return a = T2(a.x + T(1.0f), a.y + T(1.0f));                                                  \
  }                                                                                               \
  CUSIM_SMALL T2 &operator--(T2 &a) {                                                             \
    return a = T2(a.x - T(1.0f), a.y - T(1.0f));                                                  \
  }                                                                                               \
  CUSIM_SMALL T2 operator++(T2 &a, int) {                                                         \
    const T2 old = a;                                                                             \
    ++a;                                                                                          \
    return old;                                                                                   \
  }                                                                                               \
  CUSIM_SMALL T2 operator--(T2 &a, int) {                                                         \
    const T2 old = a;                                                                             \
    --a;                                                                                          \
    return old;                                                                                   \
  }                                                                                               \
  CUSIM_SMALL_UNARY(T, T2, sqrt, sqrtf(a))                                                        \
  CUSIM_SMALL_UNARY(T, T2, rsqrt, 1.0f / sqrtf(a))                                                \
  CUSIM_SMALL_UNARY(T, T2, exp, expf(a))                                                          \
  CUSIM_SMALL_UNARY(T, T2, exp2, exp2f(a))                                                        \
  CUSIM_SMALL_UNARY(T, T2, log, logf(a))                                                          \
  CUSIM_SMALL_UNARY(T, T2, log2, log2f(a))                                                        \
  CUSIM_SMALL_UNARY(T, T2, sin, sinf(a))                                                          \
  CUSIM_SMALL_UNARY(T, T2, cos, cosf(a))                                                          \
  CUSIM_SMALL_UNARY(T, T2, rcp, 1.0f / a)                                                         \
  CUSIM_SMALL_UNARY(T, T2, floor, floorf(a))                                                      \
  CUSIM_SMALL_UNARY(T, T2, ceil, ceilf(a))                                                        \
  CUSIM_SMALL_UNARY(T, T2, exp10, exp10f(a))                                                      \
  CUSIM_SMALL_UNARY(T, T2, log10, log10f(a))                                                      \
  CUSIM_SMALL_UNARY(T, T2, rint, rintf(a))                                                        \
  CUSIM_SMALL_UNARY(T, T2, trunc, truncf(a))                                                      \
  CUSIM_SMALL_UNARY(T, T2, tanh, tanhf(a))                                                        \
  CUSIM_SMALL_UNARY(T, T2, tanh_approx, tanhf(a))
#endif
