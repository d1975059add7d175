// SPDX-License-Identifier: MIT
#include "model.h"

#include <heddle/error.h>
#include <stdlib.h>

const int MODEL_WIDTH[MODEL_LAYERS + 1] = {HD_IMAGE_PIXELS, 512, 256, HD_CLASSES};

static float *floats(hd_ops *o, size_t count) {
  return o->alloc(o, count * sizeof(float));
}

static size_t outputs(const model *m, int layer) {
  return (size_t)m->capacity * (size_t)MODEL_WIDTH[layer + 1];
}

model *model_open(hd_ops *ops, long capacity) {
  model *m = hd_alloc(1, sizeof *m);
  *m = (model){.ops = ops, .capacity = capacity, .parameters = hd_mlp_count(MODEL_WIDTH, MODEL_LAYERS)};
  m->theta = floats(ops, m->parameters);
  m->gradient = floats(ops, m->parameters);
  for (int l = 0; l < MODEL_LAYERS; l++) {
    m->sum[l] = floats(ops, outputs(m, l));
    m->out[l] = floats(ops, outputs(m, l));
    m->delta[l] = floats(ops, outputs(m, l));
  }
  m->loss = floats(ops, (size_t)capacity);
  m->correct = floats(ops, (size_t)capacity);
  return m;
}

void model_close(model *m) {
  hd_ops *o = m->ops;
  o->free(o, m->theta, m->parameters * sizeof(float));
  o->free(o, m->gradient, m->parameters * sizeof(float));
  for (int l = 0; l < MODEL_LAYERS; l++) {
    o->free(o, m->sum[l], outputs(m, l) * sizeof(float));
    o->free(o, m->out[l], outputs(m, l) * sizeof(float));
    o->free(o, m->delta[l], outputs(m, l) * sizeof(float));
  }
  o->free(o, m->loss, (size_t)m->capacity * sizeof(float));
  o->free(o, m->correct, (size_t)m->capacity * sizeof(float));
  free(m);
}

static float *weights(const model *m, float *flat, int layer) {
  (void)m;
  return flat + hd_mlp_count(MODEL_WIDTH, layer);
}
static enum hd_activation activation(int layer) {
  return layer + 1 < MODEL_LAYERS ? HD_GELU : HD_LINEAR;
}
static const float *input(const model *m, const float *x, int layer) {
  return layer ? m->out[layer - 1] : x;
}

const float *model_forward(model *m, const float *x, long rows) {
  hd_ops *o = m->ops;
  for (int l = 0; l < MODEL_LAYERS && rows > 0; l++) {
    const long in = MODEL_WIDTH[l], out = MODEL_WIDTH[l + 1];
    float *w = weights(m, m->theta, l);
    o->gemm(o, false, false, rows, out, in, 1, input(m, x, l), in, w, out, 0, m->sum[l], out);
    o->bias_act(o, m->sum[l], w + in * out, m->out[l], rows, out, activation(l));
  }
  return m->out[MODEL_LAYERS - 1];
}

void model_deltas(model *m, const uint8_t *labels, long rows) {
  hd_ops *o = m->ops;
  const int last = MODEL_LAYERS - 1;
  if (rows == 0) return;
  o->softmax_loss(o, m->out[last], labels, m->delta[last], m->loss, m->correct, rows, HD_CLASSES, 1);
  for (int l = last - 1; l >= 0; l--) {
    const long in = MODEL_WIDTH[l + 1], out = MODEL_WIDTH[l + 2];
    o->gemm(o, false, true, rows, in, out, 1, m->delta[l + 1], out, weights(m, m->theta, l + 1), out, 0,
            m->delta[l], in);
    // The bias' gradient is written here, too, and again in model_gradient.
    float *d_bias = weights(m, m->gradient, l) + (long)MODEL_WIDTH[l] * in;
    o->bias_act_backward(o, m->delta[l], m->sum[l], d_bias, rows, in, HD_GELU, false);
  }
}

void model_gradient(model *m, const float *x, long rows) {
  hd_ops *o = m->ops;
  if (rows == 0) o->zero(o, m->gradient, m->parameters * sizeof(float));
  for (int l = 0; l < MODEL_LAYERS && rows > 0; l++) {
    const long in = MODEL_WIDTH[l], out = MODEL_WIDTH[l + 1];
    float *d = weights(m, m->gradient, l);
    o->bias_act_backward(o, m->delta[l], NULL, d + in * out, rows, out, HD_LINEAR, false);
    o->gemm(o, true, false, in, out, rows, 1, input(m, x, l), in, m->delta[l], out, 0, d, out);
  }
}

layer_rows model_rows(const model *m, const float *x) {
  layer_rows rows;
  for (int l = 0; l < MODEL_LAYERS; l++) {
    rows.input[l] = input(m, x, l);
    rows.delta[l] = m->delta[l];
    rows.in[l] = MODEL_WIDTH[l];
    rows.out[l] = MODEL_WIDTH[l + 1];
  }
  return rows;
}

double model_accuracy(model *m, const hd_dataset *d) {
  hd_ops *o = m->ops;
  const size_t most = (size_t)m->capacity, pixels = HD_IMAGE_PIXELS * sizeof(float);
  float *images = floats(o, most * HD_IMAGE_PIXELS), *correct = hd_alloc(most, sizeof *correct);
  uint8_t *labels = o->alloc(o, most);
  size_t right = 0;
  for (size_t from = 0; from < d->count; from += most) {
    const size_t left = d->count - from, rows = left < most ? left : most;
    o->upload(o, images, d->images + from * HD_IMAGE_PIXELS, rows * pixels);
    o->upload(o, labels, d->labels + from, rows);
    const float *logits = model_forward(m, images, (long)rows);
    o->softmax_loss(o, logits, labels, NULL, m->loss, m->correct, (long)rows, HD_CLASSES, 1);
    o->download(o, correct, m->correct, rows * sizeof *correct);
    for (size_t i = 0; i < rows; i++) right += correct[i] > 0.5f;
  }
  o->free(o, images, most * pixels);
  o->free(o, labels, most);
  free(correct);
  return (double)right / (double)d->count;
}
