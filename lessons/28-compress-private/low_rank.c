// SPDX-License-Identifier: MIT
// The exchange of gradients as products of small matrices; the idea is told in low_rank.h.
#include "low_rank.h"

#include <heddle/bench.h>
#include <math.h>

#include "worker.h"

static double dot(const float *p, long rows, int a, int b) {
  double sum = 0;
  for (long i = 0; i < rows; i++) sum += (double)p[i * LOW_RANK + a] * (double)p[i * LOW_RANK + b];
  return sum;
}

static void sweep(float *p, long rows) {
  for (int c = 0; c < LOW_RANK; c++) {
    const double square = dot(p, rows, c, c);
    for (int d = c + 1; d < LOW_RANK && square > 0; d++) {
      const float part = (float)(dot(p, rows, c, d) / square);
      for (long i = 0; i < rows; i++) p[i * LOW_RANK + d] -= part * p[i * LOW_RANK + c];
    }
    for (long i = 0; i < rows; i++)
      p[i * LOW_RANK + c] =
          square > 0 ? (float)((double)p[i * LOW_RANK + c] / sqrt(square)) : (float)(i == c);
  }
}

void orthonormalize_cpu(factors p) {
  for (int l = 0; l < FACTORED_LAYERS; l++)
    for (int time = 0; time < 2; time++) sweep(p.of[l], p.rows[l]);
}

static void orthonormalize(hd_ops *o, factors p) {
  if (o->on_host)
    orthonormalize_cpu(p);
  else
    HD_WITH_CUDA(orthonormalize_gpu(o, p));
}

// The rows of P: inputs and one for the bias; those of Q: outputs.
static long factor_rows(int layer, bool q) {
  return q ? MODEL_WIDTH[layer + 1] : MODEL_WIDTH[layer] + 1;
}

static size_t factor_words(bool q) {
  size_t words = 0;
  for (int l = 0; l < FACTORED_LAYERS; l++) words += LOW_RANK * (size_t)factor_rows(l, q);
  return words;
}

size_t low_rank_words(void) {
  return factor_words(false) + factor_words(true);
}

static factors factors_in(float *words, bool q) {
  factors f;
  for (int l = 0; l < FACTORED_LAYERS; l++) {
    f.of[l] = words;
    f.rows[l] = factor_rows(l, q);
    words += LOW_RANK * f.rows[l];
  }
  return f;
}

int exchange_low_rank(worker *w) {
  hd_ops *o = w->ops;
  const size_t n = w->model->parameters, p_words = factor_words(false);
  float *x = w->left_out;
  const factors p = factors_in(w->factors, false), q = factors_in(w->factors + p_words, true);
  o->axpy(o, 1, w->model->gradient, x, n);
  for (int l = 0; l < FACTORED_LAYERS; l++) {
    const float *m = x + hd_mlp_count(MODEL_WIDTH, l);
    o->gemm(o, false, false, p.rows[l], LOW_RANK, q.rows[l], 1, m, q.rows[l], q.of[l], LOW_RANK, 0, p.of[l],
            LOW_RANK);
  }
  o->mark(o, PACKED);
  if (hd_all_reduce(w->comm, w->factors, p_words, HD_F32, HD_SUM)) return -1;
  o->mark(o, SENT);
  orthonormalize(o, p);
  for (int l = 0; l < FACTORED_LAYERS; l++) {
    const float *m = x + hd_mlp_count(MODEL_WIDTH, l);
    o->gemm(o, true, false, q.rows[l], LOW_RANK, p.rows[l], 1, m, q.rows[l], p.of[l], LOW_RANK, 0, q.of[l],
            LOW_RANK);
  }
  o->mark(o, PACKED_AGAIN);
  if (hd_all_reduce(w->comm, w->factors + p_words, factor_words(true), HD_F32, HD_SUM)) return -1;
  o->mark(o, SENT_AGAIN);
  for (int l = 0; l < FACTORED_LAYERS; l++)
    o->gemm(o, false, true, p.rows[l], q.rows[l], LOW_RANK, 1, p.of[l], LOW_RANK, q.of[l], LOW_RANK, 0,
            w->sum + hd_mlp_count(MODEL_WIDTH, l), q.rows[l]);
  // Each rank takes its N-th of what was sent off what it has: all together, all of it.
  o->axpy(o, -1 / (float)w->world, w->sum, x, n);
  return 0;
}
