// SPDX-License-Identifier: MIT
#include <heddle/error.h>
#include <heddle/train.h>
#include <math.h>
#include <stdlib.h>

hd_optimizer *hd_optimizer_new(hd_ops *ops, enum hd_rule rule, size_t count) {
  hd_optimizer *p = hd_alloc(1, sizeof *p);
  *p = (hd_optimizer){.ops = ops,
                      .rule = rule,
                      .count = count,
                      .momentum = 0.9f,
                      .beta1 = 0.9f,
                      .beta2 = 0.999f,
                      .epsilon = 1e-8f};
  const size_t bytes = count * sizeof(float);
  p->first = ops->alloc(ops, bytes);
  ops->zero(ops, p->first, bytes);
  if (rule != HD_SGD) {
    p->second = ops->alloc(ops, bytes);
    ops->zero(ops, p->second, bytes);
  }
  return p;
}

void hd_optimizer_free(hd_optimizer *p) {
  if (!p) return;
  p->ops->free(p->ops, p->first, p->count * sizeof(float));
  if (p->second) p->ops->free(p->ops, p->second, p->count * sizeof(float));
  free(p);
}

static void update(const hd_optimizer *p, size_t from, size_t count, float *theta, const float *gradient,
                   float rate, float scale) {
  hd_ops *o = p->ops;
  if (p->rule == HD_SGD) {
    o->sgd(o, theta + from, p->first + from, gradient + from, count,
           (hd_sgd_rule){rate, p->momentum, p->weight_decay, p->l1, scale});
    return;
  }
  const bool decoupled = p->rule == HD_ADAMW;
  o->adam(o, theta + from, p->first + from, p->second + from, gradient + from, count,
          (hd_adam_rule){.rate = rate,
                         .beta1 = p->beta1,
                         .beta2 = p->beta2,
                         .epsilon = p->epsilon,
                         .weight_decay = decoupled ? 0 : p->weight_decay,
                         .decoupled_decay = decoupled ? p->weight_decay : 0,
                         .l1 = p->l1,
                         .correction1 = (float)(1 - pow((double)p->beta1, (double)p->steps)),
                         .correction2 = (float)(1 - pow((double)p->beta2, (double)p->steps)),
                         .scale = scale});
}

void hd_optimizer_step(hd_optimizer *p, float *theta, const float *gradient, float rate, float scale) {
  p->steps++;
  if (!p->layer_offset || !p->ops->on_host) {
    update(p, 0, p->count, theta, gradient, rate, scale);
    return;
  }
  for (int l = 0; l < p->layers; l++) {
    const size_t from = p->layer_offset[l], count = p->layer_offset[l + 1] - from;
    if (count) update(p, from, count, theta, gradient, rate, scale);
  }
}
