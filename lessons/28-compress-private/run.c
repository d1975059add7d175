// SPDX-License-Identifier: MIT
// A whole run: a step whose gradient is checked, timed steps, a training.
#include <heddle/error.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "worker.h"

// The ranks report into one trial, one at a time.
typedef struct shared {
  trial *trial;
  pthread_mutex_t lock;
} shared;

// What was sent is the same at every rank; what was left out is each rank's own.
static void collect(worker *w, shared *s) {
  double *g = s->trial->gradient;
  const double each = 1 / fmax(1, (double)w->task->batch);
  pthread_mutex_lock(&s->lock);
  for (size_t i = 0; i < w->model->parameters; i++) {
    if (w->rank == 0) g[i] += each * (double)w->sum[i];
    if (w->left_out) g[i] += each * (double)w->left_out[i];
  }
  pthread_mutex_unlock(&s->lock);
}

static void check_part(hd_comm *comm, shared *s) {
  strategy open = *s->trial->strategy;
  open.clip = 1e30f;  // longer than any gradient
  open.noise = 0;
  worker *w = worker_open(s->trial->task, &open, comm, 1);
  w->sampling = false;
  worker_gradient(w);
  if (worker_exchange(w) == 0) collect(w, s);
  worker_close(w);
}

static void timed_part(hd_comm *comm, shared *s) {
  trial *t = s->trial;
  worker *w = worker_open(t->task, t->strategy, comm, t->timed_steps + 1);
  if (worker_train(w, 1) == 0 && hd_barrier(comm) == 0) {
    const hd_traffic before = hd_comm_traffic(comm);
    w->ops->timer_start(w->ops);
    const int failed = worker_train(w, t->timed_steps);
    const double seconds = w->ops->timer_stop(w->ops) / (double)t->timed_steps;
    const hd_traffic after = hd_comm_traffic(comm);
    pthread_mutex_lock(&s->lock);
    if (!failed) t->step_s = fmax(t->step_s, seconds);
    t->messages = fmax(t->messages, (double)(after.messages - before.messages) / (double)t->timed_steps);
    t->bytes = fmax(t->bytes, (double)(after.bytes - before.bytes) / (double)t->timed_steps);
    pthread_mutex_unlock(&s->lock);
  }
  worker_close(w);
}

static void train_part(hd_comm *comm, shared *s) {
  trial *t = s->trial;
  worker *w = worker_open(t->task, t->strategy, comm, t->train_steps);
  if (worker_train(w, t->train_steps) == 0) {
    if (w->rank == 0) t->accuracy = model_accuracy(w->model, t->task->test);
    if (t->theta && t->theta[w->rank])
      memcpy(t->theta[w->rank], w->model->theta, w->model->parameters * sizeof(float));
  }
  worker_close(w);
}

static void rank_body(hd_comm *comm, void *arg) {
  shared *s = arg;
  if (s->trial->check) check_part(comm, s);
  if (s->trial->timed_steps) timed_part(comm, s);
  if (s->trial->train_steps) train_part(comm, s);
}

int run_ranks(trial *t) {
  shared s = {.trial = t, .lock = PTHREAD_MUTEX_INITIALIZER};
  t->step_s = t->messages = t->bytes = 0;
  t->accuracy = NAN;
  if (t->check) memset(t->gradient, 0, hd_mlp_count(MODEL_WIDTH, MODEL_LAYERS) * sizeof *t->gradient);
  return hd_comm_run(t->world, HD_COMM_THREADS, HD_ORDER_RANK, t->threads, 0, rank_body, &s) ? -1 : 0;
}
