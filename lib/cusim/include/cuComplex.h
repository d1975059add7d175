// SPDX-License-Identifier: MIT
// Complex numbers as pairs, under CUDA's names. In C and C++, on host and device.
#ifndef CUSIM_CUCOMPLEX_H
#define CUSIM_CUCOMPLEX_H
#include <math.h>

#include "vector_functions.h"

typedef float2 cuFloatComplex;
typedef double2 cuDoubleComplex;
typedef cuFloatComplex cuComplex;

#define CUSIM_COMPLEX(T, C, f, make, magnitude, fused)                                     \
  static inline T cuCreal##f(C x) {                                                        \
    return x.x;                                                                            \
  }                                                                                        \
  static inline T cuCimag##f(C x) {                                                        \
    return x.y;                                                                            \
  }                                                                                        \
  static inline C cuConj##f(C x) {                                                         \
    return make(x.x, -x.y);                                                                \
  }                                                                                        \
  static inline C cuCadd##f(C x, C y) {                                                    \
    return make(x.x + y.x, x.y + y.y);                                                     \
  }                                                                                        \
  static inline C cuCsub##f(C x, C y) {                                                    \
    return make(x.x - y.x, x.y - y.y);                                                     \
  }                                                                                        \
  static inline C cuCmul##f(C x, C y) {                                                    \
    return make(x.x * y.x - x.y * y.y, x.x * y.y + x.y * y.x);                             \
  }                                                                                        \
  /* Scaled by the larger part of the divisor, so that squares stay in range. */           \
  static inline C cuCdiv##f(C x, C y) {                                                    \
    const T scale = fabs##fused(y.x) + fabs##fused(y.y), r = y.x / scale, i = y.y / scale; \
    const T a = x.x / scale, b = x.y / scale, length = r * r + i * i;                      \
    return make((a * r + b * i) / length, (b * r - a * i) / length);                       \
  }                                                                                        \
  static inline T cuCabs##f(C x) {                                                         \
    return magnitude(x.x, x.y);                                                            \
  }
CUSIM_COMPLEX(float, cuFloatComplex, f, make_float2, hypotf, f)
CUSIM_COMPLEX(double, cuDoubleComplex, , make_double2, hypot, )
#undef CUSIM_COMPLEX

static inline cuFloatComplex make_cuFloatComplex(float x, float y) {
  return make_float2(x, y);
}
static inline cuComplex make_cuComplex(float x, float y) {
  return make_float2(x, y);
}
static inline cuDoubleComplex make_cuDoubleComplex(double x, double y) {
  return make_double2(x, y);
}
static inline cuDoubleComplex cuComplexFloatToDouble(cuFloatComplex x) {
  return make_double2(x.x, x.y);
}
static inline cuFloatComplex cuComplexDoubleToFloat(cuDoubleComplex x) {
  return make_float2((float)x.x, (float)x.y);
}
// x * y + d
static inline cuComplex cuCfmaf(cuComplex x, cuComplex y, cuComplex d) {
  return make_float2(x.x * y.x - x.y * y.y + d.x, x.x * y.y + x.y * y.x + d.y);
}
static inline cuDoubleComplex cuCfma(cuDoubleComplex x, cuDoubleComplex y, cuDoubleComplex d) {
  return make_double2(x.x * y.x - x.y * y.y + d.x, x.x * y.y + x.y * y.x + d.y);
}
#endif
