// SPDX-License-Identifier: MIT
#include "piece.h"

#include <heddle/error.h>
#include <stdlib.h>
#include <string.h>

#define MOMENTUM 0.9f
#define RATE 0.1f

static size_t rows_size(const piece *p) {
  return (size_t)p->rows * (size_t)p->width;
}
static size_t hidden_size(const piece *p) {
  return (size_t)p->rows * (size_t)p->hidden;
}
static size_t inner_size(const piece *p) {
  return hidden_size(p) * (p->layout.checkpoint ? 1 : (size_t)p->slots * (size_t)p->blocks);
}
static size_t batch_size(const piece *p) {
  return rows_size(p) * (size_t)p->layout.micro_batches;
}

static float *room(const piece *p, size_t count) {
  return p->ops->alloc(p->ops, count * sizeof(float));
}
static void release(const piece *p, float *data, size_t count) {
  p->ops->free(p->ops, data, count * sizeof(float));
}

static float *share_of_batch(const piece *p, const float *host) {
  float *data = room(p, batch_size(p));
  p->ops->upload(p->ops, data, host + (size_t)p->replica * batch_size(p), batch_size(p) * sizeof *data);
  return data;
}

// Between a block of the whole network and this share of it, both host memory: columns of A1, entries of b1,
// rows of A2.
static void copy_share(const piece *p, float *share, float *whole, bool to_whole) {
  const size_t w = (size_t)p->width, all = 4 * w, mine = (size_t)p->hidden, at = (size_t)p->share * mine;
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

static void upload_parameters(piece *p) {
  const size_t whole = block_parameters(p->width, 1), mine = block_parameters(p->width, p->layout.tensor);
  float *host = hd_alloc(p->parameters, sizeof *host);
  for (int b = 0; b < p->blocks; b++)
    copy_share(p, host + (size_t)b * mine, (float *)p->problem->initial + (size_t)(p->first + b) * whole,
               false);
  p->ops->upload(p->ops, p->theta, host, p->parameters * sizeof *host);
  free(host);
}

piece *piece_open(const problem *task, layout l, int rank, hd_ops *ops, hd_comm *tensor) {
  piece *p = hd_alloc(1, sizeof *p);
  *p = (piece){.problem = task,
               .layout = l,
               .share = rank % l.tensor,
               .stage = rank / l.tensor % l.pipeline,
               .replica = rank / l.tensor / l.pipeline,
               .rows = layout_rows(&task->model, l),
               .width = task->model.width,
               .hidden = 4 * task->model.width / l.tensor,
               .ops = ops,
               .tensor = tensor};
  p->blocks = layout_blocks(&task->model, l, p->stage, &p->first);
  p->slots = layout_slots(l, p->stage);
  p->parameters = (size_t)p->blocks * block_parameters(p->width, l.tensor);
  p->theta = room(p, p->parameters);
  p->gradient = room(p, p->parameters);
  p->velocity = room(p, p->parameters);
  ops->zero(ops, p->gradient, p->parameters * sizeof(float));
  ops->zero(ops, p->velocity, p->parameters * sizeof(float));
  upload_parameters(p);
  p->x = room(p, (size_t)p->slots * (size_t)(p->blocks + 1) * rows_size(p));
  p->z = room(p, inner_size(p));
  p->h = room(p, inner_size(p));
  p->d = room(p, (size_t)p->slots * rows_size(p));
  p->back = room(p, rows_size(p));
  p->dz = room(p, hidden_size(p));
  if (p->stage == 0) p->input = share_of_batch(p, task->input);
  if (p->stage == l.pipeline - 1) p->target = share_of_batch(p, task->target);
  return p;
}

void piece_close(piece *p) {
  release(p, p->theta, p->parameters);
  release(p, p->gradient, p->parameters);
  release(p, p->velocity, p->parameters);
  release(p, p->x, (size_t)p->slots * (size_t)(p->blocks + 1) * rows_size(p));
  release(p, p->z, inner_size(p));
  release(p, p->h, inner_size(p));
  release(p, p->d, (size_t)p->slots * rows_size(p));
  release(p, p->back, rows_size(p));
  release(p, p->dz, hidden_size(p));
  release(p, p->input, batch_size(p));
  release(p, p->target, batch_size(p));
  free(p);
}

// ---------------------------------------------------------------- where things are

static float *input_of(const piece *p, int micro, int block) {
  if (block == 0 && p->stage == 0) return p->input + (size_t)micro * rows_size(p);
  return p->x + (size_t)(micro % p->slots * (p->blocks + 1) + block) * rows_size(p);
}
static size_t inner_at(const piece *p, int micro, int block) {
  return p->layout.checkpoint ? 0 : (size_t)(micro % p->slots * p->blocks + block) * hidden_size(p);
}
float *piece_input(const piece *p, int micro) {
  return input_of(p, micro, 0);
}
float *piece_output(const piece *p, int micro) {
  return input_of(p, micro, p->blocks);
}
float *piece_gradient(const piece *p, int micro) {
  return p->d + (size_t)(micro % p->slots) * rows_size(p);
}

// ---------------------------------------------------------------- compute

static int sum_shares(const piece *p, float *data) {
  return p->tensor ? hd_all_reduce(p->tensor, data, rows_size(p), HD_F32, HD_SUM) : 0;
}

// A1 of a block, in theta or in gradient; b1 and A2 lie behind.
static float *block_of(const piece *p, float *array, int block) {
  return array + (size_t)block * block_parameters(p->width, p->layout.tensor);
}
static float *bias_of(const piece *p, float *block) {
  return block + p->width * p->hidden;
}

static void inner_forward(piece *p, int micro, int block) {
  hd_ops *o = p->ops;
  float *a1 = block_of(p, p->theta, block), *z = p->z + inner_at(p, micro, block);
  o->gemm(o, false, false, p->rows, p->hidden, p->width, 1, input_of(p, micro, block), p->width, a1,
          p->hidden, 0, z, p->hidden);
  o->bias_act(o, z, bias_of(p, a1), p->h + inner_at(p, micro, block), p->rows, p->hidden, HD_GELU);
}

int piece_forward(piece *p, int micro) {
  hd_ops *o = p->ops;
  for (int b = 0; b < p->blocks; b++) {
    const float *a2 = bias_of(p, block_of(p, p->theta, b)) + p->hidden;
    float *y = input_of(p, micro, b + 1);
    inner_forward(p, micro, b);
    o->gemm(o, false, false, p->rows, p->width, p->hidden, 1, p->h + inner_at(p, micro, b), p->hidden, a2,
            p->width, 0, y, p->width);
    if (sum_shares(p, y)) return -1;
    o->axpy(o, 1, input_of(p, micro, b), y, rows_size(p));
  }
  return 0;
}

void piece_loss(piece *p, int micro) {
  hd_ops *o = p->ops;
  float *d = piece_gradient(p, micro);
  const size_t n = rows_size(p);
  o->copy(o, d, piece_output(p, micro), n * sizeof *d);
  o->axpy(o, -1, p->target + (size_t)micro * n, d, n);
  o->scale(o, 1.0f / (float)(p->problem->model.rows * p->width), d, n);
}

int piece_backward(piece *p, int micro) {
  hd_ops *o = p->ops;
  float *d = piece_gradient(p, micro);
  for (int b = p->blocks - 1; b >= 0; b--) {
    if (p->layout.checkpoint) inner_forward(p, micro, b);
    float *a1 = block_of(p, p->theta, b), *g1 = block_of(p, p->gradient, b);
    float *z = p->z + inner_at(p, micro, b), *h = p->h + inner_at(p, micro, b);
    o->gemm(o, true, false, p->hidden, p->width, p->rows, 1, h, p->hidden, d, p->width, 1,
            bias_of(p, g1) + p->hidden, p->width);
    o->gemm(o, false, true, p->rows, p->hidden, p->width, 1, d, p->width, bias_of(p, a1) + p->hidden,
            p->width, 0, p->dz, p->hidden);
    o->bias_act_backward(o, p->dz, z, bias_of(p, g1), p->rows, p->hidden, HD_GELU, true);
    o->gemm(o, true, false, p->width, p->hidden, p->rows, 1, input_of(p, micro, b), p->width, p->dz,
            p->hidden, 1, g1, p->hidden);
    o->gemm(o, false, true, p->rows, p->width, p->hidden, 1, p->dz, p->hidden, a1, p->hidden, 0, p->back,
            p->width);
    if (sum_shares(p, p->back)) return -1;
    o->axpy(o, 1, p->back, d, rows_size(p));
  }
  return 0;
}

void piece_update(piece *p) {
  p->ops->sgd(p->ops, p->theta, p->velocity, p->gradient, p->parameters,
              (hd_sgd_rule){.rate = RATE, .momentum = MOMENTUM, .scale = 1});
  p->ops->zero(p->ops, p->gradient, p->parameters * sizeof(float));
}

void piece_collect(const piece *p, float *gradient) {
  const size_t whole = block_parameters(p->width, 1), mine = block_parameters(p->width, p->layout.tensor);
  float *host = hd_alloc(p->parameters, sizeof *host);
  p->ops->download(p->ops, host, p->gradient, p->parameters * sizeof *host);
  for (int b = 0; b < p->blocks; b++)
    copy_share(p, host + (size_t)b * mine, gradient + (size_t)(p->first + b) * whole, true);
  free(host);
}
