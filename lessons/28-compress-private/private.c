// SPDX-License-Identifier: MIT
// Clipping and noise on a CPU; the idea is told in private.h.
#include "private.h"

#include <math.h>

static double square(const float *v, long n) {
  double sum = 0;
  for (long i = 0; i < n; i++) sum += (double)v[i] * (double)v[i];
  return sum;
}

static void scale(float *v, long n, float factor) {
  for (long i = 0; i < n; i++) v[i] *= factor;
}

static void clip(hd_ops *o, layer_rows l, long rows, float clip, float *lengths) {
  (void)o;
  for (long r = 0; r < rows; r++) {
    double sum = 0;
    // + 1: the bias is the weight of an input that is always one.
    for (int k = 0; k < CLIPPED_LAYERS; k++)
      sum += (square(l.input[k] + r * l.in[k], l.in[k]) + 1) * square(l.delta[k] + r * l.out[k], l.out[k]);
    const double length = sqrt(sum), factor = (double)clip / length;
    for (int k = 0; k < CLIPPED_LAYERS && factor < 1; k++)
      scale(l.delta[k] + r * l.out[k], l.out[k], (float)factor);
    lengths[r] = (float)length;
  }
}

static void add_noise(hd_ops *o, float *x, size_t from, size_t length, noise how) {
  (void)o;
  const size_t end = from + length;
  for (size_t pair = from / 2; 2 * pair < end; pair++) add_noise_pair(x, pair, from, end, how);
}

const privacy privacy_cpu = {clip, add_noise};
