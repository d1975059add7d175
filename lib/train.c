// SPDX-License-Identifier: MIT
#include <heddle/error.h>
#include <heddle/random.h>
#include <heddle/train.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t hd_mlp_count(const int *width, int layers) {
  size_t count = 0;
  for (int l = 0; l < layers; l++) count += ((size_t)width[l] + 1) * (size_t)width[l + 1];
  return count;
}

void hd_mlp_initial(const int *width, int layers, uint64_t seed, float *theta) {
  for (int l = 0; l < layers; l++) {
    const size_t weights = (size_t)width[l] * (size_t)width[l + 1];
    hd_fill_normal(theta, weights, seed, (uint64_t)l);
    const float deviation = sqrtf(2.0f / (float)width[l]);
    for (size_t i = 0; i < weights; i++) theta[i] *= deviation;
    memset(theta + weights, 0, (size_t)width[l + 1] * sizeof(float));
    theta += weights + (size_t)width[l + 1];
  }
}

static size_t widest(const hd_mlp *m) {
  int most = 0;
  for (int l = 1; l <= m->layers; l++) most = m->width[l] > most ? m->width[l] : most;
  return (size_t)most;
}

static float *floats(hd_ops *o, size_t count) {
  return o->alloc(o, count * sizeof(float));
}

hd_mlp *hd_mlp_new(hd_ops *ops, const int *width, int layers, long capacity, bool training) {
  if (layers < 1 || layers > HD_MLP_LAYERS)
    hd_fail(HD_EXIT_USAGE, "a network of %d layers; between 1 and %d are possible", layers, HD_MLP_LAYERS);
  hd_mlp *m = hd_alloc(1, sizeof *m);
  *m = (hd_mlp){.ops = ops, .layers = layers, .capacity = capacity, .training = training};
  memcpy(m->width, width, ((size_t)layers + 1) * sizeof *width);
  for (int l = 0; l <= layers; l++) m->offset[l] = hd_mlp_count(width, l);
  m->parameters = m->offset[layers];
  const size_t rows = (size_t)capacity;
  m->theta = floats(ops, m->parameters);
  m->loss = floats(ops, rows);
  m->correct = floats(ops, rows);
  if (training) {
    m->gradient = floats(ops, m->parameters);
    for (int l = 0; l < layers; l++) m->activation[l] = floats(ops, rows * (size_t)width[l + 1]);
    for (int i = 0; i < 2; i++) m->delta[i] = floats(ops, rows * widest(m));
  } else {
    for (int l = 0; l < layers; l++)
      m->activation[l] = l < 2 ? floats(ops, rows * widest(m)) : m->activation[l - 2];
  }
  return m;
}

void hd_mlp_free(hd_mlp *m) {
  if (!m) return;
  hd_ops *o = m->ops;
  const size_t rows = (size_t)m->capacity;
  o->free(o, m->theta, m->parameters * sizeof(float));
  o->free(o, m->loss, rows * sizeof(float));
  o->free(o, m->correct, rows * sizeof(float));
  if (m->training) {
    o->free(o, m->gradient, m->parameters * sizeof(float));
    for (int l = 0; l < m->layers; l++)
      o->free(o, m->activation[l], rows * (size_t)m->width[l + 1] * sizeof(float));
    for (int i = 0; i < 2; i++) o->free(o, m->delta[i], rows * widest(m) * sizeof(float));
  } else {
    for (int l = 0; l < m->layers && l < 2; l++)
      o->free(o, m->activation[l], rows * widest(m) * sizeof(float));
  }
  free(m);
}

void hd_mlp_set(hd_mlp *m, const float *host_theta) {
  m->ops->upload(m->ops, m->theta, host_theta, m->parameters * sizeof(float));
}

void hd_mlp_get(const hd_mlp *m, float *host_theta) {
  m->ops->download(m->ops, host_theta, m->theta, m->parameters * sizeof(float));
}

static enum hd_activation activation_of(const hd_mlp *m, int layer) {
  return layer + 1 < m->layers ? HD_RELU : HD_LINEAR;
}

const float *hd_mlp_forward(hd_mlp *m, const float *x, long rows) {
  hd_ops *o = m->ops;
  for (int l = 0; l < m->layers; l++) {
    const long in = m->width[l], out = m->width[l + 1];
    const float *weight = m->theta + m->offset[l], *bias = weight + in * out;
    float *y = m->activation[l];
    o->gemm(o, false, false, rows, out, in, 1, x, in, weight, out, 0, y, out);
    o->bias_act(o, y, bias, y, rows, out, activation_of(m, l));
    x = y;
  }
  return x;
}

static void empty_gradient(hd_mlp *m, bool accumulate, hd_layer_ready *ready, void *context) {
  if (!accumulate) m->ops->zero(m->ops, m->gradient, m->parameters * sizeof(float));
  for (int l = m->layers - 1; ready && l >= 0; l--)
    ready(context, l, m->offset[l], m->offset[l + 1] - m->offset[l]);
}

void hd_mlp_gradient(hd_mlp *m, const float *x, const uint8_t *labels, long rows, float scale,
                     bool accumulate, hd_layer_ready *ready, void *context) {
  if (rows == 0) {
    empty_gradient(m, accumulate, ready, context);
    return;
  }
  hd_ops *o = m->ops;
  const float *logits = hd_mlp_forward(m, x, rows);
  float *delta = m->delta[m->layers % 2];
  o->softmax_loss(o, logits, labels, delta, m->loss, m->correct, rows, m->width[m->layers], scale);

  for (int l = m->layers - 1; l >= 0; l--) {
    const long in = m->width[l], out = m->width[l + 1];
    const float *input = l > 0 ? m->activation[l - 1] : x, *weight = m->theta + m->offset[l];
    float *d_weight = m->gradient + m->offset[l], *d_bias = d_weight + in * out;
    o->bias_act_backward(o, delta, m->activation[l], d_bias, rows, out, activation_of(m, l), accumulate);
    o->gemm(o, true, false, in, out, rows, 1, input, in, delta, out, accumulate ? 1 : 0, d_weight, out);
    if (ready) ready(context, l, m->offset[l], m->offset[l + 1] - m->offset[l]);
    if (l > 0) {  // nobody asks for the gradient of the images
      float *d_input = m->delta[l % 2];
      o->gemm(o, false, true, rows, in, out, 1, delta, out, weight, out, 0, d_input, in);
      delta = d_input;
    }
  }
}

void hd_mlp_result(const hd_mlp *m, long rows, double *loss_sum, long *correct) {
  const size_t bytes = (size_t)rows * sizeof(float);
  float *host = hd_alloc((size_t)rows, sizeof *host);
  if (loss_sum) {
    m->ops->download(m->ops, host, m->loss, bytes);
    *loss_sum = 0;
    for (long i = 0; i < rows; i++) *loss_sum += (double)host[i];
  }
  if (correct) {
    m->ops->download(m->ops, host, m->correct, bytes);
    *correct = 0;
    for (long i = 0; i < rows; i++) *correct += host[i] > 0.5f;
  }
  free(host);
}

double hd_accuracy(hd_mlp *m, const float *images, const uint8_t *labels, size_t count) {
  hd_ops *o = m->ops;
  const size_t chunk = (size_t)m->capacity, width = (size_t)m->width[0];
  float *x = o->on_host ? NULL : floats(o, chunk * width);
  uint8_t *y = o->on_host ? NULL : o->alloc(o, chunk);
  long right = 0;
  for (size_t start = 0; start < count; start += chunk) {
    const size_t rows = count - start < chunk ? count - start : chunk;
    const float *batch = images + start * width;
    const uint8_t *answers = labels + start;
    if (!o->on_host) {
      o->upload(o, x, batch, rows * width * sizeof(float));
      o->upload(o, y, answers, rows);
      batch = x;
      answers = y;
    }
    const float *logits = hd_mlp_forward(m, batch, (long)rows);
    o->softmax_loss(o, logits, answers, NULL, m->loss, m->correct, (long)rows, m->width[m->layers], 1);
    long in_chunk;
    hd_mlp_result(m, (long)rows, NULL, &in_chunk);
    right += in_chunk;
  }
  if (!o->on_host) {
    o->free(o, x, chunk * width * sizeof(float));
    o->free(o, y, chunk);
  }
  return count ? (double)right / (double)count : NAN;
}
