// SPDX-License-Identifier: MIT
// The layers forward and back, and which activations are kept for it.
//
// Layers come in segments of `every`. The input of each segment is kept (a checkpoint); what lies inside is
// kept for one segment at a time: first the last segment's, as forward leaves it, then that of each segment
// before it, computed again from its checkpoint. The same operations on the same numbers: bitwise the same
// gradient. All kept is one segment of all layers.
#include "rank.h"

int walk_of(int every, visit *list) {
  int count = 0;
  const int segments = (LAYERS + every - 1) / every;
  for (int l = 0; l < LAYERS; l++) list[count++] = (visit){FORWARD, l};
  for (int s = segments - 1; s >= 0; s--) {
    const int first = s * every, end = first + every < LAYERS ? first + every : LAYERS;
    for (int l = first; s < segments - 1 && l < end; l++) list[count++] = (visit){AGAIN, l};
    for (int l = end - 1; l >= first; l--) list[count++] = (visit){BACKWARD, l};
  }
  return count;
}

static size_t matrix(const rank *r) {
  return (size_t)(r->rows * r->width);
}

// `inner` holds the inputs of a segment's layers but the first one's, then the network's output.
static float *input_of(const rank *r, int layer) {
  const int every = r->strategy->every;
  if (layer == LAYERS) return r->inner + (size_t)(every - 1) * matrix(r);
  if (layer % every == 0) return r->checkpoints + (size_t)(layer / every) * matrix(r);
  return r->inner + (size_t)(layer % every - 1) * matrix(r);
}

static float *sum_of(const rank *r, int layer) {
  return r->sums + (size_t)(layer % r->strategy->every) * matrix(r);
}

static void forward(rank *r, int l, const float *theta) {
  hd_ops *o = r->ops;
  const long w = r->width;
  o->gemm(o, false, false, r->rows, w, w, 1, input_of(r, l), w, theta, w, 0, sum_of(r, l), w);
  o->bias_act(o, sum_of(r, l), theta + w * w, input_of(r, l + 1), r->rows, w, HD_GELU);
}

// squared_error means over the width and has a factor of two; the loss here sums and halves.
static void loss(rank *r) {
  hd_ops *o = r->ops;
  const float scale = (float)r->width / (2 * (float)r->trial->problem->rows);
  o->squared_error(o, input_of(r, LAYERS), r->target, r->delta[LAYERS % 2], r->loss, r->rows, r->width,
                   scale);
}

static void backward(rank *r, int l, const float *theta) {
  hd_ops *o = r->ops;
  const long w = r->width;
  float *dy = r->delta[(l + 1) % 2], *dx = r->delta[l % 2], *d_weights = gradient_room(r, l);
  o->bias_act_backward(o, dy, sum_of(r, l), d_weights + w * w, r->rows, w, HD_GELU, false);
  o->gemm(o, true, false, w, w, r->rows, 1, input_of(r, l), w, dy, w, 0, d_weights, w);
  if (l > 0) o->gemm(o, false, true, r->rows, w, w, 1, dy, w, theta, w, 0, dx, w);
}

void rank_visit(rank *r, visit v, const float *theta) {
  if (r->rows == 0) {  // no rows, no gradient
    if (v.kind == BACKWARD)
      r->ops->zero(r->ops, gradient_room(r, v.layer), layer_parameters(r->width) * sizeof(float));
    return;
  }
  if (v.kind == BACKWARD && v.layer == LAYERS - 1) loss(r);
  if (v.kind == BACKWARD)
    backward(r, v.layer, theta);
  else
    forward(r, v.layer, theta);
}
