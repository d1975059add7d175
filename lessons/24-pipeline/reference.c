// SPDX-License-Identifier: MIT
// The serial twin in double precision: the whole batch through all layers, as the formulas stand.
#include <heddle/error.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"

// c (m, n) += a (m, k) · b (k, n); strides of a in elements, so that it may be a transposed one.
static void product(long m, long n, long k, const double *a, long a_row, long a_col, const double *b,
                    double *c) {
#pragma omp parallel for schedule(static)
  for (long i = 0; i < m; i++)
    for (long p = 0; p < k; p++) {
      const double factor = a[i * a_row + p * a_col];
      for (long j = 0; j < n; j++) c[i * n + j] += factor * b[p * n + j];
    }
}

// GELU in its tanh form (Hendrycks and Gimpel 2016) and its derivative.
static double gelu(double z) {
  return z / 2 * (1 + tanh(sqrt(2 / M_PI) * (z + 0.044715 * z * z * z)));
}
static double gelu_slope(double z) {
  const double t = tanh(sqrt(2 / M_PI) * (z + 0.044715 * z * z * z));
  return (1 + t) / 2 + z / 2 * (1 - t * t) * sqrt(2 / M_PI) * (1 + 3 * 0.044715 * z * z);
}

static double *widened(const float *x, size_t count) {
  double *y = hd_alloc(count, sizeof *y);
  for (size_t i = 0; i < count; i++) y[i] = x[i];
  return y;
}

static double *zeros(size_t count) {
  double *y = hd_alloc(count, sizeof *y);
  memset(y, 0, count * sizeof *y);
  return y;
}

void reference_gradient(const problem *p, double *gradient) {
  const long w = p->width, rows = p->rows;
  const size_t n = (size_t)(rows * w), square = (size_t)(w * w), each = square + (size_t)w;
  double *theta = widened(p->initial, LAYERS * each), *turned = zeros(square);
  double *out[LAYERS + 1] = {widened(p->input, n)}, *sum[LAYERS];
  for (int l = 0; l < LAYERS; l++) {
    const double *bias = theta + (size_t)l * each + square;
    sum[l] = zeros(n);
    out[l + 1] = zeros(n);
    product(rows, w, w, out[l], w, 1, theta + (size_t)l * each, sum[l]);
    for (size_t i = 0; i < n; i++) {
      sum[l][i] += bias[i % (size_t)w];
      out[l + 1][i] = gelu(sum[l][i]);
    }
  }
  double *delta = zeros(n), *before = zeros(n);
  for (size_t i = 0; i < n; i++) delta[i] = (out[LAYERS][i] - (double)p->target[i]) / (double)n;
  memset(gradient, 0, LAYERS * each * sizeof *gradient);
  for (int l = LAYERS - 1; l >= 0; l--) {
    double *weights = gradient + (size_t)l * each, *bias = weights + square;
    for (size_t i = 0; i < n; i++) {
      delta[i] *= gelu_slope(sum[l][i]);
      bias[i % (size_t)w] += delta[i];
    }
    product(w, w, rows, out[l], 1, w, delta, weights);
    for (long i = 0; i < w; i++)
      for (long j = 0; j < w; j++) turned[j * w + i] = theta[(size_t)l * each + (size_t)(i * w + j)];
    memset(before, 0, n * sizeof *before);
    product(rows, w, w, delta, w, 1, turned, before);
    double *swap = delta;
    delta = before;
    before = swap;
  }
  for (int l = 0; l <= LAYERS; l++) free(out[l]);
  for (int l = 0; l < LAYERS; l++) free(sum[l]);
  free(delta);
  free(before);
  free(theta);
  free(turned);
}
