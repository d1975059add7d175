// SPDX-License-Identifier: MIT
// A whole run: all ranks open, multiply once for the check, and again for the clock.
#include <heddle/error.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "sharded.h"

// The ranks report into one trial, one at a time.
typedef struct shared {
  trial *trial;
  pthread_mutex_t lock;
} shared;

// Seconds of a step; negative once the communicator has failed.
static double timed(worker *w, int steps, enum omission omission) {
  if (hd_barrier(w->comm)) return -1;
  w->ops->synchronize(w->ops);
  w->omission = omission;
  w->ops->timer_start(w->ops);
  for (int i = 0; i < steps; i++)
    if (w->strategy->step(w)) return -1;
  return w->ops->timer_stop(w->ops) / steps;
}

// One more step, for the picture.
static int draw(worker *w, shared *s) {
  trial *t = s->trial;
  if (!t->spans) return 0;
  if (hd_barrier(w->comm)) return -1;
  w->ops->synchronize(w->ops);
  w->omission = NOTHING;
  w->marks = 0;
  w->ops->mark(w->ops, 0);
  if (w->strategy->step(w)) return -1;
  pthread_mutex_lock(&s->lock);
  for (int i = 0; i < w->marks; i += 2)
    t->spans[t->span_count++] =
        (span){w->rank, w->ops->mark_time(w->ops, i + 1), w->ops->mark_time(w->ops, i + 2)};
  pthread_mutex_unlock(&s->lock);
  w->marks = -1;
  return 0;
}

// What a rank sends is counted by the communicator it uses: the whole, or the lines of the grid.
static hd_traffic sent(const worker *w) {
  hd_traffic sum = {0, 0};
  hd_comm *const lines[] = {w->comm, w->grid.along_row, w->grid.along_column};
  for (int i = 0; i < 3; i++) {
    const hd_traffic one = lines[i] ? hd_comm_traffic(lines[i]) : (hd_traffic){0, 0};
    sum.messages += one.messages;
    sum.bytes += one.bytes;
  }
  return sum;
}

static int timed_part(worker *w, shared *s) {
  trial *t = s->trial;
  if (t->timed_steps == 0) return 0;
  const hd_traffic before = sent(w);
  const double all = timed(w, t->timed_steps, NOTHING);
  const hd_traffic after = sent(w);
  const double products = timed(w, 1, NO_MESSAGES), messages = timed(w, 1, NO_PRODUCTS);
  if (all < 0 || products < 0 || messages < 0) return -1;
  pthread_mutex_lock(&s->lock);
  t->step_s = fmax(t->step_s, all);
  t->products_s = fmax(t->products_s, products);
  t->messages_s = fmax(t->messages_s, messages);
  t->messages = fmax(t->messages, (double)(after.messages - before.messages) / t->timed_steps);
  t->bytes = fmax(t->bytes, (double)(after.bytes - before.bytes) / t->timed_steps);
  t->memory = fmax(t->memory, (double)w->ops->bytes);
  pthread_mutex_unlock(&s->lock);
  return draw(w, s);
}

static void rank_body(hd_comm *comm, void *arg) {
  shared *s = arg;
  const trial *t = s->trial;
  worker *w =
      worker_open(t->problem, t->strategy, comm, hd_ops_open(t->place == ON_GPU, hd_comm_stream(comm)));
  if (!w) return;
  const enum fault fault = w->rank == w->world - 1 ? t->fault : HEALTHY;
  if (fault == DIES) hd_comm_abort(comm, "it was told to die");
  if (fault == HEALTHY && w->strategy->step(w) == 0) {
    w->strategy->collect(w, t->c);
    timed_part(w, s);
  }
  worker_close(w);
}

int run_ranks(trial *t) {
  shared s = {.trial = t, .lock = PTHREAD_MUTEX_INITIALIZER};
  t->step_s = t->products_s = t->messages_s = t->messages = t->bytes = t->memory = 0;
  t->span_count = 0;
  const enum hd_backend backend = t->place == ON_GPU ? HD_COMM_CUDA : HD_COMM_THREADS;
  return hd_comm_run(t->world, backend, HD_ORDER_RANK, t->threads, t->deadline_s, rank_body, &s) ? -1 : 0;
}
