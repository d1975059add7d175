// SPDX-License-Identifier: MIT
// The classifier 784-512-256-10 with GELU, with its backward pass in two parts: the gradients of all outputs,
// then those of the weights. Between the two, each image's share can be looked at, and scaled.
#ifndef HEDDLE_LESSON_28_MODEL_H
#define HEDDLE_LESSON_28_MODEL_H
#include <heddle/data.h>
#include <heddle/train.h>

#include "private.h"

enum { MODEL_LAYERS = CLIPPED_LAYERS };
extern const int MODEL_WIDTH[MODEL_LAYERS + 1];

typedef struct model {
  hd_ops *ops;
  long capacity;
  size_t parameters;
  float *theta, *gradient;  // flat, layer by layer, weights (in, out) before bias
  float *sum[MODEL_LAYERS], *out[MODEL_LAYERS], *delta[MODEL_LAYERS];  // (capacity, width of the layer)
  float *loss, *correct;
} model;

model *model_open(hd_ops *ops, long capacity);
void model_close(model *m);

// Logits of `rows` images.
const float *model_forward(model *m, const float *x, long rows);
// Behind forward: the gradient of each image's loss with respect to the sums of every layer, into delta.
void model_deltas(model *m, const uint8_t *labels, long rows);
// Behind deltas, of the same images: gradient = Σ of what delta says, zero for no rows.
void model_gradient(model *m, const float *x, long rows);

// The inputs and deltas of all layers: what tells each image's part of the gradient.
layer_rows model_rows(const model *m, const float *x);

// Share of the images (on the host) that are classified right; NaN for none.
double model_accuracy(model *m, const hd_dataset *d);
#endif
