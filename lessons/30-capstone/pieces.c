// SPDX-License-Identifier: MIT
// Idea: a piece of the network is a network: a list of some of its layers, a tape for each micro-batch under
// way. With that the planner and the runs of lesson 27 train a GPT as they train their own blocks.
#include <heddle/error.h>
#include <heddle/train.h>
#include <stdlib.h>
#include <string.h>

#include "train.h"

typedef struct gpt_piece {
  piece base;
  const gpt_task *task;
  gpt_shape shape;  // of the whole network and batch
  gpt_part part;
  hd_net *net;
  hd_optimizer *optimizer;
  hd_tape **tape;             // per slot
  float **in, **back;         // per slot: what comes from the stage before; gradients, as in piece.h
  int32_t *tokens, *targets;  // this replica's, of all steps
  float *losses;              // (steps, rows of a micro-batch), sums over micro-batches
  int step;
} gpt_piece;

// ---------------------------------------------------------------- where things are

static int slot_of(const piece *base, int micro) {
  return micro % base->slots;
}

static long samples_of(const gpt_piece *p) {
  return p->base.rows / p->shape.length;
}

static size_t message_bytes(const gpt_piece *p) {
  return (size_t)(p->base.rows * p->base.width) * sizeof(float);
}

static size_t batch_size(const gpt_piece *p) {
  return (size_t)(p->shape.batch / p->base.layout.data * p->shape.length);
}

// The first symbol of a micro-batch of the step under way.
static size_t symbols_at(const gpt_piece *p, int micro) {
  return (size_t)(p->step % p->task->steps) * batch_size(p) + (size_t)(micro * p->base.rows);
}

static const void *x_of(const gpt_piece *p, int micro) {
  return p->part.begins ? (const void *)(p->tokens + symbols_at(p, micro)) : p->in[slot_of(&p->base, micro)];
}

static float *output_of(const piece *base, int micro) {
  const gpt_piece *p = (const gpt_piece *)base;
  return p->tape[slot_of(base, micro)]->y[p->net->count - 1];
}

static float *input_of(const piece *base, int micro) {
  return ((const gpt_piece *)base)->in[slot_of(base, micro)];
}

static float *gradient_of(const piece *base, int micro) {
  return ((const gpt_piece *)base)->back[slot_of(base, micro)];
}

// ---------------------------------------------------------------- memory

static int32_t *symbols(const gpt_piece *p, const int32_t *of_all) {
  const size_t mine = batch_size(p), all = (size_t)(p->shape.batch * p->shape.length),
               steps = (size_t)p->task->steps;
  hd_ops *o = p->base.ops;
  int32_t *data = o->alloc(o, steps * mine * sizeof *data);
  for (size_t i = 0; o->upload && i < steps; i++)
    o->upload(o, data + i * mine, of_all + i * all + (size_t)p->base.replica * mine, mine * sizeof *data);
  return data;
}

static void upload_parameters(gpt_piece *p) {
  float *host = hd_alloc(p->net->parameters, sizeof *host);
  gpt_copy_part(&p->shape, &p->part, host, (float *)p->base.problem->initial, false);
  hd_net_set(p->net, host);
  free(host);
}

static gpt_part part_of(const piece *base) {
  return (gpt_part){.first = base->first,
                    .blocks = base->blocks,
                    .begins = base->stage == 0,
                    .ends = base->stage == base->layout.pipeline - 1,
                    .tensor = base->layout.tensor,
                    .share = base->share,
                    .sum = base->tensor};
}

static void open_piece(piece *base) {
  gpt_piece *p = (gpt_piece *)base;
  hd_ops *o = base->ops;
  p->task = base->problem->more;
  p->shape = gpt_shape_of(&base->problem->model, p->task);
  p->part = part_of(base);
  hd_layer *list = hd_alloc(GPT_MOST_LAYERS, sizeof *list);
  p->net = hd_net_new(o, list, gpt_layers(&p->shape, &p->part, list), samples_of(p), true, HD_F32);
  free(list);
  base->parameters = p->net->parameters;
  base->theta = p->net->theta;
  base->gradient = p->net->gradient;
  if (o->upload) upload_parameters(p);
  p->optimizer = hd_optimizer_new(o, HD_ADAMW, base->parameters);
  p->optimizer->weight_decay = p->task->decay;
  p->tape = hd_alloc((size_t)base->slots, sizeof(hd_tape *));
  p->in = hd_alloc((size_t)base->slots, sizeof(float *));
  p->back = hd_alloc((size_t)base->slots, sizeof(float *));
  for (int s = 0; s < base->slots; s++) {
    p->tape[s] = s ? hd_tape_new(p->net) : p->net->tape;
    p->in[s] = p->part.begins ? NULL : o->alloc(o, message_bytes(p));
    p->back[s] = base->layout.pipeline == 1 ? NULL : o->alloc(o, message_bytes(p));
  }
  if (p->part.begins) p->tokens = symbols(p, p->task->tokens);
  if (!p->part.ends) return;
  p->targets = symbols(p, p->task->targets);
  const size_t bytes = (size_t)(p->task->steps * base->rows) * sizeof *p->losses;
  p->losses = o->alloc(o, bytes);
  o->zero(o, p->losses, bytes);
}

static void close_piece(piece *base) {
  gpt_piece *p = (gpt_piece *)base;
  hd_ops *o = base->ops;
  const size_t all = (size_t)p->task->steps;
  for (int s = 0; s < base->slots; s++) {
    if (s) hd_tape_free(p->net, p->tape[s]);
    o->free(o, p->in[s], message_bytes(p));
    o->free(o, p->back[s], message_bytes(p));
  }
  o->free(o, p->tokens, all * batch_size(p) * sizeof *p->tokens);
  o->free(o, p->targets, all * batch_size(p) * sizeof *p->targets);
  o->free(o, p->losses, all * (size_t)base->rows * sizeof *p->losses);
  hd_optimizer_free(p->optimizer);
  hd_net_free(p->net);
  free(p->tape);
  free(p->in);
  free(p->back);
}

// ---------------------------------------------------------------- compute

// Layers cannot say that a sum among shares failed; its communicator can.
static int shares_failed(const gpt_piece *p) {
  return p->base.tensor && hd_comm_failed(p->base.tensor) ? -1 : 0;
}

static int forward(piece *base, int micro) {
  gpt_piece *p = (gpt_piece *)base;
  hd_net_forward(p->net, p->tape[slot_of(base, micro)], x_of(p, micro), samples_of(p));
  return shares_failed(p);
}

// The gradient takes the logits' place. Losses stay on the device: who asks for them would wait.
static void loss(piece *base, int micro) {
  gpt_piece *p = (gpt_piece *)base;
  float *y = output_of(base, micro), *sums = p->losses + (size_t)(p->step % p->task->steps * base->rows);
  const float each = 1 / (float)(p->shape.batch * p->shape.length);
  hd_net_loss(p->net, HD_TOKEN_LOSS, y, p->targets + symbols_at(p, micro), samples_of(p), y, each);
  base->ops->axpy(base->ops, 1, p->net->loss, sums, (size_t)base->rows);
}

static int backward(piece *base, int micro) {
  gpt_piece *p = (gpt_piece *)base;
  float *back = gradient_of(base, micro), *dy = p->part.ends ? output_of(base, micro) : back;
  hd_net_backward(p->net, p->tape[slot_of(base, micro)], x_of(p, micro), samples_of(p), dy,
                  p->part.begins ? NULL : back, micro > 0, NULL, NULL);
  return shares_failed(p);
}

static void update(piece *base) {
  gpt_piece *p = (gpt_piece *)base;
  hd_optimizer_step(p->optimizer, base->theta, base->gradient, p->task->rate, 1);
  p->step++;
}

static void collect(const piece *base, int step, float *gradient) {
  const gpt_piece *p = (const gpt_piece *)base;
  hd_ops *o = base->ops;
  if (p->part.ends && base->share == 0 && step < p->task->checked_steps) {
    float *rows = hd_alloc((size_t)base->rows, sizeof *rows);
    double sum = 0;
    o->download(o, rows, p->losses + (size_t)(step % p->task->steps * base->rows),
                (size_t)base->rows * sizeof *rows);
    for (long r = 0; r < base->rows; r++) sum += (double)rows[r];
    p->task->losses[step * GPT_MOST_REPLICAS + base->replica] =
        sum / (double)(p->shape.batch * p->shape.length);
    free(rows);
  }
  if (base->replica || step || !gradient) return;
  float *host = hd_alloc(base->parameters, sizeof *host);
  o->download(o, host, base->gradient, base->parameters * sizeof *host);
  gpt_copy_part(&p->shape, &p->part, host, gradient, true);
  free(host);
}

const piece_kind gpt_pieces = {.ends = true,
                               .bytes = sizeof(gpt_piece),
                               .open = open_piece,
                               .close = close_piece,
                               .input = input_of,
                               .output = output_of,
                               .gradient = gradient_of,
                               .forward = forward,
                               .backward = backward,
                               .loss = loss,
                               .update = update,
                               .collect = collect};
