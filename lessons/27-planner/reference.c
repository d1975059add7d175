// SPDX-License-Identifier: MIT
// The serial twin in double precision: the whole batch through all blocks, as the formulas stand.
#include <heddle/error.h>
#include <kernels/nn/reference.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "piece.h"

void reference_gradient(const problem *p, double *gradient) {
  const long w = p->model.width, rows = p->model.rows, hidden = 4 * w;
  const int blocks = p->model.blocks;
  const size_t n = (size_t)(rows * w), nh = (size_t)(rows * hidden), each = block_parameters(w, 1);
  double *theta = hd_reference_widened(p->initial, (size_t)blocks * each);
  double **x = hd_alloc((size_t)blocks + 1, sizeof *x), **z = hd_alloc((size_t)blocks, sizeof *z),
         **h = hd_alloc((size_t)blocks, sizeof *h);
  x[0] = hd_reference_widened(p->input, n);
  for (int b = 0; b < blocks; b++) {
    const double *a1 = theta + (size_t)b * each, *b1 = a1 + w * hidden, *a2 = b1 + hidden;
    z[b] = hd_reference_zeros(nh);
    h[b] = hd_reference_zeros(nh);
    x[b + 1] = hd_reference_zeros(n);
    hd_reference_product(rows, hidden, w, x[b], w, 1, a1, hidden, 1, z[b]);
    for (size_t i = 0; i < nh; i++) h[b][i] = hd_reference_gelu(z[b][i] += b1[i % (size_t)hidden]);
    memcpy(x[b + 1], x[b], n * sizeof **x);
    hd_reference_product(rows, w, hidden, h[b], hidden, 1, a2, w, 1, x[b + 1]);
  }
  double *d = hd_reference_zeros(n), *dz = hd_reference_zeros(nh);
  for (size_t i = 0; i < n; i++) d[i] = (x[blocks][i] - (double)p->target[i]) / (double)n;
  memset(gradient, 0, (size_t)blocks * each * sizeof *gradient);
  for (int b = blocks - 1; b >= 0; b--) {
    const double *a1 = theta + (size_t)b * each, *a2 = a1 + w * hidden + hidden;
    double *g1 = gradient + (size_t)b * each, *gb = g1 + w * hidden, *g2 = gb + hidden;
    hd_reference_product(hidden, w, rows, h[b], 1, hidden, d, w, 1, g2);
    memset(dz, 0, nh * sizeof *dz);
    hd_reference_product(rows, hidden, w, d, w, 1, a2, 1, w, dz);
    for (size_t i = 0; i < nh; i++) {
      dz[i] *= hd_reference_gelu_slope(z[b][i]);
      gb[i % (size_t)hidden] += dz[i];
    }
    hd_reference_product(w, hidden, rows, x[b], 1, w, dz, hidden, 1, g1);
    hd_reference_product(rows, w, hidden, dz, hidden, 1, a1, 1, hidden, d);
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
