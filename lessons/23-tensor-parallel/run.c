// SPDX-License-Identifier: MIT
// A whole run: all ranks open, take one step that is collected, and the timed ones.
#include <heddle/error.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <pthread.h>

#include "block.h"

// The ranks report into one trial, one at a time.
typedef struct shared {
  trial *trial;
  pthread_mutex_t lock;
} shared;

static int timed_part(block *b, shared *s) {
  trial *t = s->trial;
  if (t->timed_steps == 0) return 0;
  if (hd_barrier(b->comm)) return -1;
  b->ops->synchronize(b->ops);
  const hd_traffic before = hd_comm_traffic(b->comm);
  b->ops->timer_start(b->ops);
  for (int i = 0; i < t->timed_steps; i++)
    if (block_step(b)) return -1;
  const double seconds = b->ops->timer_stop(b->ops) / t->timed_steps;
  const hd_traffic after = hd_comm_traffic(b->comm);
  pthread_mutex_lock(&s->lock);
  t->step_s = fmax(t->step_s, seconds);
  t->messages = fmax(t->messages, (double)(after.messages - before.messages) / t->timed_steps);
  t->bytes = fmax(t->bytes, (double)(after.bytes - before.bytes) / t->timed_steps);
  t->memory = fmax(t->memory, (double)b->ops->bytes);
  pthread_mutex_unlock(&s->lock);
  return 0;
}

static void rank_body(hd_comm *comm, void *arg) {
  shared *s = arg;
  const trial *t = s->trial;
  const enum fault fault = t->faulty == hd_comm_rank(comm) ? t->fault : NO_FAULT;
  if (fault == DIES) return;
  if (fault == OTHER_CALL) {
    hd_barrier(comm);
    return;
  }
  if (fault == STALLS) hd_comm_stall(comm, 3 * t->deadline_s);
  block *b = block_open(t->problem, t->strategy, comm, hd_ops_open(t->place == ON_GPU, hd_comm_stream(comm)));
  const int less = fault == OTHER_SIZE;
  b->rows -= less;
  b->kept_rows -= less;
  if (block_step(b) == 0) {
    block_collect(b, t->y, t->dx, t->gradient);
    timed_part(b, s);
  }
  block_close(b);
}

int run_ranks(trial *t) {
  shared s = {.trial = t, .lock = PTHREAD_MUTEX_INITIALIZER};
  t->step_s = t->messages = t->bytes = t->memory = 0;
  const enum hd_backend backend = t->place == ON_GPU ? HD_COMM_CUDA : HD_COMM_THREADS;
  const enum hd_order order = t->place == ON_GPU ? HD_ORDER_RING : HD_ORDER_RANK;
  return hd_comm_run(t->world, backend, order, t->threads, t->deadline_s, rank_body, &s) ? -1 : 0;
}
