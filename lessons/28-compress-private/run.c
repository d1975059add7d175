// SPDX-License-Identifier: MIT
// A whole run: a step whose gradient is checked, timed steps, a training.
#include <heddle/error.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "worker.h"

// The ranks report into one trial, one at a time.
typedef struct shared {
  trial *trial;
  pthread_mutex_t lock;
} shared;

static worker *open_rank(hd_comm *comm, const trial *t, const strategy *s, long total, long resident) {
  return worker_open(t->task, s, comm, hd_ops_open(t->place == ON_GPU, hd_comm_stream(comm)), total,
                     resident);
}

// gradient += x / batch, one rank at a time.
static void add(worker *w, shared *s, const float *x) {
  const size_t n = w->model->parameters;
  const double each = 1 / fmax(1, (double)w->task->batch);
  float *here = hd_alloc(n, sizeof *here);
  w->ops->download(w->ops, here, x, n * sizeof *here);
  pthread_mutex_lock(&s->lock);
  for (size_t i = 0; i < n; i++) s->trial->gradient[i] += each * (double)here[i];
  pthread_mutex_unlock(&s->lock);
  free(here);
}

static void check_part(hd_comm *comm, shared *s) {
  strategy open = *s->trial->strategy;
  open.clip = 1e30f;  // longer than any gradient
  open.noise = 0;
  worker *w = open_rank(comm, s->trial, &open, 1, 0);
  w->sampling = false;
  worker_gradient(w);
  // What was sent is the same at every rank; what was left out is each rank's own.
  if (worker_exchange(w) == 0) {
    if (w->rank == 0) add(w, s, w->sum);
    if (w->left_out) add(w, s, w->left_out);
  }
  worker_close(w);
}

static void timed_part(hd_comm *comm, shared *s) {
  trial *t = s->trial;
  const long steps = t->timed_steps, all = t->warm_steps + steps;
  worker *w = open_rank(comm, t, t->strategy, all, all);
  if (worker_train(w, t->warm_steps) == 0 && hd_barrier(comm) == 0) {
    const hd_traffic before = hd_comm_traffic(comm);
    w->ops->synchronize(w->ops);
    w->ops->timer_start(w->ops);
    const int failed = worker_train(w, steps);
    const double seconds = w->ops->timer_stop(w->ops) / (double)steps;
    const hd_traffic after = hd_comm_traffic(comm);
    double at[ADDED + 1];
    for (int moment = BEGUN; moment <= ADDED; moment++) at[moment] = w->ops->mark_time(w->ops, moment);
    const double sending = at[SENT] - at[PACKED] + at[SENT_AGAIN] - at[PACKED_AGAIN];
    pthread_mutex_lock(&s->lock);
    if (!failed) t->step_s = fmax(t->step_s, seconds);
    t->messages = fmax(t->messages, (double)(after.messages - before.messages) / (double)steps);
    t->bytes = fmax(t->bytes, (double)(after.bytes - before.bytes) / (double)steps);
    t->packing_s = fmax(t->packing_s, at[ADDED] - at[BEGUN] - sending);
    t->sending_s = fmin(t->sending_s, sending);
    pthread_mutex_unlock(&s->lock);
  }
  worker_close(w);
}

static void train_part(hd_comm *comm, shared *s) {
  trial *t = s->trial;
  worker *w = open_rank(comm, t, t->strategy, t->train_steps, 0);
  if (worker_train(w, t->train_steps) == 0) {
    if (w->rank == 0) t->accuracy = model_accuracy(w->model, t->task->test);
    if (t->theta && t->theta[w->rank])
      w->ops->download(w->ops, t->theta[w->rank], w->model->theta, w->model->parameters * sizeof(float));
  }
  worker_close(w);
}

static void rank_body(hd_comm *comm, void *arg) {
  shared *s = arg;
  if (s->trial->check) check_part(comm, s);
  if (s->trial->timed_steps) timed_part(comm, s);
  if (s->trial->train_steps) train_part(comm, s);
}

// Sums in rank order on CPUs, where it costs nothing and repeats bitwise; in a ring on GPUs, whose links it
// fills.
int run_ranks(trial *t) {
  const bool gpu = t->place == ON_GPU;
  shared s = {.trial = t, .lock = PTHREAD_MUTEX_INITIALIZER};
  t->step_s = t->messages = t->bytes = t->packing_s = 0;
  t->sending_s = INFINITY;
  t->accuracy = NAN;
  if (t->check) memset(t->gradient, 0, hd_mlp_count(MODEL_WIDTH, MODEL_LAYERS) * sizeof *t->gradient);
  return hd_comm_run(t->world, gpu ? HD_COMM_CUDA : HD_COMM_THREADS, gpu ? HD_ORDER_RING : HD_ORDER_RANK,
                     t->threads, 0, rank_body, &s)
             ? -1
             : 0;
}
