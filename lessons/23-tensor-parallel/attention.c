// SPDX-License-Identifier: MIT
// Causal attention: qkv = in·Wqkv, attended = attention(qkv), out = attended·Wo.
//
// Idea: heads know nothing of each other. A rank takes some of them: their columns of Wqkv, and the rows of
// Wo that their results meet. Prediction: as the perceptron's pair, one all-reduce of (rows, width) forward
// and one backward; what was computed by every rank is divided by their number.
#include "block.h"

static hd_heads heads_of(const block *b) {
  const problem *p = b->problem;
  const long each = p->width / p->heads;
  return (hd_heads){p->samples, p->length, b->m[WO].rows / each, each};
}

static int forward(block *b, const float *in, float *out) {
  hd_ops *o = b->ops;
  const long w = b->width, mine = b->m[WQKV].cols, attended = b->m[WO].rows;
  o->gemm(o, false, false, b->rows, mine, w, 1, in, w, b->m[WQKV].weights, mine, 0, b->qkv, mine);
  o->attention(o, b->qkv, b->probabilities, b->attended, heads_of(b));
  o->gemm(o, false, false, b->rows, w, attended, 1, b->attended, attended, b->m[WO].weights, w, 0, out, w);
  return 0;
}

static int backward(block *b, const float *in, const float *dout, float *din) {
  hd_ops *o = b->ops;
  const long w = b->width, mine = b->m[WQKV].cols, attended = b->m[WO].rows;
  o->gemm(o, true, false, attended, w, b->rows, 1, b->attended, attended, dout, w, 0, b->m[WO].gradient, w);
  o->gemm(o, false, true, b->rows, attended, w, 1, dout, w, b->m[WO].weights, w, 0, b->dz, attended);
  o->attention_backward(o, b->qkv, b->probabilities, b->dz, b->dqkv, b->work, heads_of(b));
  o->gemm(o, true, false, w, mine, b->rows, 1, in, w, b->dqkv, mine, 0, b->m[WQKV].gradient, mine);
  o->gemm(o, false, true, b->rows, w, mine, 1, b->dqkv, mine, b->m[WQKV].weights, mine, 0, din, w);
  return 0;
}

const half attention_whole = {.forward = forward, .backward = backward};
const half attention_heads = {.split = {[WQKV] = BY_COLUMNS, [WO] = BY_ROWS},
                              .partial = true,
                              .forward = forward,
                              .backward = backward};
