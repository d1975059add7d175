// SPDX-License-Identifier: MIT
// What half and bfloat16 share: sixteen bits of storage, arithmetic through float with one rounding, as each
// operation has on hardware. (A product or sum of two 11- or 8-bit significands rounds to float without error
// or to the same result: 24 >= 2 * 11 + 2.) An fma goes through double for the same reason.
#ifndef CUSIM_SMALL_FLOAT_H
#define CUSIM_SMALL_FLOAT_H
#include <cmath>
#include <cstring>
#include <type_traits>

#include "../cuda_runtime.h"

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
#define CUSIM_SMALL_COMPARISON(T, T2, sign, name) \
  CUSIM_SMALL bool operator sign(T a, T b) {      \
    return (float)a sign(float) b;                \
  }                                               \
  CUSIM_SMALL bool name(T a, T b) {               \
    return a sign b;                              \
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

#define CUSIM_SMALL_FLOAT(T, T2)                                                         \
  CUSIM_SMALL_OPERATOR(T, +)                                                             \
  CUSIM_SMALL_OPERATOR(T, -)                                                             \
  CUSIM_SMALL_OPERATOR(T, *)                                                             \
  CUSIM_SMALL_OPERATOR(T, /)                                                             \
  CUSIM_SMALL T operator-(T a) {                                                         \
    return T(-(float)a);                                                                 \
  }                                                                                      \
  CUSIM_SMALL T operator+(T a) {                                                         \
    return a;                                                                            \
  }                                                                                      \
  CUSIM_SMALL_COMPARISON(T, T2, ==, __heq)                                               \
  CUSIM_SMALL_COMPARISON(T, T2, !=, __hne)                                               \
  CUSIM_SMALL_COMPARISON(T, T2, <, __hlt)                                                \
  CUSIM_SMALL_COMPARISON(T, T2, <=, __hle)                                               \
  CUSIM_SMALL_COMPARISON(T, T2, >, __hgt)                                                \
  CUSIM_SMALL_COMPARISON(T, T2, >=, __hge)                                               \
  CUSIM_SMALL_BINARY(T, T2, __hadd, a + b)                                               \
  CUSIM_SMALL_BINARY(T, T2, __hsub, a - b)                                               \
  CUSIM_SMALL_BINARY(T, T2, __hmul, a *b)                                                \
  CUSIM_SMALL_BINARY(T, T2, __hdiv, a / b)                                               \
  CUSIM_SMALL_BINARY(T, T2, __hmax, (float)a < (float)b || (float)a != (float)a ? b : a) \
  CUSIM_SMALL_BINARY(T, T2, __hmin, (float)b < (float)a || (float)a != (float)a ? b : a) \
  CUSIM_SMALL T __hfma(T a, T b, T c) {                                                  \
    CUSIM_NOTE_HALF(2);                                                                  \
    return T((double)(float)a * (double)(float)b + (double)(float)c);                    \
  }                                                                                      \
  CUSIM_SMALL T2 __hfma2(T2 a, T2 b, T2 c) {                                             \
    return T2(__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y));                             \
  }                                                                                      \
  CUSIM_SMALL T __hneg(T a) {                                                            \
    return -a;                                                                           \
  }                                                                                      \
  CUSIM_SMALL T __habs(T a) {                                                            \
    return T(fabsf((float)a));                                                           \
  }                                                                                      \
  CUSIM_SMALL bool __hisnan(T a) {                                                       \
    return (float)a != (float)a;                                                         \
  }                                                                                      \
  CUSIM_SMALL bool __hisinf(T a) {                                                       \
    return std::isinf((float)a);                                                         \
  }                                                                                      \
  CUSIM_SMALL T2 operator+(T2 a, T2 b) {                                                 \
    return __hadd2(a, b);                                                                \
  }                                                                                      \
  CUSIM_SMALL T2 operator-(T2 a, T2 b) {                                                 \
    return __hsub2(a, b);                                                                \
  }                                                                                      \
  CUSIM_SMALL T2 operator*(T2 a, T2 b) {                                                 \
    return __hmul2(a, b);                                                                \
  }                                                                                      \
  CUSIM_SMALL T2 operator/(T2 a, T2 b) {                                                 \
    return __hdiv2(a, b);                                                                \
  }                                                                                      \
  CUSIM_SMALL T2 &operator+=(T2 &a, T2 b) {                                              \
    return a = __hadd2(a, b);                                                            \
  }                                                                                      \
  CUSIM_SMALL T2 &operator*=(T2 &a, T2 b) {                                              \
    return a = __hmul2(a, b);                                                            \
  }                                                                                      \
  CUSIM_SMALL_UNARY(T, T2, sqrt, sqrtf(a))                                               \
  CUSIM_SMALL_UNARY(T, T2, rsqrt, 1.0f / sqrtf(a))                                       \
  CUSIM_SMALL_UNARY(T, T2, exp, expf(a))                                                 \
  CUSIM_SMALL_UNARY(T, T2, exp2, exp2f(a))                                               \
  CUSIM_SMALL_UNARY(T, T2, log, logf(a))                                                 \
  CUSIM_SMALL_UNARY(T, T2, log2, log2f(a))                                               \
  CUSIM_SMALL_UNARY(T, T2, sin, sinf(a))                                                 \
  CUSIM_SMALL_UNARY(T, T2, cos, cosf(a))                                                 \
  CUSIM_SMALL_UNARY(T, T2, rcp, 1.0f / a)                                                \
  CUSIM_SMALL_UNARY(T, T2, floor, floorf(a))                                             \
  CUSIM_SMALL_UNARY(T, T2, ceil, ceilf(a))
#endif
