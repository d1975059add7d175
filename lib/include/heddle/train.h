// SPDX-License-Identifier: MIT
// Training, written once over a table of operations (heddle/ops.h): the same code trains on CPU threads, on a
// simulated GPU and on a real one. Here: the multi-layer perceptron and the optimizers. heddle/net.h has
// networks of any layers, heddle/schedule.h learning rates and loss scales, heddle/checkpoint.h their files.
//
// Matrices are row-major fp32. A batch x is (rows, width[0]); layer l computes y = act(x·W + b) with W (in,
// out) and b (out); act is ReLU except in the last layer, whose outputs are the logits of a softmax over the
// classes.
#ifndef HEDDLE_TRAIN_H
#define HEDDLE_TRAIN_H
#include "ops.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---------------------------------------------------------------- a multi-layer perceptron

enum { HD_MLP_LAYERS = 8 };

typedef struct hd_mlp {
  hd_ops *ops;
  int layers, width[HD_MLP_LAYERS + 1];
  long capacity;  // rows of the largest batch
  bool training;
  // One flat vector each, layer by layer, weights before bias: all-reduce, buckets and shards are slices of
  // it.
  size_t parameters;                 // entries of theta and gradient
  size_t offset[HD_MLP_LAYERS + 1];  // layer l owns [offset[l], offset[l + 1])
  float *theta, *gradient;           // in ops memory; gradient is NULL without training
  float *activation[HD_MLP_LAYERS];  // outputs of layer l, (capacity, width[l + 1]); two alternating ones
                                     // without training
  float *delta[2];                   // gradients of outputs, alternating; NULL without training
  float *loss, *correct;             // per row of the last batch
} hd_mlp;

// Entries of the flat parameter vector of a network of these widths (layers + 1 of them).
size_t hd_mlp_count(const int *width, int layers);

// He initialisation (He et al. 2015) into host memory: weights N(0, 2 / fan-in), biases 0. Entry i is a
// function of (seed, i) alone, so every rank that uses the same seed starts with the same network.
void hd_mlp_initial(const int *width, int layers, uint64_t seed, float *theta);

// A network in the memory of `ops`, which must outlive it. theta is undefined until uploaded (hd_mlp_set).
// Without `training` there is no gradient and no activation is kept for a backward pass: inference only.
hd_mlp *hd_mlp_new(hd_ops *ops, const int *width, int layers, long capacity, bool training);
void hd_mlp_free(hd_mlp *m);
void hd_mlp_set(hd_mlp *m, const float *host_theta);
void hd_mlp_get(const hd_mlp *m, float *host_theta);

// Logits (rows, classes) of a batch x in ops memory; valid until the next call. rows ≤ capacity.
const float *hd_mlp_forward(hd_mlp *m, const float *x, long rows);

// Called during the backward pass when the gradient of `layer`, gradient[offset .. offset + count), has been
// issued: last layer first. A bucket of several layers is therefore a contiguous slice that grows downwards.
typedef void hd_layer_ready(void *context, int layer, size_t offset, size_t count);

// Forward, loss and backward of one batch: gradient = scale · Σ over rows of d loss / d theta, added to what
// is there if accumulate. scale is 1 for the gradient of the sum and 1 / rows for that of the mean. rows 0
// (an empty shard) gives a zero gradient and the same callbacks. ready may be NULL.
void hd_mlp_gradient(hd_mlp *m, const float *x, const uint8_t *labels, long rows, float scale,
                     bool accumulate, hd_layer_ready *ready, void *context);

// Sum of the losses and number of right answers in the last batch of `rows` rows; waits for the device.
// Either may be NULL.
void hd_mlp_result(const hd_mlp *m, long rows, double *loss_sum, long *correct);

// Share of `count` host images (count, width[0]) that the network classifies right. Runs forward only and
// leaves the gradient alone. NaN for count 0.
double hd_accuracy(hd_mlp *m, const float *images, const uint8_t *labels, size_t count);

// ---------------------------------------------------------------- optimizers

// Weight decay adds weight_decay·theta to the gradient (L2 regularization) in HD_SGD and HD_ADAM, and shrinks
// theta itself by rate·weight_decay in HD_ADAMW (Loshchilov and Hutter 2019).
enum hd_rule { HD_SGD, HD_ADAM, HD_ADAMW };

typedef struct hd_optimizer {
  hd_ops *ops;
  enum hd_rule rule;
  size_t count;
  float momentum, weight_decay;  // 0.9 (SGD only), 0
  float l1;                      // adds l1·sign(theta) to the gradient; 0
  float beta1, beta2, epsilon;   // Adam and AdamW: 0.9, 0.999, 1e-8
  long steps;                    // taken so far
  float *first, *second;         // velocity, or the two moments; in ops memory; start at zero
  // On the host a step runs layer by layer where these are set, as a net has them (net->offset, net->count):
  // each thread then updates the rows whose gradient it wrote, which are in its cache. NULL: all at once.
  const size_t *layer_offset;
  int layers;
} hd_optimizer;

// State for `count` parameters, with the defaults named above; change the fields before the first step.
hd_optimizer *hd_optimizer_new(hd_ops *ops, enum hd_rule rule, size_t count);
void hd_optimizer_free(hd_optimizer *p);
// One step on theta with the gradient scale·gradient; both hold p->count entries in ops memory.
void hd_optimizer_step(hd_optimizer *p, float *theta, const float *gradient, float rate, float scale);

#ifdef __cplusplus
}
#endif
#endif
