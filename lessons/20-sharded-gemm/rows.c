// SPDX-License-Identifier: MIT
// By rows: rank r computes rows r of C = rows r of A, times B.
//
// Idea: rows of C need nothing of each other, so the products are as independent as can be; but each needs
// all of B, which lies by rows on all ranks and is gathered first. Prediction: (p-1)/p of B per rank, over
// the link before the first multiplication, and room for all of B on every rank.
#include "sharded.h"

static range whole(long total) {
  return part_of(total, 1, 0);
}

// The rows of this rank. A mistake: m / p of them for everybody, so that the last m % p belong to nobody.
static range rows_of(const worker *w) {
  range rows = part_of(w->problem->m, w->world, w->rank);
  if (w->strategy == &wrong_remainder) {
    rows.count = w->problem->m / w->world;
    rows.from = w->rank * rows.count;
  }
  return rows;
}

static int open(worker *w) {
  const problem *p = w->problem;
  const range rows = rows_of(w), own = part_of(p->k, w->world, w->rank);
  w->a = worker_room(w, rows.longest * p->k);
  w->c = worker_room(w, rows.longest * p->n);
  w->whole = worker_room(w, w->world * own.longest * p->n);
  w->b = w->whole + w->rank * own.longest * p->n;  // where gathering would put it
  worker_upload(w, w->a, p->a, p->k, rows, whole(p->k));
  worker_upload(w, w->b, p->b, p->n, own, whole(p->n));
  return 0;
}

static int step(worker *w) {
  const problem *p = w->problem;
  const range rows = rows_of(w), own = part_of(p->k, w->world, w->rank);
  if (w->omission != NO_MESSAGES &&
      hd_all_gather(w->comm, w->b, w->whole, (size_t)(own.longest * p->n), HD_F32))
    return -1;
  worker_multiply(w, rows.count, p->n, p->k, w->a, p->k, w->whole, p->n, w->c, p->n, false);
  return 0;
}

static void collect(const worker *w, float *c) {
  const problem *p = w->problem;
  worker_download(w, c, w->c, p->n, rows_of(w), whole(p->n));
}

static paper on_paper(const problem *p, int world, double alpha_s, double bytes_per_s) {
  const double part = 4.0 * (double)(part_of(p->k, world, 0).longest * p->n), peers = world - 1;
  return (paper){.messages = peers,
                 .bytes = peers * part,
                 .memory = 4.0 * (double)(part_of(p->m, world, 0).longest * (p->k + p->n)) + world * part,
                 .messages_s = peers * (alpha_s + part / bytes_per_s)};
}

const strategy by_rows = {"rows", open, step, collect, on_paper};
const strategy wrong_remainder = {"wrong-remainder", open, step, collect, on_paper};
