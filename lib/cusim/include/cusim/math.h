// SPDX-License-Identifier: MIT
// CUDA's math library beyond C's. The fast ones (__expf …) are as exact as the plain ones here.
#ifndef CUSIM_MATH_H
#define CUSIM_MATH_H
#include <math.h>
#include <stdlib.h>

#include <cmath>
#include <cstdlib>

// CUDA's own overloads: mixed signs give the unsigned type, as C's arithmetic does.
#define CUSIM_EXTREME(result, a_type, b_type)  \
  inline result min(a_type a, b_type b) {      \
    const result x = (result)a, y = (result)b; \
    return y < x ? y : x;                      \
  }                                            \
  inline result max(a_type a, b_type b) {      \
    const result x = (result)a, y = (result)b; \
    return x < y ? y : x;                      \
  }
#define CUSIM_EXTREMES(signed_type, unsigned_type)           \
  CUSIM_EXTREME(signed_type, signed_type, signed_type)       \
  CUSIM_EXTREME(unsigned_type, unsigned_type, unsigned_type) \
  CUSIM_EXTREME(unsigned_type, signed_type, unsigned_type)   \
  CUSIM_EXTREME(unsigned_type, unsigned_type, signed_type)
CUSIM_EXTREMES(int, unsigned)
CUSIM_EXTREMES(long, unsigned long)
CUSIM_EXTREMES(long long, unsigned long long)
// Of real numbers, the one that is not NaN, as fmin and fmax have it.
#define CUSIM_REAL_EXTREME(result, a_type, b_type) \
  inline result min(a_type a, b_type b) {          \
    const result x = (result)a, y = (result)b;     \
    return y < x || x != x ? y : x;                \
  }                                                \
  inline result max(a_type a, b_type b) {          \
    const result x = (result)a, y = (result)b;     \
    return x < y || x != x ? y : x;                \
  }
CUSIM_REAL_EXTREME(float, float, float)
CUSIM_REAL_EXTREME(double, double, double)
CUSIM_REAL_EXTREME(double, float, double)
CUSIM_REAL_EXTREME(double, double, float)
#undef CUSIM_EXTREME
#undef CUSIM_EXTREMES
#undef CUSIM_REAL_EXTREME
inline unsigned umin(unsigned a, unsigned b) {
  return min(a, b);
}
inline unsigned umax(unsigned a, unsigned b) {
  return max(a, b);
}
inline long long llmin(long long a, long long b) {
  return min(a, b);
}
inline long long llmax(long long a, long long b) {
  return max(a, b);
}
inline unsigned long long ullmin(unsigned long long a, unsigned long long b) {
  return min(a, b);
}
inline unsigned long long ullmax(unsigned long long a, unsigned long long b) {
  return max(a, b);
}

namespace cusim {

constexpr double pi = 3.14159265358979323846, sqrt_half = 0.70710678118654752440;

// Arguments in units of pi: the period goes first, without error.
inline double sin_pi(double x) {
  x = std::remainder(x, 2.0);
  const double near = std::rint(2 * x), rest = (x - near / 2) * pi;
  switch ((int)near & 3) {
    case 0:
      return near == 0 ? std::sin(rest) : std::copysign(0.0, x) + std::sin(rest);
    case 1:
      return std::cos(rest);
    case 2:
      return -std::sin(rest);
    default:
      return -std::cos(rest);
  }
}
inline double cos_pi(double x) {
  x = std::remainder(x, 2.0);
  const double near = std::rint(2 * x), rest = (x - near / 2) * pi;
  switch ((int)near & 3) {
    case 0:
      return std::cos(rest);
    case 1:
      return -std::sin(rest);
    case 2:
      return -std::cos(rest);
    default:
      return std::sin(rest);
  }
}

// The x whose erfc is y: a rough start, then Halley's steps.
inline double inverse_erfc(double y) {
  if (!(y >= 0 && y <= 2)) return __builtin_nan("");
  if (y == 0) return __builtin_inf();
  if (y == 2) return -__builtin_inf();
  const double tail = y < 1 ? y : 2 - y;
  const double t = std::sqrt(-2 * std::log(tail / 2));
  double x = sqrt_half * (t - (2.30753 + t * 0.27061) / (1 + t * (0.99229 + t * 0.04481)));
  for (int i = 0; i < 4; i++) {
    const double error = std::erfc(x) - tail, slope = 2 / std::sqrt(pi) * std::exp(-x * x);
    if (slope == 0) break;
    x += error / (slope - x * error);
  }
  return y < 1 ? x : -x;
}
inline double inverse_erf(double y) {
  if (std::fabs(y) > 0.5) return y > 0 ? inverse_erfc(1 - y) : -inverse_erfc(1 + y);
  double x = y * std::sqrt(pi) / 2;
  for (int i = 0; i < 5; i++) {
    const double error = std::erf(x) - y, slope = 2 / std::sqrt(pi) * std::exp(-x * x);
    x -= error / (slope + x * error);
  }
  return y == 0 ? y : x;
}

}  // namespace cusim

// Newer C libraries have some of these.
#if !defined(__GLIBC__) || !__GLIBC_PREREQ(2, 42)
inline float rsqrtf(float x) {
  return 1.0f / sqrtf(x);
}
inline double rsqrt(double x) {
  return 1.0 / sqrt(x);
}
#endif
#if !defined(__GLIBC__) || !__GLIBC_PREREQ(2, 41)
inline double sinpi(double x) {
  return cusim::sin_pi(x);
}
inline double cospi(double x) {
  return cusim::cos_pi(x);
}
inline float sinpif(float x) {
  return (float)cusim::sin_pi(x);
}
inline float cospif(float x) {
  return (float)cusim::cos_pi(x);
}
#endif
inline void sincospi(double x, double *s, double *c) {
  *s = sinpi(x), *c = cospi(x);
}
inline void sincospif(float x, float *s, float *c) {
  *s = sinpif(x), *c = cospif(x);
}
inline double rcbrt(double x) {
  return 1 / cbrt(x);
}
inline float rcbrtf(float x) {
  return (float)(1 / cbrt((double)x));
}
inline double rhypot(double x, double y) {
  return 1 / hypot(x, y);
}
inline float rhypotf(float x, float y) {
  return 1 / hypotf(x, y);
}
inline double norm3d(double a, double b, double c) {
  return std::hypot(a, b, c);
}
inline float norm3df(float a, float b, float c) {
  return std::hypot(a, b, c);
}
inline double norm4d(double a, double b, double c, double d) {
  return std::hypot(std::hypot(a, b), std::hypot(c, d));
}
inline float norm4df(float a, float b, float c, float d) {
  return (float)norm4d(a, b, c, d);
}
inline double rnorm3d(double a, double b, double c) {
  return 1 / norm3d(a, b, c);
}
inline float rnorm3df(float a, float b, float c) {
  return 1 / norm3df(a, b, c);
}
inline double rnorm4d(double a, double b, double c, double d) {
  return 1 / norm4d(a, b, c, d);
}
inline float rnorm4df(float a, float b, float c, float d) {
  return 1 / norm4df(a, b, c, d);
}
inline double norm(int count, const double *p) {
  double length = 0;
  for (int i = 0; i < count; i++) length = hypot(length, p[i]);
  return length;
}
inline float normf(int count, const float *p) {
  double squares = 0;
  for (int i = 0; i < count; i++) squares += (double)p[i] * (double)p[i];
  return (float)sqrt(squares);
}
inline double rnorm(int count, const double *p) {
  return 1 / norm(count, p);
}
inline float rnormf(int count, const float *p) {
  return 1 / normf(count, p);
}
inline double normcdf(double x) {
  return 0.5 * erfc(-cusim::sqrt_half * x);
}
inline float normcdff(float x) {
  return (float)normcdf(x);
}
inline double erfcinv(double y) {
  return cusim::inverse_erfc(y);
}
inline float erfcinvf(float y) {
  return (float)cusim::inverse_erfc(y);
}
inline double erfinv(double y) {
  return cusim::inverse_erf(y);
}
inline float erfinvf(float y) {
  return (float)cusim::inverse_erf(y);
}
inline double normcdfinv(double y) {
  return -cusim::inverse_erfc(2 * y) / cusim::sqrt_half;
}
inline float normcdfinvf(float y) {
  return (float)normcdfinv(y);
}
// Where both factors would leave the range, the first terms of the asymptotic series.
inline double erfcx(double x) {
  if (x < 25) return (double)(expl((long double)x * x) * erfcl(x));
  const double s = 1 / (x * x);
  return (1 - s / 2 * (1 - 1.5 * s * (1 - 2.5 * s * (1 - 3.5 * s)))) / (x * std::sqrt(cusim::pi));
}
inline float erfcxf(float x) {
  return (float)erfcx(x);
}
inline double cyl_bessel_i0(double x) {
  return std::cyl_bessel_i(0.0, std::fabs(x));
}
inline double cyl_bessel_i1(double x) {
  return std::copysign(std::cyl_bessel_i(1.0, std::fabs(x)), x);
}
inline float cyl_bessel_i0f(float x) {
  return (float)cyl_bessel_i0(x);
}
inline float cyl_bessel_i1f(float x) {
  return (float)cyl_bessel_i1(x);
}
inline float fdividef(float a, float b) {
  return a / b;
}

// CUDA overloads these for float under the name of the double function.
#define CUSIM_FLOAT_OVERLOAD(name) \
  inline float name(float x) {     \
    return name##f(x);             \
  }
CUSIM_FLOAT_OVERLOAD(rsqrt)
CUSIM_FLOAT_OVERLOAD(rcbrt)
CUSIM_FLOAT_OVERLOAD(sinpi)
CUSIM_FLOAT_OVERLOAD(cospi)
CUSIM_FLOAT_OVERLOAD(erfinv)
CUSIM_FLOAT_OVERLOAD(erfcinv)
CUSIM_FLOAT_OVERLOAD(normcdf)
CUSIM_FLOAT_OVERLOAD(normcdfinv)
CUSIM_FLOAT_OVERLOAD(erfcx)
CUSIM_FLOAT_OVERLOAD(exp10)
CUSIM_FLOAT_OVERLOAD(j0)
CUSIM_FLOAT_OVERLOAD(j1)
CUSIM_FLOAT_OVERLOAD(y0)
CUSIM_FLOAT_OVERLOAD(y1)
#undef CUSIM_FLOAT_OVERLOAD
inline float jn(int n, float x) {
  return jnf(n, x);
}
inline float yn(int n, float x) {
  return ynf(n, x);
}
inline void sincos(float x, float *s, float *c) {
  *s = sinf(x), *c = cosf(x);
}
inline void sincospi(float x, float *s, float *c) {
  sincospif(x, s, c);
}

// ---------------------------------------------------------------- fast versions

inline float __expf(float x) {
  return expf(x);
}
inline float __exp10f(float x) {
  return exp10f(x);
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
inline float __tanhf(float x) {
  return tanhf(x);
}
inline void __sincosf(float x, float *s, float *c) {
  *s = sinf(x), *c = cosf(x);
}
inline float __fdividef(float a, float b) {
  return a / b;
}
// A part of the instruction before it: what follows is not to be compiled once more for a 0.
inline float __saturatef(float x) {
  float y = x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f;
#if defined(__x86_64__)
  __asm__("" : "+x"(y));
#endif
  return y;
}
#endif
