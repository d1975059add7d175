// SPDX-License-Identifier: MIT
// Pieces of this lesson's network: columns of each A1, entries of b1, rows of A2.
#include "piece.h"

#include <heddle/error.h>
#include <stdlib.h>
#include <string.h>

#define MOMENTUM 0.9f
#define RATE 0.1f

typedef struct perceptron {
  piece base;
  long hidden;  // of a share
  float *velocity;
  float *x, *z, *h;       // kept per slot: inputs of blocks and the output; what GELU was given and gave
  float *d, *back, *dz;   // per slot: the gradient of the output, then of the input; scratch
  float *input, *target;  // this replica's rows, on the first and on the last stage
} perceptron;

static size_t rows_size(const perceptron *p) {
  return (size_t)p->base.rows * (size_t)p->base.width;
}
static size_t hidden_size(const perceptron *p) {
  return (size_t)p->base.rows * (size_t)p->hidden;
}
static size_t inner_size(const perceptron *p) {
  return hidden_size(p) * (p->base.layout.checkpoint ? 1 : (size_t)p->base.slots * (size_t)p->base.blocks);
}
static size_t batch_size(const perceptron *p) {
  return rows_size(p) * (size_t)p->base.layout.micro_batches;
}

static float *room(const perceptron *p, size_t count) {
  return p->base.ops->alloc(p->base.ops, count * sizeof(float));
}
static void release(const perceptron *p, float *data, size_t count) {
  p->base.ops->free(p->base.ops, data, count * sizeof(float));
}

static float *share_of_batch(const perceptron *p, const float *host) {
  float *data = room(p, batch_size(p));
  p->base.ops->upload(p->base.ops, data, host + (size_t)p->base.replica * batch_size(p),
                      batch_size(p) * sizeof *data);
  return data;
}

// Between a block of the whole network and this share of it, both host memory: columns of A1, entries of b1,
// rows of A2.
static void copy_share(const perceptron *p, float *share, float *whole, bool to_whole) {
  const size_t w = (size_t)p->base.width, all = 4 * w, mine = (size_t)p->hidden,
               at = (size_t)p->base.share * mine;
  const struct {
    size_t share, whole, count;
  } tail[] = {{w * mine, w * all + at, mine}, {w * mine + mine, w * all + all + at * w, mine * w}};
  for (size_t r = 0; r < w; r++)
    memcpy(to_whole ? whole + r * all + at : share + r * mine,
           to_whole ? share + r * mine : whole + r * all + at, mine * sizeof *share);
  for (int i = 0; i < 2; i++)
    memcpy(to_whole ? whole + tail[i].whole : share + tail[i].share,
           to_whole ? share + tail[i].share : whole + tail[i].whole, tail[i].count * sizeof *share);
}

static void upload_parameters(perceptron *p) {
  const size_t whole = block_parameters(p->base.width, 1),
               mine = block_parameters(p->base.width, p->base.layout.tensor);
  float *host = hd_alloc(p->base.parameters, sizeof *host);
  for (int b = 0; b < p->base.blocks; b++)
    copy_share(p, host + (size_t)b * mine,
               (float *)p->base.problem->initial + (size_t)(p->base.first + b) * whole, false);
  p->base.ops->upload(p->base.ops, p->base.theta, host, p->base.parameters * sizeof *host);
  free(host);
}

static void perceptron_open(piece *base) {
  perceptron *p = (perceptron *)base;
  hd_ops *ops = base->ops;
  p->hidden = 4 * p->base.width / p->base.layout.tensor;
  p->base.parameters = (size_t)p->base.blocks * block_parameters(p->base.width, p->base.layout.tensor);
  p->base.theta = room(p, p->base.parameters);
  p->base.gradient = room(p, p->base.parameters);
  p->velocity = room(p, p->base.parameters);
  ops->zero(ops, p->base.gradient, p->base.parameters * sizeof(float));
  ops->zero(ops, p->velocity, p->base.parameters * sizeof(float));
  upload_parameters(p);
  p->x = room(p, (size_t)p->base.slots * (size_t)(p->base.blocks + 1) * rows_size(p));
  p->z = room(p, inner_size(p));
  p->h = room(p, inner_size(p));
  p->d = room(p, (size_t)p->base.slots * rows_size(p));
  p->back = room(p, rows_size(p));
  p->dz = room(p, hidden_size(p));
  if (p->base.stage == 0) p->input = share_of_batch(p, p->base.problem->input);
  if (p->base.stage == p->base.layout.pipeline - 1) p->target = share_of_batch(p, p->base.problem->target);
}

static void perceptron_close(piece *base) {
  const perceptron *p = (perceptron *)base;
  release(p, p->base.theta, p->base.parameters);
  release(p, p->base.gradient, p->base.parameters);
  release(p, p->velocity, p->base.parameters);
  release(p, p->x, (size_t)p->base.slots * (size_t)(p->base.blocks + 1) * rows_size(p));
  release(p, p->z, inner_size(p));
  release(p, p->h, inner_size(p));
  release(p, p->d, (size_t)p->base.slots * rows_size(p));
  release(p, p->back, rows_size(p));
  release(p, p->dz, hidden_size(p));
  release(p, p->input, batch_size(p));
  release(p, p->target, batch_size(p));
}

// ---------------------------------------------------------------- where things are

static float *input_of(const perceptron *p, int micro, int block) {
  if (block == 0 && p->base.stage == 0) return p->input + (size_t)micro * rows_size(p);
  return p->x + (size_t)(micro % p->base.slots * (p->base.blocks + 1) + block) * rows_size(p);
}
static size_t inner_at(const perceptron *p, int micro, int block) {
  return p->base.layout.checkpoint
             ? 0
             : (size_t)(micro % p->base.slots * p->base.blocks + block) * hidden_size(p);
}
static float *perceptron_input(const piece *base, int micro) {
  return input_of((const perceptron *)base, micro, 0);
}
static float *perceptron_output(const piece *base, int micro) {
  return input_of((const perceptron *)base, micro, base->blocks);
}
static float *perceptron_gradient(const piece *base, int micro) {
  const perceptron *p = (const perceptron *)base;
  return p->d + (size_t)(micro % p->base.slots) * rows_size(p);
}

// ---------------------------------------------------------------- compute

static int sum_shares(const perceptron *p, float *data) {
  return p->base.tensor ? hd_all_reduce(p->base.tensor, data, rows_size(p), HD_F32, HD_SUM) : 0;
}

// A1 of a block, in theta or in gradient; b1 and A2 lie behind.
static float *block_of(const perceptron *p, float *array, int block) {
  return array + (size_t)block * block_parameters(p->base.width, p->base.layout.tensor);
}
static float *bias_of(const perceptron *p, float *block) {
  return block + p->base.width * p->hidden;
}

static void inner_forward(perceptron *p, int micro, int block) {
  hd_ops *o = p->base.ops;
  float *a1 = block_of(p, p->base.theta, block), *z = p->z + inner_at(p, micro, block);
  o->gemm(o, false, false, p->base.rows, p->hidden, p->base.width, 1, input_of(p, micro, block),
          p->base.width, a1, p->hidden, 0, z, p->hidden);
  o->bias_act(o, z, bias_of(p, a1), p->h + inner_at(p, micro, block), p->base.rows, p->hidden, HD_GELU);
}

static int perceptron_forward(piece *base, int micro) {
  perceptron *p = (perceptron *)base;
  hd_ops *o = p->base.ops;
  for (int b = 0; b < p->base.blocks; b++) {
    const float *a2 = bias_of(p, block_of(p, p->base.theta, b)) + p->hidden;
    float *y = input_of(p, micro, b + 1);
    inner_forward(p, micro, b);
    o->gemm(o, false, false, p->base.rows, p->base.width, p->hidden, 1, p->h + inner_at(p, micro, b),
            p->hidden, a2, p->base.width, 0, y, p->base.width);
    if (sum_shares(p, y)) return -1;
    o->axpy(o, 1, input_of(p, micro, b), y, rows_size(p));
  }
  return 0;
}

static void perceptron_loss(piece *base, int micro) {
  perceptron *p = (perceptron *)base;
  hd_ops *o = p->base.ops;
  float *d = perceptron_gradient(base, micro);
  const size_t n = rows_size(p);
  o->copy(o, d, perceptron_output(base, micro), n * sizeof *d);
  o->axpy(o, -1, p->target + (size_t)micro * n, d, n);
  o->scale(o, 1.0f / (float)(p->base.problem->model.rows * p->base.width), d, n);
}

static int perceptron_backward(piece *base, int micro) {
  perceptron *p = (perceptron *)base;
  hd_ops *o = p->base.ops;
  float *d = perceptron_gradient(base, micro);
  for (int b = p->base.blocks - 1; b >= 0; b--) {
    if (p->base.layout.checkpoint) inner_forward(p, micro, b);
    float *a1 = block_of(p, p->base.theta, b), *g1 = block_of(p, p->base.gradient, b);
    float *z = p->z + inner_at(p, micro, b), *h = p->h + inner_at(p, micro, b);
    o->gemm(o, true, false, p->hidden, p->base.width, p->base.rows, 1, h, p->hidden, d, p->base.width, 1,
            bias_of(p, g1) + p->hidden, p->base.width);
    o->gemm(o, false, true, p->base.rows, p->hidden, p->base.width, 1, d, p->base.width,
            bias_of(p, a1) + p->hidden, p->base.width, 0, p->dz, p->hidden);
    o->bias_act_backward(o, p->dz, z, bias_of(p, g1), p->base.rows, p->hidden, HD_GELU, true);
    o->gemm(o, true, false, p->base.width, p->hidden, p->base.rows, 1, input_of(p, micro, b), p->base.width,
            p->dz, p->hidden, 1, g1, p->hidden);
    o->gemm(o, false, true, p->base.rows, p->base.width, p->hidden, 1, p->dz, p->hidden, a1, p->hidden, 0,
            p->back, p->base.width);
    if (sum_shares(p, p->back)) return -1;
    o->axpy(o, 1, p->back, d, rows_size(p));
  }
  return 0;
}

static void perceptron_update(piece *base) {
  const perceptron *p = (perceptron *)base;
  p->base.ops->sgd(p->base.ops, p->base.theta, p->velocity, p->base.gradient, p->base.parameters,
                   (hd_sgd_rule){.rate = RATE, .momentum = MOMENTUM, .scale = 1});
  p->base.ops->zero(p->base.ops, p->base.gradient, p->base.parameters * sizeof(float));
}

static void perceptron_collect(const piece *base, int step, float *gradient) {
  const perceptron *p = (const perceptron *)base;
  if (p->base.replica || step) return;
  const size_t whole = block_parameters(p->base.width, 1),
               mine = block_parameters(p->base.width, p->base.layout.tensor);
  float *host = hd_alloc(p->base.parameters, sizeof *host);
  p->base.ops->download(p->base.ops, host, p->base.gradient, p->base.parameters * sizeof *host);
  for (int b = 0; b < p->base.blocks; b++)
    copy_share(p, host + (size_t)b * mine, gradient + (size_t)(p->base.first + b) * whole, true);
  free(host);
}

const piece_kind perceptron_pieces = {.bytes = sizeof(perceptron),
                                      .open = perceptron_open,
                                      .close = perceptron_close,
                                      .input = perceptron_input,
                                      .output = perceptron_output,
                                      .gradient = perceptron_gradient,
                                      .forward = perceptron_forward,
                                      .backward = perceptron_backward,
                                      .loss = perceptron_loss,
                                      .update = perceptron_update,
                                      .collect = perceptron_collect};
