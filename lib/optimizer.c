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
  if (rule == HD_ADAM) {
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

void hd_optimizer_step(hd_optimizer *p, float *theta, const float *gradient, float rate, float scale) {
  hd_ops *o = p->ops;
  p->steps++;
  if (p->rule == HD_SGD) {
    o->sgd(o, theta, p->first, gradient, p->count, rate, p->momentum, p->weight_decay, scale);
    return;
  }
  const float correction1 = (float)(1 - pow((double)p->beta1, (double)p->steps));
  const float correction2 = (float)(1 - pow((double)p->beta2, (double)p->steps));
  o->adam(o, theta, p->first, p->second, gradient, p->count, rate, p->beta1, p->beta2, p->epsilon,
          p->weight_decay, correction1, correction2, scale);
}
