// SPDX-License-Identifier: MIT
// The serial twin in double precision, as the formulas stand: blocks, branches, layers.
#include <heddle/error.h>
#include <kernels/nn/reference.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"

typedef struct net {
  long w, rows;
  size_t n, each;
  double *theta, *gradient, *in[LAYERS], *sum[LAYERS];
} net;

// The output of a layer; its input and sum are kept.
static double *forward(net *r, int layer, const double *x) {
  const double *theta = r->theta + (size_t)layer * r->each, *bias = theta + r->w * r->w;
  double *y = hd_reference_zeros(r->n);
  r->in[layer] = hd_reference_zeros(r->n);
  r->sum[layer] = hd_reference_zeros(r->n);
  memcpy(r->in[layer], x, r->n * sizeof *x);
  hd_reference_product(r->rows, r->w, r->w, x, r->w, 1, theta, r->w, 1, r->sum[layer]);
  for (size_t i = 0; i < r->n; i++) {
    r->sum[layer][i] += bias[i % (size_t)r->w];
    y[i] = hd_reference_gelu(r->sum[layer][i]);
  }
  return y;
}

// Turns the gradient of a layer's output into that of its input.
static void backward(net *r, int layer, double *delta) {
  double *weights = r->gradient + (size_t)layer * r->each, *bias = weights + r->w * r->w;
  for (size_t i = 0; i < r->n; i++) {
    delta[i] *= hd_reference_gelu_slope(r->sum[layer][i]);
    bias[i % (size_t)r->w] += delta[i];
  }
  hd_reference_product(r->w, r->w, r->rows, r->in[layer], 1, r->w, delta, r->w, 1, weights);
  double *before = hd_reference_zeros(r->n);
  hd_reference_product(r->rows, r->w, r->w, delta, r->w, 1, r->theta + (size_t)layer * r->each, 1, r->w,
                       before);
  memcpy(delta, before, r->n * sizeof *delta);
  free(before);
}

static double *block_forward(net *r, int first, const double *x) {
  double *sum = hd_reference_zeros(r->n);
  for (int b = 0, layer = first; b < BRANCHES; b++) {
    double *y = hd_reference_widened(NULL, 0);
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
  double *sum = hd_reference_zeros(r->n), *back = hd_reference_zeros(r->n);
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
           .theta = hd_reference_widened(p->initial, LAYERS * each),
           .gradient = gradient};
  memset(gradient, 0, LAYERS * each * sizeof *gradient);
  double *input = hd_reference_widened(p->input, n), *y = forward(&r, 0, input);
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
