// SPDX-License-Identifier: MIT
// A whole run: each rank takes its rows, iterates, and gives them back.
#include <heddle/error.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "halo.h"

typedef struct shared {
  trial *trial;
  float *host[HD_MOST_RANKS];
  pthread_mutex_t lock;
} shared;

void mark(worker *w) {
  if (w->marks >= 0) w->ops->mark(w->ops, ++w->marks);
}

static int iterate(const trial *t, worker *w) {
  const int traced = t->iterations - SPAN_ITERATIONS;
  for (w->iteration = 0; w->iteration < t->iterations; w->iteration++) {
    const bool now = w->iteration == t->iterations / 2 && hd_comm_rank(w->comm) == t->faulty;
    if (now && t->fault == DIES) return -1;
    if (now && t->fault == OTHER_CALL) return hd_barrier(w->comm);
    if (now && t->fault == STALLS) hd_comm_stall(w->comm, 3 * t->deadline_s);
    if (t->moments && w->iteration == (traced > 0 ? traced : 0)) {
      w->ops->mark(w->ops, 0);
      w->marks = 0;
    }
    if (t->method(w)) return -1;
    float *swap = w->now;
    w->now = w->next;
    w->next = swap;
  }
  return 0;
}

static void report(shared *s, worker *w, double seconds, hd_traffic sent) {
  trial *t = s->trial;
  const int rank = hd_comm_rank(w->comm);
  for (int i = 0; i < w->marks; i++) t->span[rank][i] = w->ops->mark_time(w->ops, i + 1);
  const uint64_t n = (uint64_t)t->iterations;
  pthread_mutex_lock(&s->lock);
  t->seconds = fmax(t->seconds, seconds / t->iterations);
  t->memory = fmax(t->memory, (double)w->ops->bytes);
  if (sent.messages / n > t->sent.messages) t->sent.messages = sent.messages / n;
  if (sent.bytes / n > t->sent.bytes) t->sent.bytes = sent.bytes / n;
  pthread_mutex_unlock(&s->lock);
}

static void work(shared *s, worker *w, long first) {
  trial *t = s->trial;
  hd_ops *o = w->ops;
  const size_t width = (size_t)w->columns + 2, bytes = (size_t)(w->rows + 2) * width * sizeof(float);
  // Both grids hold the border.
  o->upload(o, w->now, t->initial + (size_t)first * width, bytes);
  o->upload(o, w->next, t->initial + (size_t)first * width, bytes);
  if (hd_barrier(w->comm)) return;
  o->synchronize(o);
  const hd_traffic before = hd_comm_traffic(w->comm);
  o->timer_start(o);
  if (iterate(t, w)) return;  // also without rows: all ranks meet
  const double seconds = o->timer_stop(o);
  const hd_traffic after = hd_comm_traffic(w->comm);
  report(s, w, seconds, (hd_traffic){after.messages - before.messages, after.bytes - before.bytes});
  if (!t->result) return;
  float *host = hd_alloc((size_t)(w->rows + 2) * width, sizeof *host);
  o->download(o, host, w->now, bytes);
  for (long i = 0; i < w->rows; i++)
    memcpy(t->result + (first + i) * w->columns, host + (size_t)(i + 1) * width + 1,
           (size_t)w->columns * sizeof *host);
  free(host);
}

static void rank_body(hd_comm *comm, void *arg) {
  shared *s = arg;
  const trial *t = s->trial;
  const int rank = hd_comm_rank(comm), working = t->world < t->rows ? t->world : (int)t->rows;
  size_t first, rows;
  hd_shard((size_t)t->rows, rank, t->world, &first, &rows);
  worker w = {.comm = comm,
              .rows = (long)rows,
              .columns = t->columns,
              .up = rank > 0 && rank < working ? rank - 1 : -1,
              .down = rank + 1 < working ? rank + 1 : -1,
              .host = s->host,
              .marks = -1};
  hd_ops *o = w.ops = hd_ops_open(t->place == ON_GPU, hd_comm_stream(comm));
  const size_t bytes = (rows + 2) * ((size_t)t->columns + 2) * sizeof(float);
  w.now = o->alloc(o, bytes);
  w.next = o->alloc(o, bytes);
  float *one = w.now, *other = w.next;
  work(s, &w, (long)first);
  hd_barrier(comm);  // after a failure, too: nobody frees what a neighbour may still write to
  o->synchronize(o);
  o->free(o, one, bytes);
  o->free(o, other, bytes);
  o->close(o);
}

int run_trial(trial *t) {
  shared s = {.trial = t, .lock = PTHREAD_MUTEX_INITIALIZER};
  t->seconds = t->memory = 0;
  t->sent = (hd_traffic){0, 0};
  for (int r = 0; r < t->world; r++) s.host[r] = hd_alloc(2 * (size_t)t->columns, sizeof(float));
  const enum hd_backend backend = t->place == ON_GPU ? HD_COMM_CUDA : HD_COMM_THREADS;
  const int failed = hd_comm_run(t->world, backend, HD_ORDER_RANK, 1, t->deadline_s, rank_body, &s);
  for (int r = 0; r < t->world; r++) free(s.host[r]);
  return failed ? -1 : 0;
}
