// SPDX-License-Identifier: MIT
// Compiled without fast-math, always: under it the compiler may assume that NaN does not exist.
#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "heddle/bench.h"
#include "heddle/error.h"

#ifdef __FAST_MATH__
#error "verify.c must be compiled without -ffast-math"
#endif

static double element(const void *data, enum hd_type type, size_t i) {
  switch (type) {
    case HD_F32:
      return ((const float *)data)[i];
    case HD_TF32:
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

// Large outputs are compared by all cores. Whole blocks, so that the sum does not depend on how many there
// are.
enum { BLOCK = 1 << 16 };

static size_t end_of(size_t block, size_t count) {
  return (block + 1) * BLOCK < count ? (block + 1) * BLOCK : count;
}

static double root_mean_square(const double *expected, size_t count) {
  const size_t blocks = (count + BLOCK - 1) / BLOCK;
  double *squares = hd_alloc(blocks, sizeof *squares), sum = 0;
#pragma omp parallel for num_threads(omp_get_num_procs()) if (blocks > 1)
  for (size_t b = 0; b < blocks; b++) {
    double part = 0;
    for (size_t i = b * BLOCK; i < end_of(b, count); i++) part += expected[i] * expected[i];
    squares[b] = part;
  }
  for (size_t b = 0; b < blocks; b++) sum += squares[b];
  free(squares);
  return count ? sqrt(sum / (double)count) : 0;
}

double hd_compare(const void *data, enum hd_type type, const double *expected, size_t count) {
  const double rms = root_mean_square(expected, count);
  const size_t blocks = (count + BLOCK - 1) / BLOCK;
  double worst = 0;
#pragma omp parallel for num_threads(omp_get_num_procs()) if (blocks > 1) reduction(max : worst)
  for (size_t b = 0; b < blocks; b++) {
    double here = 0;
    for (size_t i = b * BLOCK; i < end_of(b, count); i++) {
      const double x = element(data, type, i), scale = fmax(fabs(expected[i]), rms);
      const double error = x == expected[i] ? 0 : fabs(x - expected[i]) / scale;
      if (!(error <= here)) here = error;  // takes NaN, too
      if (!(here < INFINITY)) here = INFINITY;
    }
    if (here > worst) worst = here;
  }
  return worst;
}
