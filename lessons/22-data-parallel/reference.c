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

// z[0] is the batch; z[l + 1] = relu(z[l]·W + b), without relu in the last layer.
static void forward(const task *t, const double *theta, long rows, double *z[LAYERS + 1]) {
  for (int l = 0; l < LAYERS; l++) {
    const long in = t->width[l], out = t->width[l + 1];
    product(rows, out, in, z[l], in, 1, theta, z[l + 1]);
    const double *bias = theta + in * out;
    for (long i = 0; i < rows * out; i++) {
      const double sum = z[l + 1][i] + bias[i % out];
      z[l + 1][i] = l + 1 < LAYERS && sum < 0 ? 0 : sum;
    }
    theta = bias + out;
  }
}

// The logits become the gradient of the mean loss with respect to them: (softmax - onehot) / rows.
static void loss_gradient(const task *t, const uint8_t *labels, long rows, double *z) {
  const long classes = t->width[LAYERS];
  for (long r = 0; r < rows; r++, z += classes) {
    double top = z[0], sum = 0;
    for (long i = 1; i < classes; i++) top = fmax(top, z[i]);
    for (long i = 0; i < classes; i++) sum += exp(z[i] - top);
    for (long i = 0; i < classes; i++) z[i] = (exp(z[i] - top) / sum - (i == labels[r])) / (double)rows;
  }
}

// Overwrites the activations from the last to the first with the gradients of the layers' outputs.
static void backward(const task *t, const double *theta, long rows, double *z[LAYERS + 1], double *gradient) {
  for (int l = LAYERS - 1; l >= 0; l--) {
    const size_t at = hd_mlp_count(t->width, l);
    const long in = t->width[l], out = t->width[l + 1];
    product(in, out, rows, z[l], 1, in, z[l + 1], gradient + at);
    double *bias = gradient + at + in * out;
    for (long j = 0; j < out; j++) bias[j] = 0;
    for (long i = 0; i < rows * out; i++) bias[i % out] += z[l + 1][i];
    if (l == 0) return;
    double *weights = transposed(theta + at, in, out), *d = hd_alloc((size_t)(rows * in), sizeof *d);
    product(rows, in, out, z[l + 1], out, 1, weights, d);
    for (long i = 0; i < rows * in; i++) z[l][i] = z[l][i] > 0 ? d[i] : 0;
    free(weights);
    free(d);
  }
}

static void load(const task *t, const uint32_t *order, double *images, uint8_t *labels) {
  float *rows = hd_alloc(t->batch * HD_IMAGE_PIXELS, sizeof *rows);
  hd_gather(t->train, order, t->batch, rows, labels, false, t->seed, 0);
  for (size_t i = 0; i < t->batch * HD_IMAGE_PIXELS; i++) images[i] = (double)rows[i];
  free(rows);
}

void reference_update(const task *t, long steps, double *update) {
  const size_t count = hd_mlp_count(t->width, LAYERS);
  double *theta = hd_alloc(count, sizeof *theta), *velocity = hd_alloc(count, sizeof *velocity);
  double *gradient = hd_alloc(count, sizeof *gradient), *z[LAYERS + 1];
  uint8_t *labels = hd_alloc(t->batch, 1);
  uint32_t *order = hd_alloc(t->train->count, sizeof *order);
  for (int l = 0; l <= LAYERS; l++) z[l] = hd_alloc(t->batch * (size_t)t->width[l], sizeof **z);
  for (size_t i = 0; i < count; i++) theta[i] = (double)t->initial[i], velocity[i] = 0;
  hd_shuffle(order, t->train->count, t->seed, 0);
  for (long s = 0; s < steps && t->batch > 0; s++) {
    load(t, order + (size_t)s * t->batch, z[0], labels);
    forward(t, theta, (long)t->batch, z);
    loss_gradient(t, labels, (long)t->batch, z[LAYERS]);
    backward(t, theta, (long)t->batch, z, gradient);
    for (size_t i = 0; i < count; i++) {
      velocity[i] = 0.9 * velocity[i] + gradient[i];
      theta[i] -= (double)learning_rate(t, s) * velocity[i];
    }
  }
  for (size_t i = 0; i < count; i++) update[i] = theta[i] - (double)t->initial[i];
  for (int l = 0; l <= LAYERS; l++) free(z[l]);
  free(order), free(labels), free(gradient), free(velocity), free(theta);
}
