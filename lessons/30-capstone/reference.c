// SPDX-License-Identifier: MIT
// The serial twin in double precision: all rows through all blocks, as the formulas stand.
#include <heddle/error.h>
#include <kernels/nn/reference.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "twin.h"

// The table is W transposed: long rows are made of it where its own are short.
static void tied_logits(const twin *t, const double *table, const double *n, double *logits) {
  double *turned = twin_room(t, t->v), *n_turned = twin_room(t, t->w);
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
  double *dn = twin_room(t, t->w), *d = twin_room(t, t->w);
  if (t->s->tied) {
    hd_reference_product(t->v, t->w, t->rows, dz, 1, t->v, n, t->w, 1, gradient);
    hd_reference_product(t->rows, t->w, t->v, dz, t->v, 1, theta, t->w, 1, dn);
  } else {
    const size_t at = norm_at + 2 * (size_t)t->w;
    twin_backward(t, t->w, t->v, theta + at, n, dz, dn, gradient + at);
  }
  twin_norm_backward(t, theta + norm_at, k[t->s->blocks].x, dn, d, gradient + norm_at);
  for (int b = t->s->blocks - 1; b >= 0; b--) twin_block_backward(t, theta, &k[b], d, gradient);
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
  for (int b = 0; b < s->blocks; b++) k[b] = twin_block(&t, &at);
  k[s->blocks] = (kept){.x = twin_room(&t, t.w)};
  double *n = twin_room(&t, t.w), *z = twin_room(&t, t.v);
  embed(&t, theta, tokens, k[0].x);
  for (int b = 0; b < s->blocks; b++) twin_block_forward(&t, theta, &k[b], k[b + 1].x);
  twin_norm(&t, theta + at, k[s->blocks].x, n);
  if (s->tied)
    tied_logits(&t, theta, n, z);
  else
    twin_forward(&t, t.w, t.v, theta + at + 2 * t.w, n, z);
  if (logits) memcpy(logits, z, cells(&t, t.v) * sizeof *z);
  const double loss = loss_of(&t, targets, z);
  if (gradient) {
    const gpt_part all = gpt_whole(s);
    memset(gradient, 0, gpt_parameters(s, &all) * sizeof *gradient);
    all_backward(&t, theta, k, n, z, at, tokens, gradient);
  }
  for (int b = 0; b < s->blocks; b++) twin_block_free(&k[b]);
  free(k[s->blocks].x);
  free(k);
  free(n);
  free(z);
  return loss;
}
