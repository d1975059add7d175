// SPDX-License-Identifier: MIT
#include "reference.h"

#include <heddle/error.h>
#include <math.h>
#include <string.h>

void hd_reference_product(long m, long n, long k, const double *a, long a_row, long a_col, const double *b,
                          long b_row, long b_col, double *c) {
#pragma omp parallel for schedule(static)
  for (long i = 0; i < m; i++)
    for (long p = 0; p < k; p++) {
      const double factor = a[i * a_row + p * a_col];
      for (long j = 0; j < n; j++) c[i * n + j] += factor * b[p * b_row + j * b_col];
    }
}

static double inner(double z) {
  return tanh(sqrt(2 / M_PI) * (z + 0.044715 * z * z * z));
}

double hd_reference_gelu(double z) {
  return z / 2 * (1 + inner(z));
}

double hd_reference_gelu_slope(double z) {
  const double t = inner(z);
  return (1 + t) / 2 + z / 2 * (1 - t * t) * sqrt(2 / M_PI) * (1 + 3 * 0.044715 * z * z);
}

double *hd_reference_zeros(size_t count) {
  double *y = hd_alloc(count, sizeof *y);
  memset(y, 0, count * sizeof *y);
  return y;
}

double *hd_reference_widened(const float *x, size_t count) {
  double *y = hd_alloc(count, sizeof *y);
  for (size_t i = 0; i < count; i++) y[i] = x[i];
  return y;
}
