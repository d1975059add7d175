// SPDX-License-Identifier: MIT
// Compiled without fast-math, always: under it the compiler may assume that NaN does not exist.
#include <math.h>

#include "heddle/bench.h"

#ifdef __FAST_MATH__
#error "verify.c must be compiled without -ffast-math"
#endif

static double element(const void *data, enum hd_type type, size_t i) {
  switch (type) {
    case HD_F32:
      return ((const float *)data)[i];
    case HD_F64:
      return ((const double *)data)[i];
    case HD_I32:
      return ((const int32_t *)data)[i];
    case HD_U8:
      return ((const uint8_t *)data)[i];
    case HD_BF16:
      return hd_bf16_to_float(((const uint16_t *)data)[i]);
    case HD_F16:
      return hd_f16_to_float(((const uint16_t *)data)[i]);
  }
  return NAN;
}

double hd_compare(const void *data, enum hd_type type, const double *expected, size_t count) {
  double squares = 0;
  for (size_t i = 0; i < count; i++) squares += expected[i] * expected[i];
  const double rms = count ? sqrt(squares / (double)count) : 0;
  double worst = 0;
  for (size_t i = 0; i < count; i++) {
    const double x = element(data, type, i), scale = fmax(fabs(expected[i]), rms);
    const double error = x == expected[i] ? 0 : fabs(x - expected[i]) / scale;
    if (!(error <= worst)) worst = error;  // takes NaN, too
    if (!(worst < INFINITY)) return INFINITY;
  }
  return worst;
}
