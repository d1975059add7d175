// SPDX-License-Identifier: MIT
// A block of the serial twin, forward and backward.
#include "twin.h"

#include <heddle/error.h>
#include <kernels/nn/reference.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---------------------------------------------------------------- products: y = x·W + b

void twin_forward(const twin *t, long in, long out, const double *theta, const double *x, double *y) {
  for (long r = 0; r < t->rows; r++) memcpy(y + r * out, theta + in * out, (size_t)out * sizeof *y);
  hd_reference_product(t->rows, out, in, x, in, 1, theta, out, 1, y);
}

void twin_backward(const twin *t, long in, long out, const double *theta, const double *x, const double *dy,
                   double *dx, double *gradient) {
  hd_reference_product(in, out, t->rows, x, 1, in, dy, out, 1, gradient);
  for (long r = 0; r < t->rows; r++)
    for (long i = 0; i < out; i++) gradient[in * out + i] += dy[r * out + i];
  memset(dx, 0, cells(t, in) * sizeof *dx);
  hd_reference_product(t->rows, in, out, dy, out, 1, theta, 1, out, dx);
}

// ---------------------------------------------------------------- norm

static void moments(const double *x, long w, double *mean, double *deviation) {
  double sum = 0, squares = 0;
  for (long i = 0; i < w; i++) sum += x[i];
  *mean = sum / (double)w;
  for (long i = 0; i < w; i++) squares += (x[i] - *mean) * (x[i] - *mean);
  *deviation = sqrt(squares / (double)w + 1e-5);
}

void twin_norm(const twin *t, const double *theta, const double *x, double *y) {
  const long w = t->w;
  for (long r = 0; r < t->rows; r++) {
    double mean, deviation;
    moments(x + r * w, w, &mean, &deviation);
    for (long i = 0; i < w; i++) y[r * w + i] = theta[i] * (x[r * w + i] - mean) / deviation + theta[w + i];
  }
}

void twin_norm_backward(const twin *t, const double *theta, const double *x, const double *dy, double *dx,
                        double *gradient) {
  const long w = t->w;
  for (long r = 0; r < t->rows; r++) {
    const double *in = x + r * w, *d = dy + r * w;
    double mean, deviation, sum = 0, product = 0;
    moments(in, w, &mean, &deviation);
    for (long i = 0; i < w; i++) {
      const double n = (in[i] - mean) / deviation;
      gradient[i] += d[i] * n;
      gradient[w + i] += d[i];
      sum += theta[i] * d[i] / (double)w;
      product += theta[i] * d[i] * n / (double)w;
    }
    for (long i = 0; i < w; i++)
      dx[r * w + i] += (theta[i] * d[i] - sum - (in[i] - mean) / deviation * product) / deviation;
  }
}

// ---------------------------------------------------------------- attention

// Weights of the past of row `at` of a sequence (rows from `first`) in one head.
static void weights(const twin *t, const double *qkv, long first, long at, long head, double *p) {
  const long w = t->w, each = w / t->s->heads;
  double sum = 0;
  for (long s = 0; s <= at; s++) {
    double score = 0;
    for (long i = head * each; i < (head + 1) * each; i++)
      score += qkv[(first + at) * 3 * w + i] * qkv[(first + s) * 3 * w + w + i];
    sum += p[s] = exp(score / sqrt((double)each));
  }
  for (long s = 0; s <= at; s++) p[s] /= sum;
}

static void attend(const twin *t, const double *qkv, double *y) {
  const long w = t->w, each = w / t->s->heads, length = t->s->length;
  memset(y, 0, cells(t, w) * sizeof *y);
#pragma omp parallel for collapse(2)
  for (long head = 0; head < t->s->heads; head++)
    for (long r = 0; r < t->rows; r++) {
      const long at = r % length, first = r - at;
      double *p = hd_alloc((size_t)length, sizeof *p);
      weights(t, qkv, first, at, head, p);
      for (long s = 0; s <= at; s++)
        for (long i = head * each; i < (head + 1) * each; i++)
          y[r * w + i] += p[s] * qkv[(first + s) * 3 * w + 2 * w + i];
      free(p);
    }
}

static void attend_backward(const twin *t, const double *qkv, const double *dy, double *dqkv) {
  const long w = t->w, each = w / t->s->heads, length = t->s->length;
  memset(dqkv, 0, cells(t, 3 * w) * sizeof *dqkv);
#pragma omp parallel for
  for (long head = 0; head < t->s->heads; head++)
    for (long r = 0; r < t->rows; r++) {
      const long at = r % length, first = r - at, from = head * each, to = from + each;
      double *p = hd_alloc((size_t)length, sizeof *p), *d = hd_alloc((size_t)length, sizeof *d), mean = 0;
      weights(t, qkv, first, at, head, p);
      for (long s = 0; s <= at; s++) {
        d[s] = 0;
        for (long i = from; i < to; i++) d[s] += dy[r * w + i] * qkv[(first + s) * 3 * w + 2 * w + i];
        mean += p[s] * d[s];
      }
      for (long s = 0; s <= at; s++)
        for (long i = from; i < to; i++) {
          const double slope = p[s] * (d[s] - mean) / sqrt((double)each);
          dqkv[r * 3 * w + i] += slope * qkv[(first + s) * 3 * w + w + i];
          dqkv[(first + s) * 3 * w + w + i] += slope * qkv[r * 3 * w + i];
          dqkv[(first + s) * 3 * w + 2 * w + i] += p[s] * dy[r * w + i];
        }
      free(p);
      free(d);
    }
}

// ---------------------------------------------------------------- blocks

double *twin_room(const twin *t, long cols) {
  return hd_reference_zeros(cells(t, cols));
}

kept twin_block(const twin *t, size_t *at) {
  const size_t w = (size_t)t->w, h = (size_t)t->h;
  kept k = {.x = twin_room(t, t->w),
            .n1 = twin_room(t, t->w),
            .qkv = twin_room(t, 3 * t->w),
            .attended = twin_room(t, t->w),
            .u = twin_room(t, t->w),
            .n2 = twin_room(t, t->w),
            .z = twin_room(t, t->h),
            .h = twin_room(t, t->h)};
  k.norm1 = *at;
  k.qkv_at = k.norm1 + 2 * w;
  k.out = k.qkv_at + (w + 1) * 3 * w;
  k.norm2 = k.out + (w + 1) * w;
  k.inner = k.norm2 + 2 * w;
  k.last = k.inner + (w + 1) * h;
  *at = k.last + (h + 1) * w;
  return k;
}

void twin_block_free(kept *k) {
  free(k->x);
  free(k->n1);
  free(k->qkv);
  free(k->attended);
  free(k->u);
  free(k->n2);
  free(k->z);
  free(k->h);
}

static void add(double *to, const double *x, size_t n) {
  for (size_t i = 0; i < n; i++) to[i] += x[i];
}

void twin_block_forward(const twin *t, const double *theta, kept *k, double *y) {
  twin_norm(t, theta + k->norm1, k->x, k->n1);
  twin_forward(t, t->w, 3 * t->w, theta + k->qkv_at, k->n1, k->qkv);
  attend(t, k->qkv, k->attended);
  twin_forward(t, t->w, t->w, theta + k->out, k->attended, k->u);
  add(k->u, k->x, cells(t, t->w));
  twin_norm(t, theta + k->norm2, k->u, k->n2);
  twin_forward(t, t->w, t->h, theta + k->inner, k->n2, k->z);
  for (size_t i = 0; i < cells(t, t->h); i++) k->h[i] = hd_reference_gelu(k->z[i]);
  twin_forward(t, t->h, t->w, theta + k->last, k->h, y);
  add(y, k->u, cells(t, t->w));
}

void twin_block_backward(const twin *t, const double *theta, const kept *k, double *d, double *gradient) {
  double *dh = twin_room(t, t->h), *dn = twin_room(t, t->w), *da = twin_room(t, t->w),
         *dqkv = twin_room(t, 3 * t->w);
  twin_backward(t, t->h, t->w, theta + k->last, k->h, d, dh, gradient + k->last);
  for (size_t i = 0; i < cells(t, t->h); i++) dh[i] *= hd_reference_gelu_slope(k->z[i]);
  twin_backward(t, t->w, t->h, theta + k->inner, k->n2, dh, dn, gradient + k->inner);
  twin_norm_backward(t, theta + k->norm2, k->u, dn, d, gradient + k->norm2);
  twin_backward(t, t->w, t->w, theta + k->out, k->attended, d, da, gradient + k->out);
  attend_backward(t, k->qkv, da, dqkv);
  twin_backward(t, t->w, 3 * t->w, theta + k->qkv_at, k->n1, dqkv, dn, gradient + k->qkv_at);
  twin_norm_backward(t, theta + k->norm1, k->x, dn, d, gradient + k->norm1);
  free(dh);
  free(dn);
  free(da);
  free(dqkv);
}
