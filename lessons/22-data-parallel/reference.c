// SPDX-License-Identifier: MIT
// The serial twin in double precision: the same batches, the same steps, written as the formulas stand, with
// no code in common with what it checks (but for the order of the images and the initial weights).
#include <heddle/error.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker.h"

// c (m, n) = a (m, k) · b (k, n); strides in elements, so that a transposed operand is a matter of strides.
static void product(long m, long n, long k, const double *a, long a_row, long a_col, const double *b,
                    double *c) {
#pragma omp parallel for schedule(static)
  for (long i = 0; i < m; i++) {
    double *row = c + i * n;
    memset(row, 0, (size_t)n * sizeof *row);
    for (long p = 0; p < k; p++) {
      const double factor = a[i * a_row + p * a_col];
      for (long j = 0; j < n; j++) row[j] += factor * b[p * n + j];
    }
  }
}

static double *transposed(const double *a, long rows, long cols) {
  double *t = hd_alloc((size_t)(rows * cols), sizeof *t);
  for (long i = 0; i < rows; i++)
    for (long j = 0; j < cols; j++) t[j * rows + i] = a[i * cols + j];
  return t;
}

// Of a layer: what its products gave, and that after relu (not in the last layer). Layer 0 is the batch
// itself.
typedef struct layer {
  double *sum, *out;
} layer;

static void forward(const task *t, const double *theta, long rows, layer *layers) {
  for (int l = 1; l <= LAYERS; l++) {
    const long in = t->width[l - 1], out = t->width[l];
    product(rows, out, in, layers[l - 1].out, in, 1, theta, layers[l].sum);
    const double *bias = theta + in * out;
    for (long i = 0; i < rows * out; i++) {
      layers[l].sum[i] += bias[i % out];
      layers[l].out[i] = l < LAYERS && layers[l].sum[i] < 0 ? 0 : layers[l].sum[i];
    }
    theta = bias + out;
  }
}

// The gradient of the mean loss with respect to the logits: (softmax - onehot) / rows.
static void loss_gradient(long classes, const uint8_t *labels, long rows, const double *z, double *d) {
  for (long r = 0; r < rows; r++, z += classes, d += classes) {
    double top = z[0], sum = 0;
    for (long i = 1; i < classes; i++) top = fmax(top, z[i]);
    for (long i = 0; i < classes; i++) sum += exp(z[i] - top);
    for (long i = 0; i < classes; i++) d[i] = (exp(z[i] - top) / sum - (i == labels[r])) / (double)rows;
  }
}

// Whether relu cuts off a sum this close to zero depends on rounding: in fp32 such sums err by up to 5e-6.
#define NEAR 5e-6

// Cuts the gradients d of a layer's outputs where relu cut the outputs, and marks the weights of every unit
// for which that was a matter of rounding: in fp32 an image may rightly be in their gradient or not.
static void cut(long rows, long in, long out, const double *sum, double *d, bool *doubtful) {
  for (long i = 0; i < rows * out; i++) {
    if (fabs(sum[i]) < NEAR)
      for (long k = 0; k <= in; k++) doubtful[k * out + i % out] = true;
    if (sum[i] <= 0) d[i] = 0;
  }
}

// From the gradient d of the logits (freed here) down to the first layer's weights. Returns the doubt about
// it.
static void backward(const task *t, const double *theta, long rows, const layer *layers, double *d,
                     double *gradient, bool *doubtful) {
  for (int l = LAYERS; l >= 1; l--) {
    const size_t at = hd_mlp_count(t->width, l - 1);
    const long in = t->width[l - 1], out = t->width[l];
    const double *input = layers[l - 1].out;
    if (l < LAYERS) cut(rows, in, out, layers[l].sum, d, doubtful + at);
    product(in, out, rows, input, 1, in, d, gradient + at);
    double *bias = gradient + at + in * out;
    for (long j = 0; j < out; j++) bias[j] = 0;
    for (long i = 0; i < rows * out; i++) bias[i % out] += d[i];
    double *weights = transposed(theta + at, in, out), *below = hd_alloc((size_t)(rows * in), sizeof *below);
    if (l > 1) product(rows, in, out, d, out, 1, weights, below);
    free(weights);
    free(d);
    d = below;
  }
  free(d);
}

static void load(const task *t, const uint32_t *order, double *images, uint8_t *labels) {
  float *rows = hd_alloc(t->batch * HD_IMAGE_PIXELS, sizeof *rows);
  hd_gather(t->train, order, t->batch, rows, labels, false, t->seed, 0);
  for (size_t i = 0; i < t->batch * HD_IMAGE_PIXELS; i++) images[i] = (double)rows[i];
  free(rows);
}

void reference_update(const task *t, long steps, double *update, bool *doubtful) {
  const size_t count = hd_mlp_count(t->width, LAYERS);
  const long rows = (long)t->batch;
  double *theta = hd_alloc(count, sizeof *theta), *velocity = hd_alloc(count, sizeof *velocity);
  double *gradient = hd_alloc(count, sizeof *gradient);
  layer layers[LAYERS + 1];
  uint8_t *labels = hd_alloc(t->batch, 1);
  uint32_t *order = hd_alloc(t->train->count, sizeof *order);
  for (int l = 0; l <= LAYERS; l++) {
    layers[l].sum = hd_alloc(t->batch * (size_t)t->width[l], sizeof(double));
    layers[l].out = hd_alloc(t->batch * (size_t)t->width[l], sizeof(double));
  }
  for (size_t i = 0; i < count; i++) theta[i] = (double)t->initial[i], velocity[i] = 0, doubtful[i] = false;
  hd_shuffle(order, t->train->count, t->seed, 0);
  for (long s = 0; s < steps; s++) {
    const double rate = (double)learning_rate(t, s);
    double *d = hd_alloc(t->batch * (size_t)t->width[LAYERS], sizeof *d);
    load(t, order + (size_t)s * t->batch, layers[0].out, labels);
    forward(t, theta, rows, layers);
    loss_gradient(t->width[LAYERS], labels, rows, layers[LAYERS].out, d);
    backward(t, theta, rows, layers, d, gradient, doubtful);
    for (size_t i = 0; i < count; i++) {
      velocity[i] = 0.9 * velocity[i] + gradient[i] + (double)t->weight_decay * theta[i];
      theta[i] -= rate * velocity[i];
    }
  }
  for (size_t i = 0; i < count; i++) update[i] = theta[i] - (double)t->initial[i];
  for (int l = 0; l <= LAYERS; l++) free(layers[l].sum), free(layers[l].out);
  free(order), free(labels), free(gradient), free(velocity), free(theta);
}
