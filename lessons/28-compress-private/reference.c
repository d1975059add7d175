// SPDX-License-Identifier: MIT
// The naive twin in double precision: one image after the other, its whole gradient written out, its length
// measured, clipped and added.
#include <heddle/error.h>
#include <kernels/nn/reference.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker.h"

enum { WIDEST = HD_IMAGE_PIXELS };

// The gradient of one image's loss.
static void one_image(const float *theta, double x[MODEL_LAYERS + 1][WIDEST], int label, double *gradient) {
  double z[MODEL_LAYERS][WIDEST], delta[WIDEST], below[WIDEST];
  for (int l = 0; l < MODEL_LAYERS; l++) {
    const int in = MODEL_WIDTH[l], out = MODEL_WIDTH[l + 1];
    const float *w = theta + hd_mlp_count(MODEL_WIDTH, l), *bias = w + (long)in * out;
    for (int j = 0; j < out; j++) z[l][j] = (double)bias[j];
    for (int i = 0; i < in; i++)
      for (int j = 0; j < out; j++) z[l][j] += x[l][i] * (double)w[(long)i * out + j];
    for (int j = 0; j < out; j++) x[l + 1][j] = l + 1 < MODEL_LAYERS ? hd_reference_gelu(z[l][j]) : z[l][j];
  }
  double top = -INFINITY, sum = 0;
  for (int j = 0; j < HD_CLASSES; j++) top = fmax(top, x[MODEL_LAYERS][j]);
  for (int j = 0; j < HD_CLASSES; j++) sum += exp(x[MODEL_LAYERS][j] - top);
  for (int j = 0; j < HD_CLASSES; j++) delta[j] = exp(x[MODEL_LAYERS][j] - top) / sum - (j == label);
  for (int l = MODEL_LAYERS - 1; l >= 0; l--) {
    const int in = MODEL_WIDTH[l], out = MODEL_WIDTH[l + 1];
    const size_t at = hd_mlp_count(MODEL_WIDTH, l);
    for (int i = 0; i < in; i++) {
      double back = 0;
      for (int j = 0; j < out; j++) {
        gradient[at + (size_t)(i * out + j)] = x[l][i] * delta[j];
        back += delta[j] * (double)theta[at + (size_t)(i * out + j)];
      }
      below[i] = l ? back * hd_reference_gelu_slope(z[l - 1][i]) : 0;
    }
    for (int j = 0; j < out; j++) gradient[at + (size_t)(in * out + j)] = delta[j];
    memcpy(delta, below, sizeof below);
  }
}

void reference_gradient(const task *t, const float *theta, const uint32_t *rows, size_t count, double clip,
                        double *gradient, double *lengths) {
  const size_t n = hd_mlp_count(MODEL_WIDTH, MODEL_LAYERS);
  double *one = hd_alloc(n, sizeof *one);
  memset(gradient, 0, n * sizeof *gradient);
  for (size_t r = 0; r < count; r++) {
    double x[MODEL_LAYERS + 1][WIDEST], square = 0;
    float image[HD_IMAGE_PIXELS];
    uint8_t label;
    hd_gather(t->train, rows + r, 1, image, &label, false, t->seed, 0);
    for (int i = 0; i < HD_IMAGE_PIXELS; i++) x[0][i] = (double)image[i];
    one_image(theta, x, label, one);
    for (size_t i = 0; i < n; i++) square += one[i] * one[i];
    const double length = sqrt(square), factor = length > clip ? clip / length : 1;
    for (size_t i = 0; i < n; i++) gradient[i] += factor * one[i];
    if (lengths) lengths[r] = length;
  }
  free(one);
}
