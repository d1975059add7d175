// SPDX-License-Identifier: MIT
// By the inner dimension: rank r has columns r of A and rows r of B, and makes one addend of all of C.
//
// Idea: nothing needs to travel before the multiplication; the sum of the addends does after it, and each
// rank keeps some rows of it (a reduce-scatter). Prediction: as many bytes as gathering C would take, plus
// p-1 additions of each element; room for a whole C. Pays where C is small and k long: gradients of weights.
#include "sharded.h"

static range whole(long total) {
  return part_of(total, 1, 0);
}

static int open(worker *w) {
  const problem *p = w->problem;
  const range inner = part_of(p->k, w->world, w->rank), rows = part_of(p->m, w->world, w->rank);
  const long padded = w->world * rows.longest * p->n;
  w->a = worker_room(w, p->m * inner.longest);
  w->b = worker_room(w, inner.longest * p->n);
  w->c = worker_room(w, rows.longest * p->n);
  w->whole = worker_room(w, padded);
  w->ops->zero(w->ops, w->whole,
               (size_t)padded * sizeof(float));  // the rows behind the last one are summed, too
  worker_upload(w, w->a, p->a, p->k, whole(p->m), inner);
  worker_upload(w, w->b, p->b, p->n, inner, whole(p->n));
  return 0;
}

static void multiply(worker *w) {
  const problem *p = w->problem;
  const range inner = part_of(p->k, w->world, w->rank);
  worker_multiply(w, p->m, p->n, inner.count, w->a, inner.count, w->b, p->n, w->whole, p->n, false);
}

static int step(worker *w) {
  const problem *p = w->problem;
  const size_t part = (size_t)(part_of(p->m, w->world, w->rank).longest * p->n);
  multiply(w);
  if (w->omission == NO_MESSAGES) return 0;
  return hd_reduce_scatter(w->comm, w->whole, w->c, part, HD_F32, HD_SUM);
}

// A mistake: each rank keeps its rows of its own addend, as if it were the sum.
static int step_without_sum(worker *w) {
  const size_t part = (size_t)(part_of(w->problem->m, w->world, w->rank).longest * w->problem->n);
  multiply(w);
  w->ops->copy(w->ops, w->c, w->whole + (size_t)w->rank * part, part * sizeof *w->c);
  return 0;
}

static void collect(const worker *w, float *c) {
  const problem *p = w->problem;
  worker_download(w, c, w->c, p->n, part_of(p->m, w->world, w->rank), whole(p->n));
}

static paper on_paper(const problem *p, int world, double alpha_s, double bytes_per_s) {
  const double part = 4.0 * (double)(part_of(p->m, world, 0).longest * p->n), peers = world - 1;
  const double inner = 4.0 * (double)(part_of(p->k, world, 0).longest * (p->m + p->n));
  return (paper){.messages = peers,
                 .bytes = peers * part,
                 .memory = inner + part + world * part,
                 .messages_s = peers * (alpha_s + part / bytes_per_s)};
}

const strategy by_inner = {"inner", open, step, collect, on_paper};
const strategy wrong_no_sum = {"wrong-no-sum", open, step_without_sum, collect, on_paper};
