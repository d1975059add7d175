// SPDX-License-Identifier: MIT
// One rank: its replica of the network, its optimizer, and its rows of each batch.
#include "worker.h"

#include <heddle/error.h>
#include <heddle/schedule.h>
#include <stdlib.h>

long steps_per_epoch(const task *t) {
  return t->batch ? (long)(t->train->count / t->batch) : 1;
}

float learning_rate(const task *t, long step) {
  const float done = (float)step / (float)(EPOCHS * steps_per_epoch(t));
  const float base = t->rule == HD_ADAM ? 0.001f : 0.05f;
  return done < 1 ? base * (1 - done) : 0;
}

float scaled_rate(const task *t, long step) {
  const hd_schedule s = {.decay = HD_RATE_LINEAR,
                         .rate = hd_scaled_rate(learning_rate(t, 0), t->batch, 128),
                         .warm_up = WARM_UP * steps_per_epoch(t),
                         .total = EPOCHS * steps_per_epoch(t)};
  return hd_rate_at(&s, step);
}

long worker_steps_per_epoch(const worker *w) {
  const task *t = w->task;
  const bool rest = w->strategy->whole_epochs && t->batch && t->train->count % t->batch;
  return steps_per_epoch(t) + rest;
}

size_t worker_images(const worker *w) {
  const size_t left = w->task->train->count - (size_t)(w->step % worker_steps_per_epoch(w)) * w->task->batch;
  return left < w->task->batch ? left : w->task->batch;
}

// This rank's rows of a step, from the host's data set into `images` and `labels` (host).
static void gather(worker *w, long step, size_t from, size_t count, float *images, uint8_t *labels) {
  const task *t = w->task;
  const long epoch = step / worker_steps_per_epoch(w), within = step % worker_steps_per_epoch(w);
  if (epoch != w->epoch) hd_shuffle(w->order, t->train->count, t->seed, (uint64_t)epoch);
  w->epoch = epoch;
  const uint32_t *rows = w->order + (size_t)within * t->batch + w->offset + from;
  hd_gather(t->train, rows, count, images, labels, false, t->seed, (uint64_t)epoch);
}

static void open_images(worker *w, long resident) {
  const size_t pixels = HD_IMAGE_PIXELS * sizeof(float);
  w->resident = resident;
  w->rows = resident > 0 ? w->length * (size_t)resident : (size_t)w->net->capacity;
  w->order = hd_alloc(w->task->train->count, sizeof *w->order);
  w->epoch = -1;
  w->images = w->ops->alloc(w->ops, w->rows * pixels);
  w->labels = w->ops->alloc(w->ops, w->rows);
  w->staged = w->ops->on_host ? w->images : hd_alloc(w->length, pixels);
  w->staged_labels = w->ops->on_host ? w->labels : hd_alloc(w->length, 1);
  for (long s = 0; s < resident; s++) {
    const size_t at = (size_t)s * w->length;
    gather(w, s, 0, w->length, w->staged, w->staged_labels);
    w->ops->upload(w->ops, w->images + at * HD_IMAGE_PIXELS, w->staged, w->length * pixels);
    w->ops->upload(w->ops, w->labels + at, w->staged_labels, w->length);
  }
}

static void close_images(worker *w) {
  if (!w->ops->on_host) {
    free(w->staged);
    free(w->staged_labels);
  }
  w->ops->free(w->ops, w->images, w->rows * HD_IMAGE_PIXELS * sizeof(float));
  w->ops->free(w->ops, w->labels, w->rows);
  free(w->order);
}

static void set_weights(worker *w) {
  if (!w->strategy->own_weights || w->rank == 0) {
    hd_mlp_set(w->net, w->task->initial);
    return;
  }
  float *own = hd_alloc(w->net->parameters, sizeof *own);
  hd_mlp_initial(w->task->width, LAYERS, w->task->seed + (uint64_t)w->rank, own);
  hd_mlp_set(w->net, own);
  free(own);
}

worker *worker_open(const task *t, const strategy *s, hd_comm *comm, hd_ops *ops, long resident) {
  worker *w = hd_alloc(1, sizeof *w);
  *w = (worker){.task = t, .strategy = s, .comm = comm, .world = 1, .ops = ops, .average_every = 1};
  if (comm) {
    w->rank = hd_comm_rank(comm);
    w->world = hd_comm_world(comm);
  }
  (s->share ? s->share : hd_shard)(t->batch, w->rank, w->world, &w->offset, &w->length);
  const size_t cuts = s->micro_batches ? (size_t)s->micro_batches : 1;
  w->net = hd_mlp_new(ops, t->width, LAYERS, (long)((w->length + cuts - 1) / cuts), true);
  w->optimizer = hd_optimizer_new(ops, t->rule, w->net->parameters);
  w->optimizer->weight_decay = t->weight_decay;
  if (s->inbox) w->inbox = ops->alloc(ops, w->net->parameters * sizeof(float));
  set_weights(w);
  open_images(w, ops->on_host ? 0 : resident);
  return w;
}

void worker_close(worker *w) {
  close_images(w);
  w->ops->free(w->ops, w->inbox, w->net->parameters * sizeof(float));
  hd_optimizer_free(w->optimizer);
  hd_mlp_free(w->net);
  w->ops->close(w->ops);
  free(w);
}

void worker_rows(worker *w, size_t from, size_t count, const float **images, const uint8_t **labels) {
  size_t at = 0;
  if (w->step < w->resident) {
    at = (size_t)w->step * w->length + from;
  } else {
    gather(w, w->step, from, count, w->staged, w->staged_labels);
    if (!w->ops->on_host) {
      w->ops->upload(w->ops, w->images, w->staged, count * HD_IMAGE_PIXELS * sizeof(float));
      w->ops->upload(w->ops, w->labels, w->staged_labels, count);
    }
  }
  *images = w->images + at * HD_IMAGE_PIXELS;
  *labels = w->labels + at;
}

void worker_gradient(worker *w, float scale) {
  const float *images;
  const uint8_t *labels;
  worker_rows(w, 0, w->length, &images, &labels);
  hd_mlp_gradient(w->net, images, labels, (long)w->length, scale, false, NULL, NULL);
}

void worker_update(worker *w, float scale) {
  const float rate = (w->scaled_rate ? scaled_rate : learning_rate)(w->task, w->step);
  hd_optimizer_step(w->optimizer, w->net->theta, w->net->gradient, rate, scale);
}

int worker_train(worker *w, long steps) {
  for (const long end = w->step + steps; w->step < end; w->step++)
    if (w->strategy->step(w)) return -1;
  return 0;
}
