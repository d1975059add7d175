// SPDX-License-Identifier: MIT
#include "stage.h"

#include <heddle/error.h>
#include <stdlib.h>

#define MOMENTUM 0.9f

size_t layer_parameters(long width) {
  return (size_t)width * (size_t)width + (size_t)width;
}

static size_t activation(const stage *s) {
  return (size_t)s->rows * (size_t)s->width;
}
static size_t parameters(const stage *s) {
  return (size_t)s->layers * layer_parameters(s->width);
}
static size_t kept_size(const stage *s) {
  return (size_t)s->slots * (2 * (size_t)s->layers + 1) * activation(s);
}
// The gradients that come and go are kept per slot: messages are on their way from and to them. Those between
// the layers last until the next layer's are known, or, in halves, until the weights' gradient.
static size_t delta_size(const stage *s) {
  const size_t inner = s->split ? (size_t)s->slots * (size_t)(s->layers - 1) : 2;
  return (2 * (size_t)s->slots + inner) * activation(s);
}

static float *room(hd_ops *o, size_t count) {
  return o->alloc(o, count * sizeof(float));
}

stage *stage_open(hd_ops *ops, int first, int layers, long rows, long width, int slots, bool split,
                  const float *initial) {
  stage *s = hd_alloc(1, sizeof *s);
  *s = (stage){.ops = ops,
               .first = first,
               .layers = layers,
               .rows = rows,
               .width = width,
               .slots = slots,
               .split = split};
  s->theta = room(ops, parameters(s));
  s->gradient = room(ops, parameters(s));
  s->velocity = room(ops, parameters(s));
  s->kept = room(ops, kept_size(s));
  s->delta = room(ops, delta_size(s));
  ops->zero(ops, s->gradient, parameters(s) * sizeof(float));
  ops->zero(ops, s->velocity, parameters(s) * sizeof(float));
  ops->upload(ops, s->theta, initial + (size_t)first * layer_parameters(width),
              parameters(s) * sizeof(float));
  return s;
}

void stage_close(stage *s) {
  hd_ops *o = s->ops;
  o->free(o, s->theta, parameters(s) * sizeof(float));
  o->free(o, s->gradient, parameters(s) * sizeof(float));
  o->free(o, s->velocity, parameters(s) * sizeof(float));
  o->free(o, s->kept, kept_size(s) * sizeof(float));
  o->free(o, s->delta, delta_size(s) * sizeof(float));
  free(s);
}

float *stage_activation(const stage *s, int micro, int layer) {
  const size_t slot = (size_t)(micro % s->slots) * (2 * (size_t)s->layers + 1);
  return s->kept + (slot + (size_t)layer) * activation(s);
}

// What GELU was given in a layer.
static float *sum_of(const stage *s, int micro, int layer) {
  return stage_activation(s, micro, s->layers + 1 + layer);
}

float *stage_delta(const stage *s, int micro, int layer) {
  const size_t slot = (size_t)(micro % s->slots), slots = (size_t)s->slots, l = (size_t)layer;
  const size_t inner = s->split ? slot * (size_t)(s->layers - 1) + l - 1 : l % 2;
  const size_t at = layer == 0 ? slot : layer == s->layers ? slots + slot : 2 * slots + inner;
  return s->delta + at * activation(s);
}

static size_t weights_at(const stage *s, int layer) {
  return (size_t)layer * layer_parameters(s->width);
}
static size_t bias_at(const stage *s, int layer) {
  return weights_at(s, layer) + (size_t)(s->width * s->width);
}

void stage_forward(stage *s, int micro, const float *input) {
  hd_ops *o = s->ops;
  const long w = s->width;
  for (int l = 0; l < s->layers; l++) {
    float *sum = sum_of(s, micro, l);
    o->gemm(o, false, false, s->rows, w, w, 1, l ? stage_activation(s, micro, l) : input, w,
            s->theta + weights_at(s, l), w, 0, sum, w);
    o->bias_act(o, sum, s->theta + bias_at(s, l), stage_activation(s, micro, l + 1), s->rows, w, HD_GELU);
  }
}

// From the gradient of a layer's output to that of its sum, in place.
static void through_gelu(stage *s, int micro, int l) {
  s->ops->bias_act_backward(s->ops, stage_delta(s, micro, l + 1), sum_of(s, micro, l),
                            s->gradient + bias_at(s, l), s->rows, s->width, HD_GELU, true);
}
static void gradient_of_input(stage *s, int micro, int l) {
  const long w = s->width;
  s->ops->gemm(s->ops, false, true, s->rows, w, w, 1, stage_delta(s, micro, l + 1), w,
               s->theta + weights_at(s, l), w, 0, stage_delta(s, micro, l), w);
}
static void gradient_of_weights(stage *s, int micro, int l, const float *input) {
  const long w = s->width;
  s->ops->gemm(s->ops, true, false, w, w, s->rows, 1, l ? stage_activation(s, micro, l) : input, w,
               stage_delta(s, micro, l + 1), w, 1, s->gradient + weights_at(s, l), w);
}

void stage_backward_input(stage *s, int micro) {
  for (int l = s->layers - 1; l >= 0; l--) {
    through_gelu(s, micro, l);
    gradient_of_input(s, micro, l);
  }
}

void stage_backward_weights(stage *s, int micro, const float *input) {
  for (int l = s->layers - 1; l >= 0; l--) gradient_of_weights(s, micro, l, input);
}

void stage_backward(stage *s, int micro, const float *input) {
  for (int l = s->layers - 1; l >= 0; l--) {
    through_gelu(s, micro, l);
    gradient_of_input(s, micro, l);
    gradient_of_weights(s, micro, l, input);
  }
}

void stage_update(stage *s, float rate) {
  hd_ops *o = s->ops;
  o->sgd(o, s->theta, s->velocity, s->gradient, parameters(s),
         (hd_sgd_rule){.rate = rate, .momentum = MOMENTUM, .scale = 1});
  o->zero(o, s->gradient, parameters(s) * sizeof(float));
}
