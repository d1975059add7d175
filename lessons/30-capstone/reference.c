// SPDX-License-Identifier: MIT
// The serial twin in double precision: all rows through all blocks, as the formulas stand.
#include <heddle/error.h>
#include <kernels/nn/reference.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gpt.h"

typedef struct twin {
  const gpt_shape *s;
  long rows, w, h, v;  // of all sequences; widths of rows, inner rows, logits
} twin;

static size_t cells(const twin *t, long cols) {
  return (size_t)(t->rows * cols);
}

// ---------------------------------------------------------------- products: y = x·W + b

static void forward(const twin *t, long in, long out, const double *theta, const double *x, double *y) {
  for (long r = 0; r < t->rows; r++) memcpy(y + r * out, theta + in * out, (size_t)out * sizeof *y);
  hd_reference_product(t->rows, out, in, x, in, 1, theta, out, 1, y);
}

// dx is overwritten.
static void backward(const twin *t, long in, long out, const double *theta, const double *x, const double *dy,
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

static void norm(const twin *t, const double *theta, const double *x, double *y) {
  const long w = t->w;
  for (long r = 0; r < t->rows; r++) {
    double mean, deviation;
    moments(x + r * w, w, &mean, &deviation);
    for (long i = 0; i < w; i++) y[r * w + i] = theta[i] * (x[r * w + i] - mean) / deviation + theta[w + i];
  }
}

// Adds to dx: what came by the way around the norm is there already.
static void norm_backward(const twin *t, const double *theta, const double *x, const double *dy, double *dx,
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

// What a block leaves for backward, and where its parameters begin.
typedef struct kept {
  double *x, *n1, *qkv, *attended, *u, *n2, *z, *h;
  size_t norm1, qkv_at, out, norm2, inner, last;
} kept;

static double *room(const twin *t, long cols) {
  return hd_reference_zeros(cells(t, cols));
}

static kept block_room(const twin *t, size_t *at) {
  const size_t w = (size_t)t->w, h = (size_t)t->h;
  kept k = {.x = room(t, t->w),
            .n1 = room(t, t->w),
            .qkv = room(t, 3 * t->w),
            .attended = room(t, t->w),
            .u = room(t, t->w),
            .n2 = room(t, t->w),
            .z = room(t, t->h),
            .h = room(t, t->h)};
  k.norm1 = *at;
  k.qkv_at = k.norm1 + 2 * w;
  k.out = k.qkv_at + (w + 1) * 3 * w;
  k.norm2 = k.out + (w + 1) * w;
  k.inner = k.norm2 + 2 * w;
  k.last = k.inner + (w + 1) * h;
  *at = k.last + (h + 1) * w;
  return k;
}

static void block_free(kept *k) {
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

static void block_forward(const twin *t, const double *theta, kept *k, double *y) {
  norm(t, theta + k->norm1, k->x, k->n1);
  forward(t, t->w, 3 * t->w, theta + k->qkv_at, k->n1, k->qkv);
  attend(t, k->qkv, k->attended);
  forward(t, t->w, t->w, theta + k->out, k->attended, k->u);
  add(k->u, k->x, cells(t, t->w));
  norm(t, theta + k->norm2, k->u, k->n2);
  forward(t, t->w, t->h, theta + k->inner, k->n2, k->z);
  for (size_t i = 0; i < cells(t, t->h); i++) k->h[i] = hd_reference_gelu(k->z[i]);
  forward(t, t->h, t->w, theta + k->last, k->h, y);
  add(y, k->u, cells(t, t->w));
}

// d: from the gradient of the block's output to that of its input.
static void block_backward(const twin *t, const double *theta, const kept *k, double *d, double *gradient) {
  double *dh = room(t, t->h), *dn = room(t, t->w), *da = room(t, t->w), *dqkv = room(t, 3 * t->w);
  backward(t, t->h, t->w, theta + k->last, k->h, d, dh, gradient + k->last);
  for (size_t i = 0; i < cells(t, t->h); i++) dh[i] *= hd_reference_gelu_slope(k->z[i]);
  backward(t, t->w, t->h, theta + k->inner, k->n2, dh, dn, gradient + k->inner);
  norm_backward(t, theta + k->norm2, k->u, dn, d, gradient + k->norm2);
  backward(t, t->w, t->w, theta + k->out, k->attended, d, da, gradient + k->out);
  attend_backward(t, k->qkv, da, dqkv);
  backward(t, t->w, 3 * t->w, theta + k->qkv_at, k->n1, dqkv, dn, gradient + k->qkv_at);
  norm_backward(t, theta + k->norm1, k->x, dn, d, gradient + k->norm1);
  free(dh);
  free(dn);
  free(da);
  free(dqkv);
}

// ---------------------------------------------------------------- the ends

// The table is W transposed: long rows are made of it where its own are short.
static void tied_logits(const twin *t, const double *table, const double *n, double *logits) {
  double *turned = room(t, t->v), *n_turned = room(t, t->w);
  for (long r = 0; r < t->rows; r++)
    for (long i = 0; i < t->w; i++) n_turned[i * t->rows + r] = n[r * t->w + i];
  hd_reference_product(t->v, t->rows, t->w, table, t->w, 1, n_turned, t->rows, 1, turned);
  for (long r = 0; r < t->rows; r++)
    for (long i = 0; i < t->v; i++) logits[r * t->v + i] = turned[i * t->rows + r];
  free(turned);
  free(n_turned);
}

// The mean loss; logits become its gradient.
static double loss_of(const twin *t, const int32_t *targets, double *logits) {
  double loss = 0;
  for (long r = 0; r < t->rows; r++) {
    double *z = logits + r * t->v, top = z[0], sum = 0;
    for (long i = 1; i < t->v; i++) top = fmax(top, z[i]);
    for (long i = 0; i < t->v; i++) sum += exp(z[i] - top);
    loss += log(sum) - (z[targets[r]] - top);
    for (long i = 0; i < t->v; i++)
      z[i] = (exp(z[i] - top) / sum - (i == targets[r] ? 1 : 0)) / (double)t->rows;
  }
  return loss / (double)t->rows;
}

static void embed(const twin *t, const double *theta, const int32_t *tokens, double *x) {
  for (long r = 0; r < t->rows; r++)
    for (long i = 0; i < t->w; i++)
      x[r * t->w + i] = theta[tokens[r] * t->w + i] + theta[(t->v + r % t->s->length) * t->w + i];
}

static void all_backward(const twin *t, const double *theta, const kept *k, const double *n, const double *dz,
                         size_t norm_at, const int32_t *tokens, double *gradient) {
  double *dn = room(t, t->w), *d = room(t, t->w);
  if (t->s->tied) {
    hd_reference_product(t->v, t->w, t->rows, dz, 1, t->v, n, t->w, 1, gradient);
    hd_reference_product(t->rows, t->w, t->v, dz, t->v, 1, theta, t->w, 1, dn);
  } else {
    const size_t at = norm_at + 2 * (size_t)t->w;
    backward(t, t->w, t->v, theta + at, n, dz, dn, gradient + at);
  }
  norm_backward(t, theta + norm_at, k[t->s->blocks].x, dn, d, gradient + norm_at);
  for (int b = t->s->blocks - 1; b >= 0; b--) block_backward(t, theta, &k[b], d, gradient);
  for (long r = 0; r < t->rows; r++)
    for (long i = 0; i < t->w; i++) {
      gradient[tokens[r] * t->w + i] += d[r * t->w + i];
      gradient[(t->v + r % t->s->length) * t->w + i] += d[r * t->w + i];
    }
  free(dn);
  free(d);
}

double gpt_reference(const gpt_shape *s, const double *theta, const int32_t *tokens, const int32_t *targets,
                     double *gradient, double *logits) {
  const twin t = {s, s->batch * s->length, s->width, 4 * s->width, s->vocabulary};
  kept *k = hd_alloc((size_t)s->blocks + 1, sizeof *k);
  size_t at = (size_t)((t.v + s->length) * t.w);
  for (int b = 0; b < s->blocks; b++) k[b] = block_room(&t, &at);
  k[s->blocks] = (kept){.x = room(&t, t.w)};
  double *n = room(&t, t.w), *z = room(&t, t.v);
  embed(&t, theta, tokens, k[0].x);
  for (int b = 0; b < s->blocks; b++) block_forward(&t, theta, &k[b], k[b + 1].x);
  norm(&t, theta + at, k[s->blocks].x, n);
  if (s->tied)
    tied_logits(&t, theta, n, z);
  else
    forward(&t, t.w, t.v, theta + at + 2 * t.w, n, z);
  if (logits) memcpy(logits, z, cells(&t, t.v) * sizeof *z);
  const double loss = loss_of(&t, targets, z);
  if (gradient) {
    const gpt_part all = gpt_whole(s);
    memset(gradient, 0, gpt_parameters(s, &all) * sizeof *gradient);
    all_backward(&t, theta, k, n, z, at, tokens, gradient);
  }
  for (int b = 0; b < s->blocks; b++) block_free(&k[b]);
  free(k[s->blocks].x);
  free(k);
  free(n);
  free(z);
  return loss;
}
