// SPDX-License-Identifier: MIT
// Layer norm, embedding, attention and the loss of a vocabulary on the CPU. Threads own rows where rows are
// independent, and columns where rows are summed, so that no sum depends on the number of threads.
#include <math.h>
#include <string.h>

#include "parts.h"

// glibc computes exp of whole vectors, but tells compilers so with -ffast-math only.
#if defined(__x86_64__) && defined(__GLIBC_PREREQ) && !defined(__clang__)
#if __GLIBC_PREREQ(2, 22)
__attribute__((simd("notinbranch"))) float expf(float);
#endif
#endif

enum { COLUMN_BLOCK = 64 };
#define NORM_EPSILON 1e-5f

static void cpu_layer_norm(hd_ops *o, const float *x, const float *gain, const float *bias, float *y,
                           float *statistics, long rows, long cols) {
  (void)o;
#pragma omp parallel for
  for (long r = 0; r < rows; r++) {
    const float *in = x + r * cols;
    float *out = y + r * cols, sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
    for (long i = 0; i < cols; i++) sum += in[i];
    const float mean = sum / (float)cols;
#pragma omp simd reduction(+ : squares)
    for (long i = 0; i < cols; i++) squares += (in[i] - mean) * (in[i] - mean);
    const float inverse = 1 / sqrtf(squares / (float)cols + NORM_EPSILON);
#pragma omp simd
    for (long i = 0; i < cols; i++) out[i] = gain[i] * ((in[i] - mean) * inverse) + bias[i];
    statistics[2 * r] = mean;
    statistics[2 * r + 1] = inverse;
  }
}

// With n = (x - mean)·inverse and d = gain·dy: d_x = inverse·(d - mean(d) - n·mean(d·n)).
static void norm_row_backward(const float *dy, const float *x, const float *gain, float mean, float inverse,
                              float *d_x, long cols) {
  float sum = 0, product = 0;
#pragma omp simd reduction(+ : sum, product)
  for (long i = 0; i < cols; i++) {
    const float d = gain[i] * dy[i];
    sum += d;
    product += d * ((x[i] - mean) * inverse);
  }
  sum /= (float)cols;
  product /= (float)cols;
#pragma omp simd
  for (long i = 0; i < cols; i++)
    d_x[i] = inverse * (gain[i] * dy[i] - sum - (x[i] - mean) * inverse * product);
}

static void cpu_layer_norm_backward(hd_ops *o, const float *dy, const float *x, const float *gain,
                                    const float *statistics, float *d_x, float *d_gain, float *d_bias,
                                    long rows, long cols, bool accumulate) {
  (void)o;
#pragma omp parallel for
  for (long first = 0; first < cols; first += COLUMN_BLOCK) {
    const long width = cols - first < COLUMN_BLOCK ? cols - first : COLUMN_BLOCK;
    float gains[COLUMN_BLOCK] = {0}, biases[COLUMN_BLOCK] = {0};
    for (long r = 0; r < rows; r++) {
      const float *d = dy + r * cols + first, *in = x + r * cols + first;
      const float mean = statistics[2 * r], inverse = statistics[2 * r + 1];
#pragma omp simd
      for (long i = 0; i < width; i++) {
        gains[i] += d[i] * ((in[i] - mean) * inverse);
        biases[i] += d[i];
      }
    }
    for (long i = 0; i < width; i++) {
      d_gain[first + i] = (accumulate ? d_gain[first + i] : 0) + gains[i];
      d_bias[first + i] = (accumulate ? d_bias[first + i] : 0) + biases[i];
    }
  }
  if (!d_x) return;
#pragma omp parallel for
  for (long r = 0; r < rows; r++)
    norm_row_backward(dy + r * cols, x + r * cols, gain, statistics[2 * r], statistics[2 * r + 1],
                      d_x + r * cols, cols);
}

static void cpu_embed(hd_ops *o, const int32_t *tokens, const float *table, const float *positions, float *y,
                      long rows, long length, long width) {
  (void)o;
#pragma omp parallel for
  for (long r = 0; r < rows; r++) {
    const float *word = table + tokens[r] * width, *place = positions + r % length * width;
#pragma omp simd
    for (long i = 0; i < width; i++) y[r * width + i] = word[i] + place[i];
  }
}

static void cpu_embed_backward(hd_ops *o, const int32_t *tokens, const float *dy, float *d_table,
                               float *d_positions, long rows, long length, long width, long vocabulary,
                               bool accumulate) {
  (void)o;
  if (!accumulate) {
    memset(d_table, 0, (size_t)(vocabulary * width) * sizeof *d_table);
    memset(d_positions, 0, (size_t)(length * width) * sizeof *d_positions);
  }
#pragma omp parallel for
  for (long first = 0; first < width; first += COLUMN_BLOCK) {
    const long end = first + COLUMN_BLOCK < width ? first + COLUMN_BLOCK : width;
    for (long r = 0; r < rows; r++)
      for (long i = first; i < end; i++) {
        d_table[tokens[r] * width + i] += dy[r * width + i];
        d_positions[r % length * width + i] += dy[r * width + i];
      }
  }
}

static float dot(const float *a, const float *b, long n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (long i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

static void add_scaled(float *to, float a, const float *x, long n) {
#pragma omp simd
  for (long i = 0; i < n; i++) to[i] += a * x[i];
}

// Where one head of one sample finds its rows. Row t of q, k and v is `stride` behind row t-1.
typedef struct head {
  const float *q, *k, *v;
  long stride, y_stride;
  size_t qkv, y, p;  // offsets of the head's first row in qkv, y and probabilities
} head;

static head head_of(const float *qkv, hd_heads h, long sample, long number) {
  const long all = h.heads * h.width;
  head one = {.stride = 3 * all, .y_stride = all};
  one.qkv = (size_t)(sample * h.length * one.stride + number * h.width);
  one.y = (size_t)(sample * h.length * all + number * h.width);
  one.p = (size_t)((sample * h.heads + number) * h.length * h.length);
  one.q = qkv + one.qkv;
  one.k = one.q + all;
  one.v = one.k + all;
  return one;
}

// One query over the first `seen` keys and values, whose rows lie `stride` apart; p: their weights.
static void attend(const float *q, const float *k, const float *v, long stride, long seen, float *p,
                   float *out, long width) {
  const float scale = 1 / sqrtf((float)width);
  float top = -INFINITY, sum = 0;
  for (long s = 0; s < seen; s++) {
    p[s] = scale * dot(q, k + s * stride, width);
    top = p[s] > top ? p[s] : top;
  }
  for (long s = 0; s < seen; s++) sum += p[s] = expf(p[s] - top);
  memset(out, 0, (size_t)width * sizeof *out);
  for (long s = 0; s < seen; s++) {
    p[s] /= sum;
    add_scaled(out, p[s], v + s * stride, width);
  }
}

static void cpu_attention(hd_ops *o, const float *qkv, float *probabilities, float *y, hd_heads h) {
  (void)o;
#pragma omp parallel for collapse(2)
  for (long sample = 0; sample < h.samples; sample++)
    for (long number = 0; number < h.heads; number++) {
      const head a = head_of(qkv, h, sample, number);
      for (long t = 0; t < h.length; t++) {
        float *p = probabilities + a.p + (size_t)(t * h.length);
        attend(a.q + t * a.stride, a.k, a.v, a.stride, t + 1, p, y + a.y + t * a.y_stride, h.width);
        memset(p + t + 1, 0, (size_t)(h.length - t - 1) * sizeof *p);
      }
    }
}

static void cpu_attention_cached(hd_ops *o, const float *qkv, float *cache, float *work, float *y, hd_heads h,
                                 long t) {
  (void)o;
  const long all = h.heads * h.width;
#pragma omp parallel for collapse(2) if (h.samples * all * t >= 8192)
  for (long sample = 0; sample < h.samples; sample++)
    for (long number = 0; number < h.heads; number++) {
      const float *q = qkv + sample * 3 * all + number * h.width;
      float *keys = cache + sample * h.length * 2 * all + number * h.width, *now = keys + t * 2 * all;
      memcpy(now, q + all, (size_t)h.width * sizeof *now);
      memcpy(now + all, q + 2 * all, (size_t)h.width * sizeof *now);
      attend(q, keys, keys + all, 2 * all, t + 1, work + (sample * h.heads + number) * h.length,
             y + sample * all + number * h.width, h.width);
    }
}

// d_q is the head's first row in d_qkv; all rows of d_qkv are zero before.
static void attend_backward(head a, const float *probabilities, const float *dy, float *d_q, float *d_scores,
                            long length, long width) {
  const float scale = 1 / sqrtf((float)width);
  float *d_k = d_q + a.y_stride, *d_v = d_k + a.y_stride;
  for (long t = 0; t < length; t++) {
    const float *p = probabilities + t * length, *d = dy + t * a.y_stride, *q = a.q + t * a.stride;
    float mean = 0;
    for (long s = 0; s <= t; s++) {
      d_scores[s] = dot(d, a.v + s * a.stride, width);
      mean += p[s] * d_scores[s];
    }
    for (long s = 0; s <= t; s++) {
      const float slope = scale * p[s] * (d_scores[s] - mean);
      add_scaled(d_q + t * a.stride, slope, a.k + s * a.stride, width);
      add_scaled(d_k + s * a.stride, slope, q, width);
      add_scaled(d_v + s * a.stride, p[s], d, width);
    }
  }
}

static void cpu_attention_backward(hd_ops *o, const float *qkv, const float *probabilities, const float *dy,
                                   float *d_qkv, float *work, hd_heads h) {
  (void)o;
  memset(d_qkv, 0, (size_t)(h.samples * h.length * 3 * h.heads * h.width) * sizeof *d_qkv);
#pragma omp parallel for collapse(2)
  for (long sample = 0; sample < h.samples; sample++)
    for (long number = 0; number < h.heads; number++) {
      const head a = head_of(qkv, h, sample, number);
      attend_backward(a, probabilities + a.p, dy + a.y, d_qkv + a.qkv, work + a.p, h.length, h.width);
    }
}

// d may be z.
static float token_row(const float *z, long label, float *d, long classes, float scale) {
  const float own = z[label];
  float top = z[0], sum = 0;
#pragma omp simd reduction(max : top)
  for (long i = 1; i < classes; i++) top = z[i] > top ? z[i] : top;
  if (!d) {
#pragma omp simd reduction(+ : sum)
    for (long i = 0; i < classes; i++) sum += expf(z[i] - top);
    return logf(sum) - (own - top);
  }
#pragma omp simd reduction(+ : sum)
  for (long i = 0; i < classes; i++) sum += d[i] = expf(z[i] - top);
  const float each = scale / sum;
#pragma omp simd
  for (long i = 0; i < classes; i++) d[i] *= each;
  d[label] -= scale;
  return logf(sum) - (own - top);
}

static void cpu_token_loss(hd_ops *o, const float *logits, const int32_t *labels, float *d_logits,
                           float *loss, long rows, long classes, float scale) {
  (void)o;
#pragma omp parallel for if (rows * classes >= 16384)
  for (long r = 0; r < rows; r++)
    loss[r] =
        token_row(logits + r * classes, labels[r], d_logits ? d_logits + r * classes : NULL, classes, scale);
}

void hd_cpu_sequence_operations(hd_ops *o) {
  o->layer_norm = cpu_layer_norm;
  o->layer_norm_backward = cpu_layer_norm_backward;
  o->embed = cpu_embed;
  o->embed_backward = cpu_embed_backward;
  o->attention = cpu_attention;
  o->attention_backward = cpu_attention_backward;
  o->attention_cached = cpu_attention_cached;
  o->token_loss = cpu_token_loss;
}
