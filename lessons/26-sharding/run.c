// SPDX-License-Identifier: MIT
// A whole run: all ranks open, take the checked steps, hand in the parameters, and take the timed steps.
#include <heddle/error.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "rank.h"

// The ranks report into one trial, one at a time.
typedef struct shared {
  trial *trial;
  pthread_mutex_t lock;
} shared;

// This rank's shards of all layers, which are the truth; the rest of a copy is what it was told.
static void collect_shards(const rank *r) {
  const size_t n = layer_parameters(r->width), from = (size_t)r->number * r->each;
  if (from >= n) return;  // nothing but padding
  const size_t length = n - from < r->each ? n - from : r->each;
  for (int l = 0; l < LAYERS; l++)
    r->ops->download(r->ops, r->trial->theta + (size_t)l * n + from, theta_shard(r, l),
                     length * sizeof(float));
}

static void collect_copy(const rank *r) {
  const size_t n = layer_parameters(r->width);
  for (int l = 0; l < LAYERS; l++)
    r->ops->download(r->ops, r->trial->copy[r->number] + (size_t)l * n, r->theta + (size_t)l * r->padded,
                     n * sizeof(float));
}

static double loss_of(const rank *r) {
  const size_t rows = (size_t)r->rows;
  float *each = hd_alloc(rows, sizeof *each);
  double sum = 0;
  r->ops->download(r->ops, each, r->loss, rows * sizeof *each);
  for (size_t i = 0; i < rows; i++) sum += (double)each[i];
  free(each);
  return sum * (double)r->width / (2 * (double)r->trial->problem->rows);
}

static int checked_part(rank *r, shared *s) {
  trial *t = s->trial;
  for (int i = 0; i < t->checked_steps; i++)
    if (rank_step(r, false)) return -1;
  if (t->theta) collect_shards(r);
  if (t->copy && !t->strategy->shards_parameters) collect_copy(r);
  const double loss = loss_of(r);
  pthread_mutex_lock(&s->lock);
  t->memory = fmax(t->memory, (double)r->ops->bytes);
  t->loss += loss;
  pthread_mutex_unlock(&s->lock);
  return 0;
}

static int timed_part(rank *r, shared *s) {
  trial *t = s->trial;
  if (t->timed_steps == 0) return 0;
  if (hd_barrier(r->comm)) return -1;
  r->ops->synchronize(r->ops);
  const hd_traffic before = hd_comm_traffic(r->comm);
  r->ops->timer_start(r->ops);
  for (int i = 1; i <= t->timed_steps; i++)
    if (rank_step(r, t->span && i == t->timed_steps)) return -1;
  const double seconds = r->ops->timer_stop(r->ops) / t->timed_steps;
  const hd_traffic after = hd_comm_traffic(r->comm);
  for (int k = 0; t->span && k < 3 * r->visits + 2; k++)
    t->span[r->number][k] = r->ops->mark_time(r->ops, k + 1);
  pthread_mutex_lock(&s->lock);
  t->step_s = fmax(t->step_s, seconds);
  t->messages = fmax(t->messages, (double)(after.messages - before.messages) / t->timed_steps);
  t->bytes = fmax(t->bytes, (double)(after.bytes - before.bytes) / t->timed_steps);
  pthread_mutex_unlock(&s->lock);
  return 0;
}

static void rank_body(hd_comm *comm, void *arg) {
  shared *s = arg;
  rank *r = rank_open(s->trial, comm, hd_comm_rank(comm),
                      hd_ops_open(s->trial->place == ON_GPU, hd_comm_stream(comm)));
  if (checked_part(r, s) == 0) timed_part(r, s);
  r->ops->synchronize(r->ops);
  rank_close(r);
}

int run_ranks(trial *t) {
  shared s = {.trial = t, .lock = PTHREAD_MUTEX_INITIALIZER};
  t->step_s = t->messages = t->bytes = t->memory = t->loss = 0;
  const enum hd_backend backend = t->place == ON_GPU ? HD_COMM_CUDA : HD_COMM_THREADS;
  return hd_comm_run(t->world, backend, HD_ORDER_RANK, t->threads, t->deadline_s, rank_body, &s) ? -1 : 0;
}
