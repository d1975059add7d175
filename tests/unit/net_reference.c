// SPDX-License-Identifier: MIT
#include "net_reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double act(enum hd_activation a, double z) {
  if (a == HD_RELU) return z > 0 ? z : 0;
  if (a == HD_GELU) return 0.5 * z * (1 + tanh(sqrt(2 / M_PI) * (z + 0.044715 * z * z * z)));
  return z;
}

static void dense(const hd_layer *l, const double *theta, const double *x, double *y) {
  const long in = (long)l->in / l->positions, out = l->width;
  for (long p = 0; p < l->positions; p++)
    for (long j = 0; j < out; j++) {
      double z = theta[in * out + j];
      for (long i = 0; i < in; i++) z += x[p * in + i] * theta[i * out + j];
      y[p * out + j] = act(l->activation, z);
    }
}

static double pixel(hd_windows w, const double *x, long row, long column, int c, double outside) {
  if (row < 0 || row >= w.height || column < 0 || column >= w.width) return outside;
  return x[(row * w.width + column) * w.channels + c];
}

static void convolution(const hd_layer *l, const double *theta, const double *x, double *y) {
  const hd_windows w = l->windows;
  const long across = (w.width + 2 * w.padding - w.size) / w.stride + 1;
  for (long p = 0; p < l->positions; p++)
    for (long j = 0; j < l->width; j++) {
      double z = theta[(long)w.size * w.size * w.channels * l->width + j];
      for (int r = 0; r < w.size; r++)
        for (int s = 0; s < w.size; s++)
          for (int c = 0; c < w.channels; c++)
            z += pixel(w, x, p / across * w.stride - w.padding + r, p % across * w.stride - w.padding + s, c,
                       0) *
                 theta[((long)(r * w.size + s) * w.channels + c) * l->width + j];
      y[p * l->width + j] = act(l->activation, z);
    }
}

static void max_pool(const hd_layer *l, const double *x, double *y) {
  const hd_windows w = l->windows;
  const long across = (w.width + 2 * w.padding - w.size) / w.stride + 1;
  for (long p = 0; p < l->positions; p++)
    for (int c = 0; c < w.channels; c++) {
      double best = -INFINITY;
      for (int r = 0; r < w.size; r++)
        for (int s = 0; s < w.size; s++)
          best = fmax(best, pixel(w, x, p / across * w.stride - w.padding + r,
                                  p % across * w.stride - w.padding + s, c, -INFINITY));
      y[p * w.channels + c] = best;
    }
}

static void norm(const hd_layer *l, const double *theta, const double *x, double *y) {
  for (long p = 0; p < l->positions; p++) {
    const double *in = x + p * l->width;
    double mean = 0, variance = 0;
    for (long i = 0; i < l->width; i++) mean += in[i] / (double)l->width;
    for (long i = 0; i < l->width; i++) variance += (in[i] - mean) * (in[i] - mean) / (double)l->width;
    for (long i = 0; i < l->width; i++)
      y[p * l->width + i] = theta[i] * (in[i] - mean) / sqrt(variance + 1e-5) + theta[l->width + i];
  }
}

static void embedding(const hd_layer *l, const double *theta, const int32_t *tokens, double *y) {
  for (long p = 0; p < l->positions; p++)
    for (long i = 0; i < l->width; i++)
      y[p * l->width + i] = theta[tokens[p] * l->width + i] + theta[(l->vocabulary + p) * l->width + i];
}

static void attention(const hd_layer *l, const double *x, double *y) {
  const long all = l->width, width = all / l->heads;
  for (long h = 0; h < l->heads; h++)
    for (long t = 0; t < l->positions; t++) {
      double weight[64], sum = 0;
      for (long s = 0; s <= t; s++) {
        double score = 0;
        for (long i = 0; i < width; i++)
          score += x[t * 3 * all + h * width + i] * x[s * 3 * all + all + h * width + i];
        sum += weight[s] = exp(score / sqrt((double)width));
      }
      for (long i = 0; i < width; i++) {
        double out = 0;
        for (long s = 0; s <= t; s++) out += weight[s] / sum * x[s * 3 * all + 2 * all + h * width + i];
        y[t * all + h * width + i] = out;
      }
    }
}

void reference_forward(const hd_layer *layers, int count, const double *theta, const double *x,
                       const int32_t *tokens, double **y) {
  const double *input = x;
  for (int k = 0; k < count; k++) {
    const hd_layer *l = &layers[k];
    const char *name = l->kind->name;
    if (strcmp(name, "dense") == 0) dense(l, theta, x, y[k]);
    if (strcmp(name, "convolution") == 0) convolution(l, theta, x, y[k]);
    if (strcmp(name, "max-pool") == 0) max_pool(l, x, y[k]);
    if (strcmp(name, "layer-norm") == 0) norm(l, theta, x, y[k]);
    if (strcmp(name, "embedding") == 0) embedding(l, theta, tokens, y[k]);
    if (strcmp(name, "attention") == 0) attention(l, x, y[k]);
    for (size_t i = 0; strcmp(name, "addition") == 0 && i < l->out; i++)
      y[k][i] = x[i] + (l->from < 0 ? input : y[l->from])[i];
    theta += l->parameters;
    x = y[k];
  }
}

static double cross_entropy(const double *y, const uint8_t *labels, long rows, long classes) {
  double total = 0;
  for (long r = 0; r < rows; r++) {
    double sum = 0;
    for (long i = 0; i < classes; i++) sum += exp(y[r * classes + i]);
    total += log(sum) - y[r * classes + labels[r]];
  }
  return total;
}

static double squared_error(const double *y, const float *target, size_t n) {
  double total = 0;
  for (size_t i = 0; i < n; i++) total += (y[i] - (double)target[i]) * (y[i] - (double)target[i]);
  return total / (double)n;
}

double reference_loss(const hd_layer *layers, int count, const double *theta, const double *x,
                      const int32_t *tokens, const void *targets, enum hd_loss loss, int samples) {
  const hd_layer *last = &layers[count - 1];
  double **y = malloc((size_t)count * sizeof *y), total = 0;
  for (int l = 0; l < count; l++) y[l] = malloc(layers[l].out * sizeof **y);
  for (int s = 0; s < samples; s++) {
    const int32_t *words = tokens ? tokens + (size_t)s * layers[0].in : NULL;
    reference_forward(layers, count, theta, x + (size_t)s * layers[0].in, words, y);
    total += loss == HD_CROSS_ENTROPY
                 ? cross_entropy(y[count - 1], (const uint8_t *)targets + s * last->positions,
                                 last->positions, last->width)
                 : squared_error(y[count - 1], (const float *)targets + (size_t)s * last->out, last->out);
  }
  for (int l = 0; l < count; l++) free(y[l]);
  free(y);
  return total;
}
