// SPDX-License-Identifier: MIT
// The serial twin in double precision: the whole batch through all layers, as the formulas stand.
#include <heddle/error.h>
#include <kernels/nn/reference.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"

void reference_gradient(const problem *p, double *gradient) {
  const long w = p->width, rows = p->rows;
  const size_t n = (size_t)(rows * w), square = (size_t)(w * w), each = square + (size_t)w;
  double *theta = hd_reference_widened(p->initial, LAYERS * each), *turned = hd_reference_zeros(square);
  double *out[LAYERS + 1] = {hd_reference_widened(p->input, n)}, *sum[LAYERS];
  for (int l = 0; l < LAYERS; l++) {
    const double *bias = theta + (size_t)l * each + square;
    sum[l] = hd_reference_zeros(n);
    out[l + 1] = hd_reference_zeros(n);
    hd_reference_product(rows, w, w, out[l], w, 1, theta + (size_t)l * each, w, 1, sum[l]);
    for (size_t i = 0; i < n; i++) {
      sum[l][i] += bias[i % (size_t)w];
      out[l + 1][i] = hd_reference_gelu(sum[l][i]);
    }
  }
  double *delta = hd_reference_zeros(n), *before = hd_reference_zeros(n);
  for (size_t i = 0; i < n; i++) delta[i] = (out[LAYERS][i] - (double)p->target[i]) / (double)n;
  memset(gradient, 0, LAYERS * each * sizeof *gradient);
  for (int l = LAYERS - 1; l >= 0; l--) {
    double *weights = gradient + (size_t)l * each, *bias = weights + square;
    for (size_t i = 0; i < n; i++) {
      delta[i] *= hd_reference_gelu_slope(sum[l][i]);
      bias[i % (size_t)w] += delta[i];
    }
    hd_reference_product(w, w, rows, out[l], 1, w, delta, w, 1, weights);
    for (long i = 0; i < w; i++)
      for (long j = 0; j < w; j++) turned[j * w + i] = theta[(size_t)l * each + (size_t)(i * w + j)];
    memset(before, 0, n * sizeof *before);
    hd_reference_product(rows, w, w, delta, w, 1, turned, w, 1, before);
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
