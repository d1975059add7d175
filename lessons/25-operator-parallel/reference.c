// SPDX-License-Identifier: MIT
// The serial twin in double precision, as the formulas stand: blocks, branches, layers.
#include <heddle/error.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"

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

// GELU in its tanh form (Hendrycks and Gimpel 2016) and its derivative.
static double gelu(double z) {
  return z / 2 * (1 + tanh(sqrt(2 / M_PI) * (z + 0.044715 * z * z * z)));
}
static double gelu_slope(double z) {
  const double t = tanh(sqrt(2 / M_PI) * (z + 0.044715 * z * z * z));
  return (1 + t) / 2 + z / 2 * (1 - t * t) * sqrt(2 / M_PI) * (1 + 3 * 0.044715 * z * z);
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

typedef struct net {
  long w, rows;
  size_t n, each;
  double *theta, *gradient, *in[LAYERS], *sum[LAYERS];
} net;

// The output of a layer; its input and sum are kept.
static double *forward(net *r, int layer, const double *x) {
  const double *theta = r->theta + (size_t)layer * r->each, *bias = theta + r->w * r->w;
  double *y = zeros(r->n);
  r->in[layer] = zeros(r->n);
  r->sum[layer] = zeros(r->n);
  memcpy(r->in[layer], x, r->n * sizeof *x);
  product(r->rows, r->w, r->w, x, r->w, 1, theta, r->w, 1, r->sum[layer]);
  for (size_t i = 0; i < r->n; i++) {
    r->sum[layer][i] += bias[i % (size_t)r->w];
    y[i] = gelu(r->sum[layer][i]);
  }
  return y;
}

// Turns the gradient of a layer's output into that of its input.
static void backward(net *r, int layer, double *delta) {
  double *weights = r->gradient + (size_t)layer * r->each, *bias = weights + r->w * r->w;
  for (size_t i = 0; i < r->n; i++) {
    delta[i] *= gelu_slope(r->sum[layer][i]);
    bias[i % (size_t)r->w] += delta[i];
  }
  product(r->w, r->w, r->rows, r->in[layer], 1, r->w, delta, r->w, 1, weights);
  double *before = zeros(r->n);
  product(r->rows, r->w, r->w, delta, r->w, 1, r->theta + (size_t)layer * r->each, 1, r->w, before);
  memcpy(delta, before, r->n * sizeof *delta);
  free(before);
}

static double *block_forward(net *r, int first, const double *x) {
  double *sum = zeros(r->n);
  for (int b = 0, layer = first; b < BRANCHES; b++) {
    double *y = widened(NULL, 0);
    const double *from = x;
    for (int i = 0; i < branch_layers[b]; i++, layer++) {
      double *next = forward(r, layer, from);
      free(y);
      from = y = next;
    }
    for (size_t i = 0; i < r->n; i++) sum[i] += y[i];
    free(y);
  }
  return sum;
}

static void block_backward(net *r, int first, double *delta) {
  double *sum = zeros(r->n), *back = zeros(r->n);
  for (int b = 0, layer = first; b < BRANCHES; layer += branch_layers[b++]) {
    memcpy(back, delta, r->n * sizeof *back);
    for (int i = branch_layers[b] - 1; i >= 0; i--) backward(r, layer + i, back);
    for (size_t i = 0; i < r->n; i++) sum[i] += back[i];
  }
  memcpy(delta, sum, r->n * sizeof *delta);
  free(sum);
  free(back);
}

void reference_gradient(const problem *p, double *gradient) {
  const size_t n = (size_t)(p->rows * p->width), each = layer_parameters(p->width);
  net r = {.w = p->width,
           .rows = p->rows,
           .n = n,
           .each = each,
           .theta = widened(p->initial, LAYERS * each),
           .gradient = gradient};
  memset(gradient, 0, LAYERS * each * sizeof *gradient);
  double *input = widened(p->input, n), *y = forward(&r, 0, input);
  for (int k = 0; k < BLOCKS; k++) {
    double *next = block_forward(&r, 1 + k * BLOCK_LAYERS, y);
    free(y);
    y = next;
  }
  for (size_t i = 0; i < n; i++) y[i] = (y[i] - (double)p->target[i]) / (double)n;
  for (int k = BLOCKS - 1; k >= 0; k--) block_backward(&r, 1 + k * BLOCK_LAYERS, y);
  backward(&r, 0, y);
  for (int l = 0; l < LAYERS; l++) {
    free(r.in[l]);
    free(r.sum[l]);
  }
  free(input);
  free(y);
  free(r.theta);
}
