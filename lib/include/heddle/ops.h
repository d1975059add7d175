// SPDX-License-Identifier: MIT
// The table of operations that training is written over. Networks, losses and optimizers call the table only;
// kernels/nn holds its two sides, OpenMP loops and CUDA kernels. Matrices are row-major fp32; images are
// (height, width, channels), channels fastest, so that a convolution is a matrix product over its windows.
#ifndef HEDDLE_OPS_H
#define HEDDLE_OPS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "type.h"

#ifdef __cplusplus
extern "C" {
#endif

// Square windows of size × size pixels, `stride` apart, over an image with `padding` pixels around it.
typedef struct hd_windows {
  int height, width, channels;  // of the image
  int size, stride, padding;
} hd_windows;

static inline long hd_windows_down(hd_windows w) {
  return (w.height + 2 * w.padding - w.size) / w.stride + 1;
}
static inline long hd_windows_across(hd_windows w) {
  return (w.width + 2 * w.padding - w.size) / w.stride + 1;
}

typedef struct hd_heads {
  long samples, length, heads, width;  // width of one head
} hd_heads;

// v = momentum·v + d, theta -= rate·v, where d = scale·g + weight_decay·theta + l1·sign(theta).
typedef struct hd_sgd_rule {
  float rate, momentum, weight_decay, l1, scale;
} hd_sgd_rule;

// m = beta1·m + (1 - beta1)·d, v = beta2·v + (1 - beta2)·d², theta -= rate·(m / correction1 / (√(v /
// correction2) + epsilon) + decoupled_decay·theta), with d as above. correction1 and 2 are 1 - beta^step,
// computed once on the host.
typedef struct hd_adam_rule {
  float rate, beta1, beta2, epsilon, weight_decay, decoupled_decay, l1, correction1, correction2, scale;
} hd_adam_rule;

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
  // The same loss for a vocabulary: int32 labels, and nobody is told which rows were right.
  void (*token_loss)(hd_ops *o, const float *logits, const int32_t *labels, float *d_logits, float *loss,
                     long rows, long classes, float scale);
  // One step of an optimizer on theta, with the state v or (m, v) and the gradient g, n entries each.
  void (*sgd)(hd_ops *o, float *theta, float *v, const float *g, size_t n, hd_sgd_rule rule);
  void (*adam)(hd_ops *o, float *theta, float *m, float *v, const float *g, size_t n, hd_adam_rule rule);
  void (*axpy)(hd_ops *o, float a, const float *x, float *y, size_t n);  // y += a·x
  void (*scale)(hd_ops *o, float a, float *x, size_t n);                 // x *= a

  void (*copy)(hd_ops *o, void *to, const void *from, size_t bytes);  // within its memory
  // rows × cols floats between matrices whose rows lie ld_to and ld_from floats apart.
  void (*copy_block)(hd_ops *o, float *to, long ld_to, const float *from, long ld_from, long rows, long cols);
  bool (*all_finite)(hd_ops *o, const float *x, size_t n);  // waits for the work before it

  // Squared error of each row, the mean over its cols: loss[row] = 1/cols·Σ (y - target)²; d_y = scale·(its
  // gradient), which may be y itself; NULL for inference.
  void (*squared_error)(hd_ops *o, const float *y, const float *target, float *d_y, float *loss, long rows,
                        long cols, float scale);

  // 16-bit numbers (type: HD_BF16 or HD_F16): x rounded to nearest even, and the product of matrices of them,
  // summed in fp32.
  void (*round16)(hd_ops *o, enum hd_type type, const float *x, uint16_t *y, size_t n);
  void (*gemm16)(hd_ops *o, enum hd_type type, bool trans_a, bool trans_b, long m, long n, long k,
                 float alpha, const uint16_t *a, long lda, const uint16_t *b, long ldb, float beta, float *c,
                 long ldc);

  // Each window of each image as a row: columns (images·out_height·out_width, size·size·channels), zeros
  // where a window hangs over the edge. fold is the transpose: x[p] = the sum of all entries of columns that
  // unfold would take from pixel p, in a fixed order; x is overwritten.
  void (*unfold)(hd_ops *o, const float *x, float *columns, long images, hd_windows w);
  void (*fold)(hd_ops *o, const float *columns, float *x, long images, hd_windows w);
  // Convolution without the detour over windows in memory, and its gradients, as hd_convolve and the others
  // of kernels/conv/conv.h do it (padding < size). NULL where a library's large products are faster: on GPUs.
  void (*convolve)(hd_ops *o, const float *x, const float *filter, const float *bias, float *y, long images,
                   hd_windows w, long filters, bool relu);
  void (*convolve_images)(hd_ops *o, const float *dy, const float *filter, float *d_x, long images,
                          hd_windows w, long filters);
  void (*convolve_filters)(hd_ops *o, const float *x, const float *dy, float *d_filter, long images,
                           hd_windows w, long filters, bool accumulate);
  // Largest value of each window and channel (the first of equals; pixels outside do not take part); chosen:
  // its place in the window, for backward, which overwrites d_x.
  void (*max_pool)(hd_ops *o, const float *x, float *y, int32_t *chosen, long images, hd_windows w);
  void (*max_pool_backward)(hd_ops *o, const float *dy, const int32_t *chosen, float *d_x, long images,
                            hd_windows w);

  // Each row to mean 0 and variance 1 (+1e-5), then y = gain·x + bias (Ba et al. 2016). statistics (rows, 2):
  // mean and 1/deviation, for backward, whose d_x may be NULL, but not dy.
  void (*layer_norm)(hd_ops *o, const float *x, const float *gain, const float *bias, float *y,
                     float *statistics, long rows, long cols);
  void (*layer_norm_backward)(hd_ops *o, const float *dy, const float *x, const float *gain,
                              const float *statistics, float *d_x, float *d_gain, float *d_bias, long rows,
                              long cols, bool accumulate);

  // y[r] = table[tokens[r]] + positions[r % length], rows of `width` each. Tokens lie in [0, vocabulary).
  // Backward sums in the order of the rows.
  void (*embed)(hd_ops *o, const int32_t *tokens, const float *table, const float *positions, float *y,
                long rows, long length, long width);
  void (*embed_backward)(hd_ops *o, const int32_t *tokens, const float *dy, float *d_table,
                         float *d_positions, long rows, long length, long width, long vocabulary,
                         bool accumulate);

  // Causal attention with several heads (Vaswani et al. 2017): qkv (samples, length, 3·heads·width) holds
  // queries, keys, values, each head by head; y (samples, length, heads·width);
  // probabilities (samples, heads, length, length): softmax(q·k / √width) over the past, 0 over the future.
  // Backward needs `work` of the size of probabilities.
  void (*attention)(hd_ops *o, const float *qkv, float *probabilities, float *y, hd_heads h);
  void (*attention_backward)(hd_ops *o, const float *qkv, const float *probabilities, const float *dy,
                             float *d_qkv, float *work, hd_heads h);

  // Attention of one new position, the t-th, of each sample: qkv (samples, 3·heads·width). Its keys and
  // values join those of the past in cache (samples, length, 2·heads·width), t < length; y (samples,
  // heads·width). work (samples, heads, length): any content.
  void (*attention_cached)(hd_ops *o, const float *qkv, float *cache, float *work, float *y, hd_heads h,
                           long t);

  void (*close)(hd_ops *o);  // frees the table; its memory must have been freed
};

#ifdef __cplusplus
}
#endif
#endif
