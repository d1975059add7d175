// SPDX-License-Identifier: MIT
// Idea (DP-SGD, Abadi et al. 2016): nobody should be able to tell from the trained network whether a certain
// image was used. Each image's gradient is clipped to length C, so that one image moves the sum by C at most,
// and noise of σ·C drowns that.
// Prediction: accuracy falls with σ; ε falls with σ and grows with the number of steps.
// Done with one backward pass. The gradient of a dense layer's weights by one image is the outer product of
// the layer's input and its delta, so its length is the product of theirs; and scaling an image's deltas
// scales its gradient.
#ifndef HEDDLE_LESSON_28_PRIVATE_H
#define HEDDLE_LESSON_28_PRIVATE_H
#include <heddle/ops.h>
#include <heddle/random.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CLIPPED_LAYERS = 3 };

// What the layers of a batch got and what they are to change, row by row.
typedef struct layer_rows {
  const float *input[CLIPPED_LAYERS];  // (rows, in)
  float *delta[CLIPPED_LAYERS];        // (rows, out)
  long in[CLIPPED_LAYERS], out[CLIPPED_LAYERS];
} layer_rows;

typedef struct noise {
  float deviation;
  uint64_t seed, stream;
} noise;

// On one side of the operation table; gpu only in builds with CUDA.
typedef struct privacy {
  // lengths[row] = that of the row's gradient; deltas of those longer than `clip` are scaled.
  void (*clip)(hd_ops *o, layer_rows l, long rows, float clip, float *lengths);
  // x[i] += the i-th normal number of the stream times the deviation, for from ≤ i < from + length: the same
  // number whoever adds it, up to the last digits of logf and cosf.
  void (*add_noise)(hd_ops *o, float *x, size_t from, size_t length, noise how);
} privacy;

extern const privacy privacy_cpu, privacy_gpu;

// The pair's two numbers come from one call of the generator.
HD_BOTH void add_noise_pair(float *x, size_t pair, size_t from, size_t end, noise how) {
  const hd_random4 r = hd_philox(how.seed, how.stream, pair);
  const size_t i = 2 * pair;
  if (i >= from && i < end) x[i] += how.deviation * hd_normal(r.v[0], r.v[1]);
  if (i + 1 >= from && i + 1 < end) x[i + 1] += how.deviation * hd_normal(r.v[2], r.v[3]);
}

#ifdef __cplusplus
}
#endif
#endif
