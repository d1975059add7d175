// SPDX-License-Identifier: MIT
// The serial twin in double precision: whole batches, whole parameters, Adam as its paper has it.
#include <heddle/error.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sharding.h"

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
  for (size_t i = 0; i < count; i++) y[i] = (double)x[i];
  return y;
}

static double *zeros(size_t count) {
  double *y = hd_alloc(count, sizeof *y);
  memset(y, 0, count * sizeof *y);
  return y;
}

static void forward(const problem *p, const double *theta, double **out, double **sum) {
  const long w = p->width;
  const size_t n = (size_t)(p->rows * w), each = layer_parameters(w);
  for (int l = 0; l < LAYERS; l++) {
    const double *weights = theta + (size_t)l * each, *bias = weights + w * w;
    memset(sum[l], 0, n * sizeof(double));
    product(p->rows, w, w, out[l], w, 1, weights, sum[l]);
    for (size_t i = 0; i < n; i++) {
      sum[l][i] += bias[i % (size_t)w];
      out[l + 1][i] = gelu(sum[l][i]);
    }
  }
}

static void gradient_of(const problem *p, const double *theta, double **out, double **sum, double *gradient) {
  const long w = p->width;
  const size_t n = (size_t)(p->rows * w), each = layer_parameters(w), square = each - (size_t)w;
  double *delta = zeros(n), *before = zeros(n), *turned = zeros(square);
  forward(p, theta, out, sum);
  for (size_t i = 0; i < n; i++) delta[i] = (out[LAYERS][i] - (double)p->target[i]) / (double)p->rows;
  memset(gradient, 0, LAYERS * each * sizeof *gradient);
  for (int l = LAYERS - 1; l >= 0; l--) {
    double *weights = gradient + (size_t)l * each, *bias = weights + square;
    for (size_t i = 0; i < n; i++) {
      delta[i] *= gelu_slope(sum[l][i]);
      bias[i % (size_t)w] += delta[i];
    }
    product(w, w, p->rows, out[l], 1, w, delta, weights);
    for (long i = 0; i < w; i++)
      for (long j = 0; j < w; j++) turned[j * w + i] = theta[(size_t)l * each + (size_t)(i * w + j)];
    memset(before, 0, n * sizeof *before);
    product(p->rows, w, w, delta, w, 1, turned, before);
    double *swap = delta;
    delta = before;
    before = swap;
  }
  free(delta);
  free(before);
  free(turned);
}

void reference_update(const problem *p, int steps, double *update) {
  const size_t n = (size_t)(p->rows * p->width), count = LAYERS * layer_parameters(p->width);
  double *theta = widened(p->initial, count), *gradient = zeros(count), *m = zeros(count), *v = zeros(count);
  double *out[LAYERS + 1] = {widened(p->input, n)}, *sum[LAYERS];
  for (int l = 0; l < LAYERS; l++) sum[l] = zeros(n), out[l + 1] = zeros(n);
  for (int step = 1; step <= steps; step++) {
    gradient_of(p, theta, out, sum, gradient);
    for (size_t i = 0; i < count; i++) {
      m[i] = 0.9 * m[i] + 0.1 * gradient[i];
      v[i] = 0.999 * v[i] + 0.001 * gradient[i] * gradient[i];
      theta[i] -= (double)RATE * (m[i] / (1 - pow(0.9, step))) /
                  (sqrt(v[i] / (1 - pow(0.999, step))) + (double)EPSILON);
    }
  }
  for (size_t i = 0; i < count; i++) update[i] = theta[i] - (double)p->initial[i];
  for (int l = 0; l < LAYERS; l++) free(sum[l]), free(out[l]);
  free(out[LAYERS]);
  free(theta), free(gradient), free(m), free(v);
}
