// SPDX-License-Identifier: MIT
// The serial twin in double precision: the whole batch through all blocks, as the formulas stand.
#include <heddle/error.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "piece.h"

// c (m, n) += a (m, k) · b (k, n); strides of both in elements, so that either may be a transposed one.
static void product(long m, long n, long k, const double *a, long a_row, long a_col, const double *b,
                    long b_row, long b_col, double *c) {
#pragma omp parallel for schedule(static)
  for (long i = 0; i < m; i++)
    for (long p = 0; p < k; p++) {
      const double factor = a[i * a_row + p * a_col];
      for (long j = 0; j < n; j++) c[i * n + j] += factor * b[p * b_row + j * b_col];
    }
}

static double *zeros(size_t count) {
  double *y = hd_alloc(count, sizeof *y);
  memset(y, 0, count * sizeof *y);
  return y;
}

static double *widened(const float *x, size_t count) {
  double *y = hd_alloc(count, sizeof *y);
  for (size_t i = 0; i < count; i++) y[i] = x[i];
  return y;
}

// GELU in its tanh form (Hendrycks and Gimpel 2016) and its derivative.
static double gelu(double z) {
  return z / 2 * (1 + tanh(sqrt(2 / M_PI) * (z + 0.044715 * z * z * z)));
}
static double gelu_slope(double z) {
  const double t = tanh(sqrt(2 / M_PI) * (z + 0.044715 * z * z * z));
  return (1 + t) / 2 + z / 2 * (1 - t * t) * sqrt(2 / M_PI) * (1 + 3 * 0.044715 * z * z);
}

void reference_gradient(const problem *p, double *gradient) {
  const long w = p->model.width, rows = p->model.rows, hidden = 4 * w;
  const int blocks = p->model.blocks;
  const size_t n = (size_t)(rows * w), nh = (size_t)(rows * hidden), each = block_parameters(w, 1);
  double *theta = widened(p->initial, (size_t)blocks * each);
  double **x = hd_alloc((size_t)blocks + 1, sizeof *x), **z = hd_alloc((size_t)blocks, sizeof *z),
         **h = hd_alloc((size_t)blocks, sizeof *h);
  x[0] = widened(p->input, n);
  for (int b = 0; b < blocks; b++) {
    const double *a1 = theta + (size_t)b * each, *b1 = a1 + w * hidden, *a2 = b1 + hidden;
    z[b] = zeros(nh);
    h[b] = zeros(nh);
    x[b + 1] = zeros(n);
    product(rows, hidden, w, x[b], w, 1, a1, hidden, 1, z[b]);
    for (size_t i = 0; i < nh; i++) h[b][i] = gelu(z[b][i] += b1[i % (size_t)hidden]);
    memcpy(x[b + 1], x[b], n * sizeof **x);
    product(rows, w, hidden, h[b], hidden, 1, a2, w, 1, x[b + 1]);
  }
  double *d = zeros(n), *dz = zeros(nh);
  for (size_t i = 0; i < n; i++) d[i] = (x[blocks][i] - (double)p->target[i]) / (double)n;
  memset(gradient, 0, (size_t)blocks * each * sizeof *gradient);
  for (int b = blocks - 1; b >= 0; b--) {
    const double *a1 = theta + (size_t)b * each, *a2 = a1 + w * hidden + hidden;
    double *g1 = gradient + (size_t)b * each, *gb = g1 + w * hidden, *g2 = gb + hidden;
    product(hidden, w, rows, h[b], 1, hidden, d, w, 1, g2);
    memset(dz, 0, nh * sizeof *dz);
    product(rows, hidden, w, d, w, 1, a2, 1, w, dz);
    for (size_t i = 0; i < nh; i++) {
      dz[i] *= gelu_slope(z[b][i]);
      gb[i % (size_t)hidden] += dz[i];
    }
    product(w, hidden, rows, x[b], 1, w, dz, hidden, 1, g1);
    product(rows, w, hidden, dz, hidden, 1, a1, 1, hidden, d);
  }
  for (int b = 0; b < blocks; b++) {
    free(x[b]);
    free(z[b]);
    free(h[b]);
  }
  free(x[blocks]);
  free(x);
  free(z);
  free(h);
  free(d);
  free(dz);
  free(theta);
}
