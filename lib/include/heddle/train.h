// SPDX-License-Identifier: MIT
// Training, written once over a table of operations. Networks, losses and optimizers call the table only, so
// the same code trains on CPU threads, on a simulated GPU and on a real one; kernels/nn holds the table's two
// sides.
//
// Matrices are row-major fp32. A batch x is (rows, width[0]); layer l computes y = act(x·W + b) with W (in,
// out) and b (out); act is ReLU except in the last layer, whose outputs are the logits of a softmax over the
// classes.
#ifndef HEDDLE_TRAIN_H
#define HEDDLE_TRAIN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---------------------------------------------------------------- the operation table

// One rank's device: where its memory is and how its operations run. All calls of one table come from one
// thread, and on a GPU all work goes to one stream, so operations complete in the order of the calls and none
// of them waits except download, synchronize and timer_stop.
typedef struct hd_ops hd_ops;

// max(0, z); GELU (Hendrycks and Gimpel 2016) in its tanh form, z/2·(1 + tanh(√(2/π)·(z + 0.044715·z³))).
enum hd_activation { HD_LINEAR, HD_RELU, HD_GELU };

struct hd_ops {
  const char *name;  // "cpu" or "cuda"
  bool on_host;      // its memory is host memory: pointers may be read and written directly
  void *stream;      // cudaStream_t of all operations; NULL on the CPU
  void *state;       // of the implementation
  size_t bytes;      // allocated now through alloc: what a rank keeps

  void *(*alloc)(hd_ops *o,
                 size_t bytes);  // 64-byte aligned, contents undefined; ends the process if impossible
  void (*free)(hd_ops *o, void *p, size_t bytes);  // bytes as given to alloc; NULL is fine
  void (*upload)(hd_ops *o, void *to, const void *from_host,
                 size_t bytes);  // from_host may be reused at once
  void (*download)(hd_ops *o, void *to_host, const void *from, size_t bytes);  // waits for the work before it
  void (*zero)(hd_ops *o, void *p, size_t bytes);
  void (*synchronize)(hd_ops *o);
  // Seconds between the two calls: wall time on a CPU, device time by events on a GPU. stop waits for the
  // work.
  void (*timer_start)(hd_ops *o);
  double (*timer_stop)(hd_ops *o);
  // A moment in the order of the work: mark remembers it under an index ≥ 0; mark_time waits for it and tells
  // the seconds since mark 0, in the same clock as the timer's.
  void (*mark)(hd_ops *o, int index);
  double (*mark_time)(hd_ops *o, int index);

  // c (m, n) = alpha·op(a)·op(b) + beta·c; op transposes where trans is set; c is not read when beta is 0.
  void (*gemm)(hd_ops *o, bool trans_a, bool trans_b, long m, long n, long k, float alpha, const float *a,
               long lda, const float *b, long ldb, float beta, float *c, long ldc);
  // z (rows, cols) += bias in every row, y = act(z). y may be z unless act is HD_GELU, whose backward needs
  // z.
  void (*bias_act)(hd_ops *o, float *z, const float *bias, float *y, long rows, long cols,
                   enum hd_activation act);
  // Backward of bias_act: dy *= act'(z), then d_bias (cols) = the column sums of dy (added to d_bias if
  // accumulate). kept is y for HD_RELU, z for HD_GELU, and not read for HD_LINEAR. The order of summation
  // depends on rows and cols only, so results repeat bitwise.
  void (*bias_act_backward)(hd_ops *o, float *dy, const float *kept, float *d_bias, long rows, long cols,
                            enum hd_activation act, bool accumulate);
  // Softmax and cross-entropy of each row: loss[row] = -log p[label], correct[row] = 1 if the largest logit
  // (the first of equals) is the label's, else 0; d_logits = scale·(p - onehot(label)), which may be logits
  // itself; NULL for inference. The row maximum is subtracted first, so large logits do not overflow.
  void (*softmax_loss)(hd_ops *o, const float *logits, const uint8_t *labels, float *d_logits, float *loss,
                       float *correct, long rows, long classes, float scale);
  // v = momentum·v + (scale·g + weight_decay·theta); theta -= rate·v.
  void (*sgd)(hd_ops *o, float *theta, float *v, const float *g, size_t n, float rate, float momentum,
              float weight_decay, float scale);
  // Adam with decoupled weight decay (Loshchilov and Hutter 2019), g scaled first. correction1 and 2 are
  // 1 - beta^step, computed once on the host.
  void (*adam)(hd_ops *o, float *theta, float *m, float *v, const float *g, size_t n, float rate, float beta1,
               float beta2, float epsilon, float weight_decay, float correction1, float correction2,
               float scale);
  void (*axpy)(hd_ops *o, float a, const float *x, float *y, size_t n);  // y += a·x
  void (*scale)(hd_ops *o, float a, float *x, size_t n);                 // x *= a

  void (*close)(hd_ops *o);  // frees the table; its memory must have been freed
};

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

enum hd_rule { HD_SGD, HD_ADAM };

typedef struct hd_optimizer {
  hd_ops *ops;
  enum hd_rule rule;
  size_t count;
  float momentum, weight_decay;  // SGD: 0.9, 0; weight decay of Adam is decoupled
  float beta1, beta2, epsilon;   // Adam: 0.9, 0.999, 1e-8
  long steps;                    // taken so far
  float *first, *second;         // velocity, or the two moments; in ops memory; start at zero
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
