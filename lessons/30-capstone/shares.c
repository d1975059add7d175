// SPDX-License-Identifier: MIT
// Idea: lesson 23's pair as two kinds of layer. A network of them is written, run forward and run backward as
// any other; only these know that there are other ranks. A sum that fails leaves its communicator failed, so
// nothing is returned: who runs the network asks afterwards.
#include <heddle/error.h>

#include "gpt.h"

static const hd_layer_kind *dense(void) {
  return hd_dense(1, 1, 1, HD_LINEAR).kind;
}

static void initial(const hd_layer *l, uint64_t seed, uint64_t stream, float *theta) {
  dense()->initial(l, seed, stream, theta);
}

static void dense_forward(const hd_layer *l, const hd_pass *p) {
  dense()->forward(l, p);
}

static void dense_backward(const hd_layer *l, const hd_pass *p) {
  dense()->backward(l, p);
}

static void sum_shares(const hd_layer *l, float *data, size_t count) {
  if (l->context) hd_all_reduce(l->context, data, count, HD_F32, HD_SUM);
}

static void columns_backward(const hd_layer *l, const hd_pass *p) {
  dense_backward(l, p);
  if (p->dx) sum_shares(l, p->dx, (size_t)p->samples * l->in);
}

static void rows_forward(const hd_layer *l, const hd_pass *p) {
  hd_ops *o = p->ops;
  const long rows = p->samples * l->positions, in = (long)l->in / l->positions;
  o->gemm(o, false, false, rows, l->width, in, 1, p->x, in, p->theta, l->width, 0, p->y, l->width);
  sum_shares(l, p->y, (size_t)p->samples * l->out);
  o->bias_act(o, p->y, p->theta + in * l->width, p->y, rows, l->width, HD_LINEAR);
}

hd_layer gpt_columns(long positions, long in, long out, enum hd_activation activation, hd_comm *sum) {
  static const hd_layer_kind kind = {"columns", initial, dense_forward, columns_backward};
  hd_layer l = hd_dense(positions, in, out, activation);
  l.kind = &kind;
  l.context = sum;
  return l;
}

hd_layer gpt_rows(long positions, long in, long out, hd_comm *sum) {
  static const hd_layer_kind kind = {"rows", initial, rows_forward, dense_backward};
  hd_layer l = hd_dense(positions, in, out, HD_LINEAR);
  l.kind = &kind;
  l.context = sum;
  return l;
}
