// SPDX-License-Identifier: MIT
// A whole run: all ranks open, take one step whose gradient is checked, and the timed ones.
#include <heddle/error.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <pthread.h>

#include "runner.h"

#define RATE 0.1f

void cut_of(const strategy *s, int pieces, int piece, int *first, int *count) {
  // Unequal: in shares of one layer's worth of speed, of which the first piece gets three.
  const int more = s->unequal && pieces > 1 ? 2 : 0, share = piece ? piece + more : 0, last = piece + more;
  size_t from, to, length, unused;
  hd_shard(LAYERS, share, pieces + more, &from, &unused);
  hd_shard(LAYERS, last, pieces + more, &to, &length);
  *first = (int)from;
  *count = (int)(to + length - from);
}

static float *batch(runner *r, const float *host) {
  const problem *p = r->trial->problem;
  const size_t bytes = (size_t)(p->rows * p->width) * sizeof(float);
  float *data = r->ops->alloc(r->ops, bytes);
  r->ops->upload(r->ops, data, host, bytes);
  return data;
}

static void open_runner(runner *r) {
  const trial *t = r->trial;
  const problem *p = t->problem;
  r->ops = hd_ops_open(t->place == ON_GPU, hd_comm_stream(r->comm));
  r->plan = t->strategy->make(t->world, t->strategy->micro_batches);
  r->inboxes = inboxes_of(&r->plan, r->rank, r->in);
  bool split = false;
  for (int k = 0; k < r->plan.count[r->rank]; k++) split |= r->plan.list[r->rank][k].kind == BACKWARD_WEIGHTS;
  for (int c = 0; c < r->plan.chunks; c++) {
    int first, count;
    cut_of(t->strategy, t->world * r->plan.chunks, c * t->world + r->rank, &first, &count);
    // One more than it keeps at once: the next micro-batch's message may come early.
    r->room[c] = schedule_stashes(&r->plan, r->rank, c) + 1;
    const int slots = t->strategy->mistake == ONE_SLOT ? 1 : r->room[c];
    r->stage[c] =
        stage_open(r->ops, first, count, p->rows / r->plan.micro_batches, p->width, slots, split, p->initial);
  }
  if (r->rank == 0 || t->strategy->mistake == SAME_INPUT) r->input = batch(r, p->input);
  if (r->rank == t->world - 1) r->target = batch(r, p->target);
}

static void close_runner(runner *r) {
  const problem *p = r->trial->problem;
  const size_t bytes = (size_t)(p->rows * p->width) * sizeof(float);
  r->ops->free(r->ops, r->input, bytes);
  r->ops->free(r->ops, r->target, bytes);
  for (int c = 0; c < r->plan.chunks; c++) stage_close(r->stage[c]);
  for (int b = 0; b < r->inboxes; b++) inbox_free(&r->in[b]);
  schedule_free(&r->plan);
  r->ops->close(r->ops);
}

static void update(runner *r) {
  for (int c = 0; c < r->plan.chunks; c++) stage_update(r->stage[c], RATE);
}

static void collect_gradient(const runner *r) {
  for (int c = 0; c < r->plan.chunks; c++) {
    const stage *s = r->stage[c];
    const size_t each = layer_parameters(s->width);
    r->ops->download(r->ops, r->trial->gradient + (size_t)s->first * each, s->gradient,
                     (size_t)s->layers * each * sizeof(float));
  }
}

// The ranks report into one trial, one at a time.
typedef struct shared {
  trial *trial;
  pthread_mutex_t lock;
} shared;

static int timed_part(runner *r, shared *s) {
  trial *t = s->trial;
  if (t->timed_steps == 0) return 0;
  if (hd_barrier(r->comm)) return -1;
  r->ops->synchronize(r->ops);
  const hd_traffic before = hd_comm_traffic(r->comm);
  r->ops->timer_start(r->ops);
  for (int i = 1; i <= t->timed_steps; i++) {
    if (runner_step(r, t->span && i == t->timed_steps)) return -1;
    update(r);
  }
  const double seconds = r->ops->timer_stop(r->ops) / t->timed_steps;
  const hd_traffic after = hd_comm_traffic(r->comm);
  for (int k = 0; t->span && k < 2 * r->plan.count[r->rank]; k++)
    t->span[r->rank][k] = r->ops->mark_time(r->ops, k + 1);
  pthread_mutex_lock(&s->lock);
  t->step_s = fmax(t->step_s, seconds);
  t->messages = fmax(t->messages, (double)(after.messages - before.messages) / t->timed_steps);
  t->bytes = fmax(t->bytes, (double)(after.bytes - before.bytes) / t->timed_steps);
  t->memory = fmax(t->memory, (double)r->ops->bytes);
  pthread_mutex_unlock(&s->lock);
  return 0;
}

static void rank_body(hd_comm *comm, void *arg) {
  shared *s = arg;
  runner r = {.trial = s->trial, .comm = comm, .rank = hd_comm_rank(comm)};
  open_runner(&r);
  if (runner_step(&r, false) == 0) {
    collect_gradient(&r);
    update(&r);
    timed_part(&r, s);
  }
  close_runner(&r);
}

int run_ranks(trial *t) {
  shared s = {.trial = t, .lock = PTHREAD_MUTEX_INITIALIZER};
  t->step_s = t->messages = t->bytes = t->memory = 0;
  const enum hd_backend backend = t->place == ON_GPU ? HD_COMM_CUDA : HD_COMM_THREADS;
  return hd_comm_run(t->world, backend, HD_ORDER_RANK, t->threads, t->deadline_s, rank_body, &s) ? -1 : 0;
}
