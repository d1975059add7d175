// SPDX-License-Identifier: MIT
// One rank: its images, its gradient, and the exchange.
#include "worker.h"

#include <heddle/error.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_ROUNDING (UINT64_C(30) << 56)
#define WEIGHT_DECAY 5e-4f

const strategy plain = {.compressor = NULL}, quantized = {.compressor = &int8, .feedback = true},
               quantized_forgetful = {.compressor = &int8},
               largest = {.compressor = &top_k, .feedback = true}, largest_forgetful = {.compressor = &top_k},
               private_sgd = {.private = true, .clip = 1, .noise = 1.1f},
               clipped = {.private = true, .clip = 1},
               less_noise = {.private = true, .clip = 1, .noise = 0.5f};

static float *zeros(size_t count) {
  float *x = hd_alloc(count, sizeof *x);
  memset(x, 0, count * sizeof *x);
  return x;
}

static size_t room_of(const worker *w) {
  return w->strategy->private ? draw_room(w->task->batch) : w->task->batch;
}

worker *worker_open(const task *t, const strategy *s, hd_comm *comm, long total) {
  worker *w = hd_alloc(1, sizeof *w);
  *w = (worker){.task = t,
                .strategy = s,
                .comm = comm,
                .rank = hd_comm_rank(comm),
                .world = hd_comm_world(comm),
                .ops = hd_ops_cpu(),
                .total = total,
                .sampling = s->private,
                .epoch = -1};
  const size_t share = (room_of(w) + (size_t)w->world - 1) / (size_t)w->world;
  w->model = model_open(w->ops, share ? (long)share : 1);
  const size_t n = w->model->parameters;
  memcpy(w->model->theta, t->initial, n * sizeof(float));
  w->optimizer = hd_optimizer_new(w->ops, HD_SGD, n);
  w->optimizer->weight_decay = s->private ? 0 : WEIGHT_DECAY;
  w->sum = zeros(n);
  if (s->compressor) {
    const size_t words = s->compressor->words(n);
    w->left_out = zeros(n);
    w->message = hd_alloc(words, sizeof *w->message);
    w->inbox = hd_alloc(words * (size_t)w->world, sizeof *w->inbox);
  }
  w->order = hd_alloc(t->train->count, sizeof *w->order);
  w->rows = hd_alloc(room_of(w), sizeof *w->rows);
  w->images = hd_alloc(share * HD_IMAGE_PIXELS, sizeof *w->images);
  w->labels = hd_alloc(share, 1);
  w->lengths = hd_alloc(share, sizeof *w->lengths);
  return w;
}

void worker_close(worker *w) {
  free(w->left_out), free(w->sum), free(w->message), free(w->inbox);
  free(w->order), free(w->rows), free(w->images), free(w->labels), free(w->lengths);
  hd_optimizer_free(w->optimizer);
  model_close(w->model);
  w->ops->close(w->ops);
  free(w);
}

// This rank's share of the step's images: of the next batch of a shuffled epoch, or of those drawn.
static void fetch(worker *w) {
  const task *t = w->task;
  size_t all = t->batch, from;
  const uint32_t *rows = w->rows;
  if (w->sampling) {
    all = draw_rows(t, w->step, w->rows, room_of(w));
  } else {
    const long each = t->batch ? (long)(t->train->count / t->batch) : 1, epoch = w->step / each;
    if (epoch != w->epoch) hd_shuffle(w->order, t->train->count, t->seed, (uint64_t)epoch);
    w->epoch = epoch;
    rows = w->order + (size_t)(w->step % each) * t->batch;
  }
  hd_shard(all, w->rank, w->world, &from, &w->count);
  hd_gather(t->train, rows + from, w->count, w->images, w->labels, false, t->seed, 0);
}

void worker_gradient(worker *w) {
  const strategy *s = w->strategy;
  model *m = w->model;
  fetch(w);
  model_forward(m, w->images, (long)w->count);
  model_deltas(m, w->labels, (long)w->count);
  if (s->private && s->mistake != CLIP_THE_SUM) clip_deltas(w);
  model_gradient(m, w->images, (long)w->count);
  if (s->mistake == CLIP_THE_SUM) {
    double square = 0;
    for (size_t i = 0; i < m->parameters; i++) square += (double)m->gradient[i] * (double)m->gradient[i];
    if (sqrt(square) > (double)s->clip)
      w->ops->scale(w->ops, (float)((double)s->clip / sqrt(square)), m->gradient, m->parameters);
  }
  if (s->private) add_noise(w);
}

// Everybody sends its message to all and adds up all of them in rank order: the same sum, to the bit.
static int exchange_messages(worker *w) {
  const compressor *c = w->strategy->compressor;
  const size_t n = w->model->parameters, words = c->words(n);
  float *x = w->left_out;  // what earlier messages left out, and now what this one does
  if (!w->strategy->feedback) memset(x, 0, n * sizeof *x);
  w->ops->axpy(w->ops, 1, w->model->gradient, x, n);
  const uint64_t stream = STREAM_ROUNDING + (uint64_t)w->step * HD_MOST_RANKS + (uint64_t)w->rank;
  c->encode(x, n, w->message, w->task->seed, stream);
  c->add(w->message, n, -1, x);
  if (hd_all_gather(w->comm, w->message, w->inbox, words, HD_I32)) return -1;
  memset(w->sum, 0, n * sizeof *w->sum);
  for (int r = 0; r < w->world; r++) c->add(w->inbox + (size_t)r * words, n, 1, w->sum);
  return 0;
}

int worker_exchange(worker *w) {
  const size_t n = w->model->parameters;
  if (w->strategy->compressor) return exchange_messages(w);
  memcpy(w->sum, w->model->gradient, n * sizeof *w->sum);
  return hd_all_reduce(w->comm, w->sum, n, HD_F32, HD_SUM);
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

double bytes_formula(const strategy *s, int world) {
  const double n = (double)hd_mlp_count(MODEL_WIDTH, MODEL_LAYERS), others = world - 1;
  if (s->compressor) return others * 4 * (double)s->compressor->words((size_t)n);
  return 2 * others / world * 4 * n;  // mean over the ranks: their shards differ by an element
}
