// SPDX-License-Identifier: MIT
// By columns: rank r computes columns r of C = A, times columns r of B.
//
// Idea: the mirror image of rows. Now all of A is needed, and B stays where it is. Prediction: the same time
// for square matrices; choose the one that gathers the smaller matrix. A layer y = x·W splits W this way: x
// is small.
#include "sharded.h"

static range whole(long total) {
  return part_of(total, 1, 0);
}

static int open(worker *w) {
  const problem *p = w->problem;
  const range columns = part_of(p->n, w->world, w->rank), own = part_of(p->m, w->world, w->rank);
  w->b = worker_room(w, p->k * columns.longest);
  w->c = worker_room(w, p->m * columns.longest);
  w->whole = worker_room(w, w->world * own.longest * p->k);
  w->a = w->whole + w->rank * own.longest * p->k;
  worker_upload(w, w->a, p->a, p->k, own, whole(p->k));
  worker_upload(w, w->b, p->b, p->n, whole(p->k), columns);
  return 0;
}

static int step(worker *w) {
  const problem *p = w->problem;
  const range columns = part_of(p->n, w->world, w->rank), own = part_of(p->m, w->world, w->rank);
  if (w->omission != NO_MESSAGES &&
      hd_all_gather(w->comm, w->a, w->whole, (size_t)(own.longest * p->k), HD_F32))
    return -1;
  worker_multiply(w, p->m, columns.count, p->k, w->whole, p->k, w->b, columns.count, w->c, columns.count,
                  false);
  return 0;
}

static void collect(const worker *w, float *c) {
  const problem *p = w->problem;
  worker_download(w, c, w->c, p->n, whole(p->m), part_of(p->n, w->world, w->rank));
}

static paper on_paper(const problem *p, int world, double alpha_s, double bytes_per_s) {
  const double part = 4.0 * (double)(part_of(p->m, world, 0).longest * p->k), peers = world - 1;
  return (paper){.messages = peers,
                 .bytes = peers * part,
                 .memory = 4.0 * (double)(part_of(p->n, world, 0).longest * (p->k + p->m)) + world * part,
                 .messages_s = peers * (alpha_s + part / bytes_per_s)};
}

const strategy by_columns = {"columns", open, step, collect, on_paper};
