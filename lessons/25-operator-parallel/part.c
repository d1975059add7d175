// SPDX-License-Identifier: MIT
// Idea: an operation reads results and writes its own, nobody else's. Then every order that respects the
// edges of the graph gives the same bits, wherever the operations run.
#include <heddle/error.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"

#define MOMENTUM 0.9f
#define RATE 0.1f

size_t layer_parameters(long width) {
  return (size_t)width * (size_t)width + (size_t)width;
}

static size_t elements(const part *p) {
  return (size_t)p->problem->rows * (size_t)p->problem->width;
}

static float *room(const part *p, size_t count) {
  return p->ops->alloc(p->ops, count * sizeof(float));
}

static float *uploaded(const part *p, const float *host, size_t count) {
  float *data = room(p, count);
  p->ops->upload(p->ops, data, host, count * sizeof *data);
  return data;
}

static void open_layer(part *p, int layer) {
  const size_t n = layer_parameters(p->problem->width);
  p->theta[layer] = room(p, n);
  p->gradient[layer] = room(p, n);
  p->velocity[layer] = room(p, n);
  p->sum[layer] = room(p, elements(p));
  p->dsum[layer] = room(p, elements(p));
}

void part_restart(part *p) {
  const size_t n = layer_parameters(p->problem->width), bytes = n * sizeof(float);
  for (int l = 0; l < LAYERS; l++) {
    if (!p->theta[l]) continue;
    p->ops->upload(p->ops, p->theta[l], p->problem->initial + (size_t)l * n, bytes);
    p->ops->zero(p->ops, p->gradient[l], bytes);
    p->ops->zero(p->ops, p->velocity[l], bytes);
  }
}

part *part_open(const network *net, const problem *task_of_all, const plan *plan_of_all, int device,
                hd_ops *ops) {
  part *p = hd_alloc(1, sizeof *p);
  memset(p, 0, sizeof *p);
  p->net = net;
  p->problem = task_of_all;
  p->plan = plan_of_all;
  p->device = device;
  p->ops = ops;
  const graph *g = &net->graph;
  for (int i = 0; i < g->count; i++) {
    if (p->plan->device[i] != device) continue;
    if (g->ops[i].bytes > 0) p->value[i] = room(p, elements(p));
    for (int k = 0; k < g->ops[i].inputs; k++)
      if (!p->value[g->ops[i].input[k]] && g->ops[g->ops[i].input[k]].bytes > 0)
        p->value[g->ops[i].input[k]] = room(p, elements(p));
    if (net->task[i].work == FORWARD) open_layer(p, net->task[i].layer);
    if (net->task[i].work == FORWARD && net->task[i].layer == 0)
      p->input = uploaded(p, p->problem->input, elements(p));
    if (net->task[i].work == LOSS) p->target = uploaded(p, p->problem->target, elements(p));
  }
  part_restart(p);
  return p;
}

void part_close(part *p) {
  const size_t n = layer_parameters(p->problem->width);
  hd_ops *o = p->ops;
  for (int i = 0; i < p->net->graph.count; i++) o->free(o, p->value[i], elements(p) * sizeof(float));
  for (int l = 0; l < LAYERS; l++) {
    float *parameters[] = {p->theta[l], p->gradient[l], p->velocity[l]};
    for (int k = 0; k < 3; k++) o->free(o, parameters[k], n * sizeof(float));
    o->free(o, p->sum[l], elements(p) * sizeof(float));
    o->free(o, p->dsum[l], elements(p) * sizeof(float));
  }
  o->free(o, p->input, elements(p) * sizeof(float));
  o->free(o, p->target, elements(p) * sizeof(float));
  free(p);
}

// ---------------------------------------------------------------- what operations do

static float *bias_of(const part *p, float *parameters) {
  return parameters + p->problem->width * p->problem->width;
}

static void forward(part *p, hd_ops *o, int layer, const float *x, float *y) {
  const long rows = p->problem->rows, w = p->problem->width;
  o->gemm(o, false, false, rows, w, w, 1, x, w, p->theta[layer], w, 0, p->sum[layer], w);
  o->bias_act(o, p->sum[layer], bias_of(p, p->theta[layer]), y, rows, w, HD_GELU);
}

// The output's gradient may have other readers, so it is not changed.
static void backward(part *p, hd_ops *o, int layer, const float *dy, float *dx) {
  const long rows = p->problem->rows, w = p->problem->width;
  o->copy(o, p->dsum[layer], dy, elements(p) * sizeof *dy);
  o->bias_act_backward(o, p->dsum[layer], p->sum[layer], bias_of(p, p->gradient[layer]), rows, w, HD_GELU,
                       false);
  if (dx) o->gemm(o, false, true, rows, w, w, 1, p->dsum[layer], w, p->theta[layer], w, 0, dx, w);
}

static void weights(part *p, hd_ops *o, int layer, const float *x) {
  const long rows = p->problem->rows, w = p->problem->width;
  o->gemm(o, true, false, w, w, rows, 1, x, w, p->dsum[layer], w, 0, p->gradient[layer], w);
  o->sgd(o, p->theta[layer], p->velocity[layer], p->gradient[layer], layer_parameters(w),
         (hd_sgd_rule){.rate = RATE, .momentum = MOMENTUM, .scale = 1});
}

// In the order of the branches, whatever order they ended in.
static void add_inputs(part *p, hd_ops *o, const operation *step, float *to, int first) {
  o->copy(o, to, p->value[step->input[first]], elements(p) * sizeof *to);
  for (int k = first + 1; k < step->inputs; k++) o->axpy(o, 1, p->value[step->input[k]], to, elements(p));
}

static void loss(part *p, hd_ops *o, const float *output, float *to) {
  const float each = 1.0f / (float)elements(p);
  o->copy(o, to, output, elements(p) * sizeof *to);
  o->axpy(o, -1, p->target, to, elements(p));
  o->scale(o, each, to, elements(p));
}

void part_run(part *p, hd_ops *o, int number) {
  const operation *step = &p->net->graph.ops[number];
  const task t = p->net->task[number];
  const float *first = step->inputs ? p->value[step->input[0]] : NULL;
  float *result = p->value[number];
  switch (t.work) {
    case FORWARD:
      forward(p, o, t.layer, step->inputs ? first : p->input, result);
      break;
    case JOIN:
      add_inputs(p, o, step, result, 0);
      break;
    case GATHER:
      add_inputs(p, o, step, result, p->mistake == LAST_READER ? step->inputs - 1 : 0);
      break;
    case LOSS:
      loss(p, o, first, result);
      break;
    case BACKWARD:
      backward(p, o, t.layer, first, result);
      break;
    case WEIGHTS:
      weights(p, o, t.layer, step->inputs > 1 ? p->value[step->input[1]] : p->input);
      break;
  }
}

void part_collect(const part *p, float *gradient) {
  const size_t n = layer_parameters(p->problem->width);
  for (int l = 0; l < LAYERS; l++)
    if (p->gradient[l]) p->ops->download(p->ops, gradient + (size_t)l * n, p->gradient[l], n * sizeof(float));
}
