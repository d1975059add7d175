// SPDX-License-Identifier: MIT
// Networks as lists of layers over one flat vector of parameters. Data-parallel buckets and shards of an
// optimizer are slices of that vector; a pipeline stage is a network of a slice of the list.
//
// A sample is a vector of `in` floats to a layer and of `out` floats behind it, whatever their shape: an
// image is (height, width, channels), a sequence (positions, width). A batch is its samples one behind the
// other. Layers are values without memory of their own: the network owns parameters and scratch, a tape owns
// what one forward pass leaves for its backward pass.
#ifndef HEDDLE_NET_H
#define HEDDLE_NET_H
#include "ops.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---------------------------------------------------------------- layers

typedef struct hd_layer hd_layer;

// What a layer is given for a pass over a batch; all memory belongs to the network, the tape or the caller.
typedef struct hd_pass {
  hd_ops *ops;
  long samples;
  const float *theta;       // the layer's own parameters
  const uint16_t *theta16;  // the same, rounded to `precision`; NULL when that is HD_F32
  enum hd_type precision;   // of the operands of matrix products: HD_F32, HD_BF16 or HD_F16
  const float *x;           // (samples, in); tokens for an embedding
  float *y;                 // (samples, out)
  void *kept;               // (samples, layer->kept bytes): left by forward for backward
  void *work;               // scratch: hd_layer_work bytes, of any content
  // Backward only.
  float *dy;        // (samples, out); may be overwritten
  float *dx;        // (samples, in); NULL if nobody asks for it
  float *gradient;  // the layer's own part, written, or added to if accumulate
  bool accumulate;
} hd_pass;

typedef struct hd_layer_kind {
  const char *name;
  void (*initial)(const hd_layer *l, uint64_t seed, uint64_t stream, float *theta);  // host; NULL: none
  void (*forward)(const hd_layer *l, const hd_pass *p);
  void (*backward)(const hd_layer *l, const hd_pass *p);
} hd_layer_kind;

struct hd_layer {
  const hd_layer_kind *kind;
  size_t in, out;     // floats of one sample before and behind it
  size_t parameters;  // floats of the flat vector
  size_t kept;        // bytes a sample leaves for backward, besides x and y
  double flops;       // forward, one sample: those of products; backward takes twice as many
  enum hd_activation activation;
  long positions, width;   // rows of one sample, and their length behind the layer
  long heads, vocabulary;  // attention; embedding
  hd_windows windows;      // convolution, pooling
  int from;                // addition: the layer whose output is added; -1: the network's input
  size_t before;           // unembedding: parameters of all layers before it
  bool tied;               // embedding: an unembedding has written to the table's gradient already
  void *context;           // of kinds made elsewhere; theirs
};

// act(x·W + b) for each of `positions` rows of `in` floats; parameters W (in, out), then b (out). He
// initialisation: weights N(0, 2 / in), biases 0.
hd_layer hd_dense(long positions, long in, long out, enum hd_activation activation);

// act(convolution + b): `channels` filters of size × size pixels. Parameters W (size, size, channels of the
// image, channels), then b. Output (down, across, channels), down and across as hd_windows_down / _across
// say.
hd_layer hd_convolution(hd_windows windows, long channels, enum hd_activation activation);

// Largest value of each window, channel by channel.
hd_layer hd_max_pool(hd_windows windows);

// Each of `positions` rows of `width` floats to mean 0 and variance 1, times gain (1 at first) plus bias (0).
hd_layer hd_layer_norm(long positions, long width);

// int32 tokens (positions) in place of floats → rows of `width`. Parameters: table (vocabulary, width), then
// positions (positions, width), N(0, 0.02²). Only as the first layer.
hd_layer hd_embedding(long positions, long vocabulary, long width);

// The way back, with the same table (tied weights, Press and Wolf 2017): logits = x·tableᵀ, fp32 products.
// The last layer of a network whose first is hd_tied(hd_embedding(…)); before: parameters of all layers
// before it. No parameters of its own.
hd_layer hd_unembedding(long positions, long vocabulary, long width, size_t before);
hd_layer hd_tied(hd_layer embedding);

// Causal attention: rows of queries, keys and values (3·heads·width, as a dense layer makes them) → rows of
// heads·width. No parameters. width is that of one head.
hd_layer hd_attention(long positions, long heads, long width);

// Residual connection: x + the output of layer `from` of the same network (-1: the network's input).
hd_layer hd_addition(size_t count, int from);

// Bytes of scratch a layer needs for `samples` samples.
size_t hd_layer_work(const hd_layer *l, long samples, bool on_host, enum hd_type precision);

// ---------------------------------------------------------------- networks

// What forward leaves for backward: the outputs and kept values of all layers for one batch. A pipeline that
// has several micro-batches under way has a tape for each. Without training nobody comes back: an output's
// room is another's as soon as the last layer that reads it has run, and all kept values share one room.
typedef struct hd_tape {
  float **y;    // [layers] (capacity, out)
  void **kept;  // [layers], NULL where nothing is kept
  int rooms;
  float **room;       // [rooms], of which each y is one
  size_t *room_size;  // floats of one sample
} hd_tape;

typedef struct hd_net {
  hd_ops *ops;
  int count;
  hd_layer *layers;
  long capacity;  // samples of the largest batch
  bool training;
  enum hd_type precision;
  size_t parameters, *offset;  // layer l owns [offset[l], offset[l + 1]) of theta and gradient
  float *theta, *gradient;     // in ops memory; gradient is NULL without training
  uint16_t *theta16;           // theta as it was at the last forward pass, rounded; NULL with HD_F32
  hd_tape *tape;               // of hd_net_gradient and hd_net_accuracy
  float *delta[2];             // gradients of outputs, alternating; NULL without training
  float **side;                // [layers] what an addition passes to its other input; NULL without training
  void *work;
  size_t work_bytes;
  float *loss, *correct;  // per row of the last batch: a sample, or a position of one
} hd_net;

size_t hd_net_count(const hd_layer *layers, int count);  // parameters
double hd_net_flops(const hd_layer *layers, int count);  // forward, one sample
// Forward and backward, one sample: three times forward, less the gradient of the input, which nobody needs.
double hd_net_training_flops(const hd_layer *layers, int count);

// Initial parameters into host memory, a function of (seed, layer, index) alone: equal on every rank.
void hd_net_initial(const hd_layer *layers, int count, uint64_t seed, float *theta);

// A network of copies of these layers in the memory of `ops`, which must outlive it. theta is undefined until
// uploaded. Without `training` there is no gradient. precision HD_BF16 or HD_F16: the operands of matrix
// products are rounded to it; parameters, sums, gradients and everything else stay fp32 ("master weights").
// Ends the process with a message if layers do not fit together.
hd_net *hd_net_new(hd_ops *ops, const hd_layer *layers, int count, long capacity, bool training,
                   enum hd_type precision);
void hd_net_free(hd_net *n);
void hd_net_set(hd_net *n, const float *host_theta);
void hd_net_get(const hd_net *n, float *host_theta);

hd_tape *hd_tape_new(const hd_net *n);
void hd_tape_free(const hd_net *n, hd_tape *t);

// Outputs (samples, out of the last layer) of a batch x in ops memory; they lie in the tape, whose earlier
// contents are lost. samples ≤ capacity.
const float *hd_net_forward(hd_net *n, hd_tape *t, const void *x, long samples);

// Called when the gradient of layer `layer` has been issued, last layer first; layers without parameters,
// too.
typedef void hd_net_ready(void *context, int layer, size_t offset, size_t count);

// Backward of the forward pass that filled the tape, with the same x: dy (samples, out) is the gradient of
// the outputs and may be overwritten. gradient is written, or added to if accumulate. dx (samples, in) gets
// the gradient of the input, unless NULL. samples 0 gives a zero gradient and the same calls of ready, which
// may be NULL.
void hd_net_backward(hd_net *n, const hd_tape *t, const void *x, long samples, float *dy, float *dx,
                     bool accumulate, hd_net_ready *ready, void *context);

enum hd_loss { HD_CROSS_ENTROPY, HD_SQUARED_ERROR, HD_TOKEN_LOSS };

// Loss of outputs y (samples, out) into n->loss, and its gradient times scale into dy (NULL: none), which may
// be y. HD_CROSS_ENTROPY: targets are uint8 labels, one for each row of `width` of the last layer, and
// n->correct is filled; HD_SQUARED_ERROR: floats, as many as y has, one loss per sample.
// HD_TOKEN_LOSS: as the first, but with int32 labels, and without n->correct.
void hd_net_loss(hd_net *n, enum hd_loss loss, const float *y, const void *targets, long samples, float *dy,
                 float scale);

// Forward, loss and backward of one batch: gradient = scale·Σ over rows of d loss / d theta.
void hd_net_gradient(hd_net *n, enum hd_loss loss, const void *x, const void *targets, long samples,
                     float scale, bool accumulate, hd_net_ready *ready, void *context);

// Sum of the losses and number of right answers of the last batch; waits for the device. Either may be NULL.
void hd_net_result(const hd_net *n, enum hd_loss loss, long samples, double *loss_sum, long *correct);

// Share of `count` host samples (count, in) classified right. NaN for count 0. Leaves the gradient alone.
double hd_net_accuracy(hd_net *n, const float *x, const uint8_t *labels, size_t count);

#ifdef __cplusplus
}
#endif
#endif
