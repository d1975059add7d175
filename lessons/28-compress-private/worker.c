// SPDX-License-Identifier: MIT
// One rank: its network, its gradient, its steps.
#include "worker.h"

#include <heddle/bench.h>
#include <heddle/error.h>
#include <math.h>
#include <stdlib.h>

#define STREAM_NOISE (UINT64_C(29) << 56)
#define STREAM_FACTORS (UINT64_C(31) << 56)
#define WEIGHT_DECAY 5e-4f

const strategy plain = {.compressor = NULL}, quantized = {.compressor = &int8, .feedback = true},
               quantized_forgetful = {.compressor = &int8},
               largest = {.compressor = &top_k, .feedback = true}, largest_forgetful = {.compressor = &top_k},
               largest_library = {.compressor = &top_k_library, .feedback = true},
               factored = {.low_rank = true, .feedback = true},
               private_sgd = {.private = true, .clip = 1, .noise = 1.1f},
               clipped = {.private = true, .clip = 1},
               less_noise = {.private = true, .clip = 1, .noise = 0.5f},
               more_noise = {.private = true, .clip = 1, .noise = 2};

static float *zeros(hd_ops *o, size_t count) {
  float *x = o->alloc(o, count * sizeof *x);
  o->zero(o, x, count * sizeof *x);
  return x;
}

static size_t words_of(const worker *w) {
  return w->strategy->compressor ? w->strategy->compressor->words(w->model->parameters) : 0;
}

static size_t work_of(const worker *w) {
  const compressor *c = w->strategy->compressor;
  return c && c->work && !w->ops->on_host ? c->work(w->model->parameters) : 0;
}

// Q starts with directions drawn by chance, the same ones on every rank.
static void open_factors(worker *w) {
  const size_t count = low_rank_words();
  float *drawn = hd_new_normal(count, w->task->seed, STREAM_FACTORS, 1);
  w->factors = w->ops->alloc(w->ops, count * sizeof *drawn);
  w->ops->upload(w->ops, w->factors, drawn, count * sizeof *drawn);
  free(drawn);
}

worker *worker_open(const task *t, const strategy *s, hd_comm *comm, hd_ops *ops, long total, long resident) {
  worker *w = hd_alloc(1, sizeof *w);
  *w = (worker){.task = t,
                .strategy = s,
                .comm = comm,
                .rank = hd_comm_rank(comm),
                .world = hd_comm_world(comm),
                .ops = ops,
                .total = total,
                .sampling = s->private};
  const size_t room = s->private ? draw_room(t->batch) : t->batch, world = (size_t)w->world;
  w->share = (room + world - 1) / world;
  w->model = model_open(ops, w->share ? (long)w->share : 1);
  const size_t n = w->model->parameters;
  ops->upload(ops, w->model->theta, t->initial, n * sizeof(float));
  w->optimizer = hd_optimizer_new(ops, HD_SGD, n);
  w->optimizer->weight_decay = s->private ? 0 : WEIGHT_DECAY;
  w->sum = w->model->gradient;
  if (s->compressor || s->low_rank) {
    w->sum = zeros(ops, n);
    w->left_out = zeros(ops, n);
  }
  if (s->low_rank) open_factors(w);
  if (s->compressor) {
    w->inbox = ops->alloc(ops, words_of(w) * world * sizeof *w->inbox);
    w->work = ops->alloc(ops, work_of(w));
  }
  w->lengths = zeros(ops, w->share);
  batch_open(w, resident);
  return w;
}

void worker_close(worker *w) {
  hd_ops *o = w->ops;
  const size_t n = w->model->parameters;
  batch_close(w);
  if (w->left_out) o->free(o, w->sum, n * sizeof *w->sum);
  o->free(o, w->left_out, n * sizeof *w->left_out);
  o->free(o, w->inbox, words_of(w) * (size_t)w->world * sizeof *w->inbox);
  o->free(o, w->work, work_of(w));
  o->free(o, w->factors, low_rank_words() * sizeof *w->factors);
  o->free(o, w->lengths, w->share * sizeof *w->lengths);
  hd_optimizer_free(w->optimizer);
  model_close(w->model);
  o->close(o);
  free(w);
}

static const privacy *privacy_of(const worker *w) {
  return w->ops->on_host ? &privacy_cpu : HD_WITH_CUDA(&privacy_gpu);
}

// The noise belongs to the sum, once: each rank adds it to its own part of the parameters.
void worker_add_noise(worker *w) {
  const strategy *s = w->strategy;
  noise how = {s->noise * s->clip, w->task->seed, STREAM_NOISE + (uint64_t)w->step};
  size_t from = 0, length = w->model->parameters;
  if (how.deviation == 0) return;
  if (s->mistake == NOISE_EVERYWHERE)
    how.stream += (uint64_t)(w->rank + 1) << 40;
  else
    hd_shard(w->model->parameters, w->rank, w->world, &from, &length);
  privacy_of(w)->add_noise(w->ops, w->model->gradient, from, length, how);
}

static void clip_the_sum(worker *w) {
  const model *m = w->model;
  double square = 0;
  for (size_t i = 0; i < m->parameters; i++) square += (double)m->gradient[i] * (double)m->gradient[i];
  const double factor = (double)w->strategy->clip / sqrt(square);
  if (factor < 1) w->ops->scale(w->ops, (float)factor, m->gradient, m->parameters);
}

void worker_gradient(worker *w) {
  const strategy *s = w->strategy;
  model *m = w->model;
  batch_next(w);
  const long rows = (long)w->count;
  model_forward(m, w->images, rows);
  model_deltas(m, w->labels, rows);
  if (s->private && s->mistake != CLIP_THE_SUM)
    privacy_of(w)->clip(w->ops, model_rows(m, w->images), rows, s->clip, w->lengths);
  model_gradient(m, w->images, rows);
  if (s->mistake == CLIP_THE_SUM) clip_the_sum(w);
  if (s->private) worker_add_noise(w);
}

// 0.05, falling linearly to 0.
static float learning_rate(const worker *w) {
  return w->step < w->total ? 0.05f * (1 - (float)w->step / (float)w->total) : 0;
}

int worker_train(worker *w, long steps) {
  const float each = w->task->batch ? 1 / (float)w->task->batch : 0;
  for (const long end = w->step + steps; w->step < end; w->step++) {
    worker_gradient(w);
    if (worker_exchange(w)) return -1;
    hd_optimizer_step(w->optimizer, w->model->theta, w->sum, learning_rate(w), each);
  }
  return 0;
}
