// SPDX-License-Identifier: MIT
// The block in double precision, as the formulas stand.
#include <kernels/nn/reference.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "block.h"

static double *turned(const double *a, long rows, long cols) {
  double *t = hd_reference_zeros((size_t)(rows * cols));
  for (long i = 0; i < rows; i++)
    for (long j = 0; j < cols; j++) t[j * rows + i] = a[i * cols + j];
  return t;
}

// dx (rows, in) += dy (rows, out) · wᵀ, dw (in, out) = xᵀ · dy.
static void product_backward(long rows, long in, long out, const double *x, const double *w, const double *dy,
                             double *dx, double *dw) {
  double *wt = turned(w, in, out);
  hd_reference_product(rows, in, out, dy, out, 1, wt, in, 1, dx);
  hd_reference_product(in, out, rows, x, 1, in, dy, out, 1, dw);
  free(wt);
}

// One head of one sample: probabilities softmax(q·kᵀ/√width) over the past, y = p·v; backward if dy. Rows of
// qkv and dqkv are `stride` apart, those of y and dy a third of it.
static void head(long length, long width, long stride, const double *qkv, double *y, const double *dy,
                 double *dqkv) {
  const long w = stride / 3;
  const double *k = qkv + w, *v = qkv + 2 * w, scale = 1 / sqrt((double)width);
  double *p = hd_reference_zeros((size_t)length), *dp = hd_reference_zeros((size_t)length);
  for (long i = 0; i < length; i++) {
    double top = -INFINITY, sum = 0, mean = 0;
    for (long j = 0; j <= i; j++) {
      p[j] = 0;
      for (long c = 0; c < width; c++) p[j] += scale * qkv[i * stride + c] * k[j * stride + c];
      top = fmax(top, p[j]);
    }
    for (long j = 0; j <= i; j++) sum += p[j] = exp(p[j] - top);
    for (long j = 0; j <= i; j++) p[j] /= sum;
    for (long j = 0; j <= i; j++)
      for (long c = 0; c < width; c++) y[i * w + c] += p[j] * v[j * stride + c];
    if (!dy) continue;
    for (long j = 0; j <= i; j++) {
      dp[j] = 0;
      for (long c = 0; c < width; c++) {
        dp[j] += dy[i * w + c] * v[j * stride + c];
        dqkv[j * stride + 2 * w + c] += p[j] * dy[i * w + c];
      }
      mean += p[j] * dp[j];
    }
    for (long j = 0; j <= i; j++)
      for (long c = 0; c < width; c++) {
        const double d = scale * p[j] * (dp[j] - mean);
        dqkv[i * stride + c] += d * k[j * stride + c];
        dqkv[j * stride + w + c] += d * qkv[i * stride + c];
      }
  }
  free(p);
  free(dp);
}

static void attention(const problem *p, const double *qkv, double *y, const double *dy, double *dqkv) {
  const long w = p->width, each = w / p->heads;
#pragma omp parallel for collapse(2)
  for (long s = 0; s < p->samples; s++)
    for (long h = 0; h < p->heads; h++) {
      const long row = s * p->length * w + h * each, wide = s * p->length * 3 * w + h * each;
      head(p->length, each, 3 * w, qkv + wide, y + row, dy ? dy + row : NULL, dqkv ? dqkv + wide : NULL);
    }
}

void reference_block(const problem *p, double *y, double *dx, double *gradient) {
  const long w = p->width, n = p->samples * p->length, h = 4 * w;
  double *theta = hd_reference_widened(p->theta, problem_parameters(w)),
         *x = hd_reference_widened(p->x, (size_t)(n * w));
  double *dy = hd_reference_widened(p->dy, (size_t)(n * w));
  const long at[] = {0, 3 * w * w, 4 * w * w, 8 * w * w, 8 * w * w + h, 12 * w * w + h};
  const double *wqkv = theta, *wo = theta + at[1], *a1 = theta + at[2], *b1 = theta + at[3],
               *a2 = theta + at[4], *b2 = theta + at[5];
  double *qkv = hd_reference_zeros((size_t)(3 * n * w)), *attended = hd_reference_zeros((size_t)(n * w)),
         *u = hd_reference_zeros((size_t)(n * w)), *z = hd_reference_zeros((size_t)(n * h)),
         *act = hd_reference_zeros((size_t)(n * h));
  hd_reference_product(n, 3 * w, w, x, w, 1, wqkv, 3 * w, 1, qkv);
  attention(p, qkv, attended, NULL, NULL);
  memcpy(u, x, (size_t)(n * w) * sizeof *u);
  hd_reference_product(n, w, w, attended, w, 1, wo, w, 1, u);
  for (long i = 0; i < n * h; i++) z[i] = b1[i % h];
  hd_reference_product(n, h, w, u, w, 1, a1, h, 1, z);
  for (long i = 0; i < n * h; i++) act[i] = hd_reference_gelu(z[i]);
  for (long i = 0; i < n * w; i++) y[i] = u[i] + b2[i % w];
  hd_reference_product(n, w, h, act, h, 1, a2, w, 1, y);

  double *dz = hd_reference_zeros((size_t)(n * h)), *du = hd_reference_zeros((size_t)(n * w)),
         *da = hd_reference_zeros((size_t)(n * w)), *dqkv = hd_reference_zeros((size_t)(3 * n * w)),
         *again = hd_reference_zeros((size_t)(n * w));
  memset(gradient, 0, problem_parameters(w) * sizeof *gradient);
  memcpy(du, dy, (size_t)(n * w) * sizeof *du);
  for (long i = 0; i < n * w; i++) gradient[at[5] + i % w] += dy[i];
  product_backward(n, h, w, act, a2, dy, dz, gradient + at[4]);
  for (long i = 0; i < n * h; i++) {
    dz[i] *= hd_reference_gelu_slope(z[i]);
    gradient[at[3] + i % h] += dz[i];
  }
  product_backward(n, w, h, u, a1, dz, du, gradient + at[2]);
  memcpy(dx, du, (size_t)(n * w) * sizeof *dx);
  product_backward(n, w, w, attended, wo, du, da, gradient + at[1]);
  attention(p, qkv, again, da, dqkv);
  product_backward(n, w, 3 * w, x, wqkv, dqkv, dx, gradient);
  double *all[] = {theta, x, dy, qkv, attended, u, z, act, dz, du, da, dqkv, again};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
}
