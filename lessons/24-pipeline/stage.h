// SPDX-License-Identifier: MIT
// A stage: some neighbouring layers of the network on one device, with room for several micro-batches at
// once.
//
// All layers are alike, so that stages can be equal: y = GELU(x·W + b), x and y (rows, width), W (width,
// width). The gradient of a stage is summed over micro-batches.
#ifndef HEDDLE_LESSON_24_STAGE_H
#define HEDDLE_LESSON_24_STAGE_H
#include <heddle/train.h>

typedef struct stage {
  hd_ops *ops;
  int first, layers;  // of the network's
  long rows, width;   // of a micro-batch
  int slots;          // micro-batches it can keep; micro-batch m is in slot m % slots
  bool split;         // the two halves of backward are called apart, so what passes between them is kept, too
  float *theta, *gradient, *velocity;  // (layers) times W, then b
  float *kept;                         // per slot: layers + 1 activations, then layers inputs of GELU
  float *delta;                        // gradients of the activations, see stage_delta
} stage;

// A stage in the memory of `ops`, which must outlive it, with its part of the network's initial parameters
// (host).
stage *stage_open(hd_ops *ops, int first, int layers, long rows, long width, int slots, bool split,
                  const float *initial);
void stage_close(stage *s);

// Parameters of one layer.
size_t layer_parameters(long width);

// Where micro-batch `micro` enters and leaves the stage (stage_activation 0 and `layers`), and where the
// gradients of the two are. The input and the gradient of the output are to be filled before forward and
// backward.
float *stage_activation(const stage *s, int micro, int layer);
float *stage_delta(const stage *s, int micro, int layer);

// input: stage_activation(s, micro, 0), or where else the micro-batch's input lies unchanged until its last
// backward.
void stage_forward(stage *s, int micro, const float *input);
// The gradient of the input, and those of the biases.
void stage_backward_input(stage *s, int micro);
// The gradients of the weights; each micro-batch's are added to those of the micro-batches before it.
void stage_backward_weights(stage *s, int micro, const float *input);
// Both at once.
void stage_backward(stage *s, int micro, const float *input);
// SGD with momentum, and a zero gradient for the next batch.
void stage_update(stage *s, float rate);
#endif
