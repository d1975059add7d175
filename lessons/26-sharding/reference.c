// SPDX-License-Identifier: MIT
// The serial twin in double precision: whole batches, whole parameters, Adam as its paper has it.
#include <heddle/error.h>
#include <kernels/nn/reference.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sharding.h"

static void forward(const problem *p, const double *theta, double **out, double **sum) {
  const long w = p->width;
  const size_t n = (size_t)(p->rows * w), each = layer_parameters(w);
  for (int l = 0; l < LAYERS; l++) {
    const double *weights = theta + (size_t)l * each, *bias = weights + w * w;
    memset(sum[l], 0, n * sizeof(double));
    hd_reference_product(p->rows, w, w, out[l], w, 1, weights, w, 1, sum[l]);
    for (size_t i = 0; i < n; i++) {
      sum[l][i] += bias[i % (size_t)w];
      out[l + 1][i] = hd_reference_gelu(sum[l][i]);
    }
  }
}

static void gradient_of(const problem *p, const double *theta, double **out, double **sum, double *gradient) {
  const long w = p->width;
  const size_t n = (size_t)(p->rows * w), each = layer_parameters(w), square = each - (size_t)w;
  double *delta = hd_reference_zeros(n), *before = hd_reference_zeros(n),
         *turned = hd_reference_zeros(square);
  forward(p, theta, out, sum);
  for (size_t i = 0; i < n; i++) delta[i] = (out[LAYERS][i] - (double)p->target[i]) / (double)p->rows;
  memset(gradient, 0, LAYERS * each * sizeof *gradient);
  for (int l = LAYERS - 1; l >= 0; l--) {
    double *weights = gradient + (size_t)l * each, *bias = weights + square;
    for (size_t i = 0; i < n; i++) {
      delta[i] *= hd_reference_gelu_slope(sum[l][i]);
      bias[i % (size_t)w] += delta[i];
    }
    hd_reference_product(w, w, p->rows, out[l], 1, w, delta, w, 1, weights);
    for (long i = 0; i < w; i++)
      for (long j = 0; j < w; j++) turned[j * w + i] = theta[(size_t)l * each + (size_t)(i * w + j)];
    memset(before, 0, n * sizeof *before);
    hd_reference_product(p->rows, w, w, delta, w, 1, turned, w, 1, before);
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
  double *theta = hd_reference_widened(p->initial, count), *gradient = hd_reference_zeros(count),
         *m = hd_reference_zeros(count), *v = hd_reference_zeros(count);
  double *out[LAYERS + 1] = {hd_reference_widened(p->input, n)}, *sum[LAYERS];
  for (int l = 0; l < LAYERS; l++) sum[l] = hd_reference_zeros(n), out[l + 1] = hd_reference_zeros(n);
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
