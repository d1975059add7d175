// SPDX-License-Identifier: MIT
// A whole run: all ranks open, take the checked steps, the timed steps, and perhaps train for some epochs.
#include <heddle/clock.h>
#include <heddle/device.h>
#include <heddle/error.h>
#include <heddle/progress.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "worker.h"

// The ranks report into one trial, one at a time.
typedef struct shared {
  trial *trial;
  pthread_mutex_t lock;
} shared;

static double larger(double a, double b) {
  return a > b ? a : b;
}

// All ranks start their clocks together: after a barrier that also the host has waited for.
static int line_up(worker *w) {
  if (w->comm && hd_barrier(w->comm)) return -1;
  w->ops->synchronize(w->ops);
  return 0;
}

static hd_traffic traffic(const worker *w) {
  return w->comm ? hd_comm_traffic(w->comm) : (hd_traffic){0, 0};
}

static int timed_part(worker *w, shared *s) {
  trial *t = s->trial;
  if (t->timed_steps == 0) return 0;
  w->average_every = t->average_every;
  if (line_up(w)) return -1;
  const hd_traffic before = traffic(w);
  w->ops->timer_start(w->ops);
  if (worker_train(w, t->timed_steps)) return -1;
  const double seconds = w->ops->timer_stop(w->ops) / (double)t->timed_steps;
  const hd_traffic after = traffic(w);
  double loss = NAN;
  if (w->length && !w->strategy->micro_batches) {
    hd_mlp_result(w->net, (long)w->length, &loss, NULL);
    loss /= (double)w->length;
  }
  pthread_mutex_lock(&s->lock);
  t->step_s = larger(t->step_s, seconds);
  t->messages = larger(t->messages, (double)(after.messages - before.messages) / (double)t->timed_steps);
  t->bytes = larger(t->bytes, (double)(after.bytes - before.bytes) / (double)t->timed_steps);
  if (w->rank == 0) t->loss = loss;
  pthread_mutex_unlock(&s->lock);
  if (t->timelines) return line_up(w) || worker_watched_step(w, &t->timelines[w->rank]) ? -1 : 0;
  return 0;
}

static int checked_part(worker *w, shared *s) {
  trial *t = s->trial;
  if (worker_train(w, t->checked_steps)) return -1;
  if (t->theta && t->theta[w->rank]) hd_mlp_get(w->net, t->theta[w->rank]);
  const size_t images = w->rows * (HD_IMAGE_PIXELS * sizeof(float) + 1);
  pthread_mutex_lock(&s->lock);
  t->memory = larger(t->memory, (double)(w->ops->bytes - images));
  pthread_mutex_unlock(&s->lock);
  return 0;
}

static int train_part(worker *w, shared *s) {
  trial *t = s->trial;
  w->average_every = t->average_every;
  w->scaled_rate = t->strategy->scaled_rate;
  if (line_up(w)) return -1;
  const double start = hd_wall();
  for (long e = 0; e < t->epochs; e++) {
    if (w->rank == 0) hd_progress_share((double)e / (double)t->epochs);
    if (worker_train(w, worker_steps_per_epoch(w))) return -1;
  }
  if (line_up(w)) return -1;
  const double seconds = (hd_wall() - start) / (double)t->epochs;
  if (w->rank) return 0;
  const hd_dataset *test = t->task->test;
  t->epoch_s = seconds;
  t->accuracy = hd_accuracy(w->net, test->images, test->labels, test->count);
  return 0;
}

static void rank_body(hd_comm *comm, void *arg) {
  shared *s = arg;
  trial *t = s->trial;
  worker *w = worker_open(t->task, t->strategy, comm,
                          hd_ops_open(t->place == ON_GPU, comm ? hd_comm_stream(comm) : NULL),
                          t->checked_steps + t->timed_steps + (t->timelines ? 1 : 0));
  if (checked_part(w, s) == 0) timed_part(w, s);
  worker_close(w);
  if (t->epochs == 0) return;
  w = worker_open(t->task, t->strategy, comm,
                  hd_ops_open(t->place == ON_GPU, comm ? hd_comm_stream(comm) : NULL), 0);
  train_part(w, s);
  worker_close(w);
}

int run_ranks(trial *t) {
  shared s = {.trial = t, .lock = PTHREAD_MUTEX_INITIALIZER};
  t->step_s = t->messages = t->bytes = t->memory = 0;
  t->loss = t->accuracy = t->epoch_s = NAN;
  if (t->world == 0) {  // one worker needs no communicator
    if (t->place == ON_GPU) hd_device_select(0);
    rank_body(NULL, &s);
    return 0;
  }
  return hd_comm_run(t->world, t->place == ON_GPU ? HD_COMM_CUDA : HD_COMM_THREADS, t->order, 1, 0, rank_body,
                     &s)
             ? -1
             : 0;
}
