// SPDX-License-Identifier: MIT
// Arithmetic with a chosen rounding, and conversions between numbers, as the device defines them: to nearest
// (rn), towards zero (rz), upwards (ru), downwards (rd).
#ifndef CUSIM_ROUNDING_H
#define CUSIM_ROUNDING_H
#include <cfenv>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

namespace cusim {

// The compiler knows no more what the value is: neither fuses it with other operations nor moves it.
template <class T>
__attribute__((always_inline)) inline void hide(T &value) {
#if defined(__x86_64__)
  if constexpr (std::is_floating_point_v<T>)
    __asm__("" : "+x"(value));
  else
    __asm__("" : "+r"(value));
#else
  __asm__("" : "+m"(value));
#endif
}

// The value is in memory and may have been changed: nothing moves from one side to the other.
template <class T>
__attribute__((always_inline)) inline void fix(T &value) {
  __asm__ volatile("" : "+m"(value) : : "memory");
}

// An operation under another rounding of the CPU.
template <class Operation, class... T>
inline auto rounded(int mode, Operation operation, T... operands) {
  std::fesetround(mode);
  (fix(operands), ...);
  auto result = operation(operands...);
  fix(result);
  std::fesetround(FE_TONEAREST);
  return result;
}

// A real number as an integer: rounded, then held inside the type's range; NaN as PTX has it.
template <class To, class From>
inline To to_integer(From value) {
  using limits = std::numeric_limits<To>;
  if (value != value) {
    if (sizeof(To) < 8 && sizeof(From) < 8) return 0;
    return std::is_signed_v<To> ? limits::min() : (To)((To)1 << (sizeof(To) * 8 - 1));
  }
  if (value >= std::ldexp((From)1, limits::digits)) return limits::max();
  if (value <= (From)limits::min()) return limits::min();
  return (To)value;
}

template <class To, class From>
inline To bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "same size");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

}  // namespace cusim

#define CUSIM_DIRECTIONS(make, ...) \
  make(rz, FE_TOWARDZERO, __VA_ARGS__) make(ru, FE_UPWARD, __VA_ARGS__) make(rd, FE_DOWNWARD, __VA_ARGS__)
#define CUSIM_ROUNDED_2(suffix, mode, T, name, expression) \
  inline T name##_##suffix(T a, T b) {                     \
    return cusim::rounded(                                 \
        mode, [](T x, T y) { return expression; }, a, b);  \
  }
#define CUSIM_ARITHMETIC_2(T, name, expression) \
  inline T name##_rn(T x, T y) {                \
    cusim::hide(x);                             \
    cusim::hide(y);                             \
    T result = expression;                      \
    cusim::hide(result);                        \
    return result;                              \
  }                                             \
  CUSIM_DIRECTIONS(CUSIM_ROUNDED_2, T, name, expression)
#define CUSIM_ROUNDED_1(suffix, mode, T, name, expression) \
  inline T name##_##suffix(T a) {                          \
    return cusim::rounded(                                 \
        mode, [](T x) { return expression; }, a);          \
  }
#define CUSIM_ARITHMETIC_1(T, name, expression) \
  inline T name##_rn(T x) {                     \
    return expression;                          \
  }                                             \
  CUSIM_DIRECTIONS(CUSIM_ROUNDED_1, T, name, expression)
#define CUSIM_ROUNDED_3(suffix, mode, T, name, function)                 \
  inline T name##_##suffix(T a, T b, T c) {                              \
    return cusim::rounded(                                               \
        mode, [](T x, T y, T z) { return function(x, y, z); }, a, b, c); \
  }
#define CUSIM_ARITHMETIC_3(T, name, function) \
  inline T name##_rn(T a, T b, T c) {         \
    return function(a, b, c);                 \
  }                                           \
  CUSIM_DIRECTIONS(CUSIM_ROUNDED_3, T, name, function)

CUSIM_ARITHMETIC_2(float, __fadd, x + y)
CUSIM_ARITHMETIC_2(float, __fsub, x - y)
CUSIM_ARITHMETIC_2(float, __fmul, x *y)
CUSIM_ARITHMETIC_2(float, __fdiv, x / y)
CUSIM_ARITHMETIC_2(double, __dadd, x + y)
CUSIM_ARITHMETIC_2(double, __dsub, x - y)
CUSIM_ARITHMETIC_2(double, __dmul, x *y)
CUSIM_ARITHMETIC_2(double, __ddiv, x / y)
CUSIM_ARITHMETIC_1(float, __frcp, 1.0f / x)
CUSIM_ARITHMETIC_1(float, __fsqrt, sqrtf(x))
CUSIM_ARITHMETIC_1(double, __drcp, 1.0 / x)
CUSIM_ARITHMETIC_1(double, __dsqrt, sqrt(x))
CUSIM_ARITHMETIC_3(float, __fmaf, fmaf)
CUSIM_ARITHMETIC_3(float, __fmaf_ieee, fmaf)
CUSIM_ARITHMETIC_3(double, __fma, fma)
inline float __frsqrt_rn(float a) {
  return (float)(1.0 / sqrt((double)a));
}

// ---------------------------------------------------------------- numbers to numbers

#define CUSIM_TO_INTEGER(From, from, To, to)         \
  inline To __##from##2##to##_rn(From a) {           \
    return cusim::to_integer<To>(std::nearbyint(a)); \
  }                                                  \
  inline To __##from##2##to##_rz(From a) {           \
    return cusim::to_integer<To>(a);                 \
  }                                                  \
  inline To __##from##2##to##_ru(From a) {           \
    return cusim::to_integer<To>(std::ceil(a));      \
  }                                                  \
  inline To __##from##2##to##_rd(From a) {           \
    return cusim::to_integer<To>(std::floor(a));     \
  }
#define CUSIM_CONVERTED(suffix, mode, From, from, To, to) \
  inline To __##from##2##to##_##suffix(From a) {          \
    return cusim::rounded(                                \
        mode, [](From x) { return (To)x; }, a);           \
  }
#define CUSIM_TO_REAL(From, from, To, to)  \
  inline To __##from##2##to##_rn(From a) { \
    return (To)a;                          \
  }                                        \
  CUSIM_DIRECTIONS(CUSIM_CONVERTED, From, from, To, to)

CUSIM_TO_INTEGER(float, float, int, int)
CUSIM_TO_INTEGER(float, float, unsigned, uint)
CUSIM_TO_INTEGER(float, float, long long, ll)
CUSIM_TO_INTEGER(float, float, unsigned long long, ull)
CUSIM_TO_INTEGER(double, double, int, int)
CUSIM_TO_INTEGER(double, double, unsigned, uint)
CUSIM_TO_INTEGER(double, double, long long, ll)
CUSIM_TO_INTEGER(double, double, unsigned long long, ull)
CUSIM_TO_REAL(int, int, float, float)
CUSIM_TO_REAL(unsigned, uint, float, float)
CUSIM_TO_REAL(long long, ll, float, float)
CUSIM_TO_REAL(unsigned long long, ull, float, float)
CUSIM_TO_REAL(long long, ll, double, double)
CUSIM_TO_REAL(unsigned long long, ull, double, double)
CUSIM_TO_REAL(double, double, float, float)
inline double __int2double_rn(int a) {
  return a;
}
inline double __uint2double_rn(unsigned a) {
  return a;
}

#undef CUSIM_DIRECTIONS
#undef CUSIM_ROUNDED_1
#undef CUSIM_ROUNDED_2
#undef CUSIM_ROUNDED_3
#undef CUSIM_ARITHMETIC_1
#undef CUSIM_ARITHMETIC_2
#undef CUSIM_ARITHMETIC_3
#undef CUSIM_TO_INTEGER
#undef CUSIM_CONVERTED
#undef CUSIM_TO_REAL

// ---------------------------------------------------------------- bits as numbers

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
inline int __double2hiint(double x) {
  return (int)(__double_as_longlong(x) >> 32);
}
inline int __double2loint(double x) {
  return (int)__double_as_longlong(x);
}
inline double __hiloint2double(int high, int low) {
  return __longlong_as_double((long long)((unsigned long long)(unsigned)high << 32 | (unsigned)low));
}
#endif
