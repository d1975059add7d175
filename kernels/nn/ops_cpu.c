// SPDX-License-Identifier: MIT
// The OpenMP side of the operation table. Small arrays stay on one thread: waking a team costs about a
// microsecond.
#include <float.h>
#include <heddle/error.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "../gemm/gemm.h"
#include "gelu.h"
#include "ops.h"
#include "parts.h"

enum { WORTH_A_TEAM = 16384, STRIP = 64 };

static void *cpu_alloc(hd_ops *o, size_t bytes) {
  o->bytes += bytes;
  return hd_alloc(bytes, 1);
}

static void cpu_free(hd_ops *o, void *p, size_t bytes) {
  if (!p) return;
  o->bytes -= bytes;
  free(p);
}

static void cpu_upload(hd_ops *o, void *to, const void *from, size_t bytes) {
  (void)o;
  memcpy(to, from, bytes);
}

static void cpu_zero(hd_ops *o, void *p, size_t bytes) {
  (void)o;
  memset(p, 0, bytes);
}

static void cpu_synchronize(hd_ops *o) {
  (void)o;
}

typedef struct cpu_state {
  double start, *marks;
  int mark_count;
  float *wide[2];  // operands of gemm16 as fp32
  size_t wide_room[2];
} cpu_state;

static void cpu_timer_start(hd_ops *o) {
  ((cpu_state *)o->state)->start = omp_get_wtime();
}

static double cpu_timer_stop(hd_ops *o) {
  return omp_get_wtime() - ((cpu_state *)o->state)->start;
}

static void cpu_mark(hd_ops *o, int index) {
  cpu_state *s = o->state;
  if (index >= s->mark_count) {
    const int count = 2 * index + 64;
    double *marks = hd_alloc((size_t)count, sizeof *marks);
    memset(marks, 0, (size_t)count * sizeof *marks);
    if (s->marks) memcpy(marks, s->marks, (size_t)s->mark_count * sizeof *marks);
    free(s->marks);
    s->marks = marks;
    s->mark_count = count;
  }
  s->marks[index] = omp_get_wtime();
}

static double cpu_mark_time(hd_ops *o, int index) {
  const cpu_state *s = o->state;
  return s->marks[index] - s->marks[0];
}

static void cpu_gemm(hd_ops *o, bool trans_a, bool trans_b, long m, long n, long k, float alpha,
                     const float *a, long lda, const float *b, long ldb, float beta, float *c, long ldc) {
  (void)o;
  hd_gemm(trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

static void cpu_bias_act(hd_ops *o, float *z, const float *bias, float *y, long rows, long cols,
                         enum hd_activation act) {
  (void)o;
#pragma omp parallel for if (rows * cols >= WORTH_A_TEAM)
  for (long r = 0; r < rows; r++) {
    float *in = z + r * cols, *out = y + r * cols;
    if (act == HD_RELU) {
#pragma omp simd
      for (long i = 0; i < cols; i++) out[i] = in[i] + bias[i] > 0 ? in[i] + bias[i] : 0;
    } else {
#pragma omp simd
      for (long i = 0; i < cols; i++) out[i] = in[i] += bias[i];
    }
    if (act == HD_GELU) {
#pragma omp simd
      for (long i = 0; i < cols; i++) out[i] = hd_gelu(in[i]);
    }
  }
}

// dy *= act'(z) for a piece of a row.
static void through_activation(float *dy, const float *kept, long width, enum hd_activation act) {
  if (act == HD_RELU) {
#pragma omp simd
    for (long i = 0; i < width; i++) dy[i] = kept[i] > 0 ? dy[i] : 0;
  }
  if (act == HD_GELU) {
#pragma omp simd
    for (long i = 0; i < width; i++) dy[i] *= hd_gelu_slope(kept[i]);
  }
}

// Strips of rows, each with its own sums, which are then added up in their order: how many strips there are
// depends on the number of rows alone, so the sums do not depend on the number of threads.
static void cpu_bias_act_backward(hd_ops *o, float *dy, const float *kept, float *d_bias, long rows,
                                  long cols, enum hd_activation act, bool accumulate) {
  (void)o;
  const long strips = rows < 16 * STRIP ? (rows + STRIP - 1) / STRIP : 16;
  float *sums = hd_alloc((size_t)(strips * cols), sizeof *sums);
#pragma omp parallel for schedule(static) if (rows * cols >= WORTH_A_TEAM)
  for (long s = 0; s < strips; s++) {
    float *sum = sums + s * cols;
    memset(sum, 0, (size_t)cols * sizeof *sum);
    for (long r = rows * s / strips; r < rows * (s + 1) / strips; r++) {
      through_activation(dy + r * cols, kept + r * cols, cols, act);
#pragma omp simd
      for (long i = 0; i < cols; i++) sum[i] += dy[r * cols + i];
    }
  }
  for (long i = 0; i < cols; i++) {
    float sum = accumulate ? d_bias[i] : 0;
    for (long s = 0; s < strips; s++) sum += sums[s * cols + i];
    d_bias[i] = sum;
  }
  free(sums);
}

static void cpu_softmax_loss(hd_ops *o, const float *logits, const uint8_t *labels, float *d_logits,
                             float *loss, float *correct, long rows, long classes, float scale) {
  (void)o;
#pragma omp parallel for if (rows * classes >= WORTH_A_TEAM)
  for (long r = 0; r < rows; r++) {
    const float *z = logits + r * classes;
    long best = 0;
    for (long i = 1; i < classes; i++) best = z[i] > z[best] ? i : best;
    const float top = z[best], own = z[labels[r]];
    float sum = 0, *d = d_logits ? d_logits + r * classes : NULL;
    for (long i = 0; i < classes; i++) {
      const float power = expf(z[i] - top);
      sum += power;
      if (d) d[i] = power;
    }
    loss[r] = logf(sum) - (own - top);
    correct[r] = best == labels[r] ? 1 : 0;
    for (long i = 0; d && i < classes; i++) d[i] = scale * (d[i] / sum - (i == labels[r] ? 1.0f : 0.0f));
  }
}

static void cpu_squared_error(hd_ops *o, const float *y, const float *target, float *d_y, float *loss,
                              long rows, long cols, float scale) {
  (void)o;
#pragma omp parallel for if (rows * cols >= WORTH_A_TEAM)
  for (long r = 0; r < rows; r++) {
    const float *out = y + r * cols, *wanted = target + r * cols;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (long i = 0; i < cols; i++) sum += (out[i] - wanted[i]) * (out[i] - wanted[i]);
    loss[r] = sum / (float)cols;
    for (long i = 0; d_y && i < cols; i++) d_y[r * cols + i] = scale * 2 / (float)cols * (out[i] - wanted[i]);
  }
}

static float sign(float x) {
  return (float)((x > 0) - (x < 0));
}

static void cpu_sgd(hd_ops *o, float *theta, float *v, const float *g, size_t n, hd_sgd_rule rule) {
  (void)o;
#pragma omp parallel for simd if (n >= WORTH_A_TEAM)
  for (size_t i = 0; i < n; i++) {
    const float d = rule.scale * g[i] + rule.weight_decay * theta[i] + rule.l1 * sign(theta[i]);
    v[i] = rule.momentum * v[i] + d;
    theta[i] -= rule.rate * v[i];
  }
}

static void cpu_adam(hd_ops *o, float *theta, float *m, float *v, const float *g, size_t n,
                     hd_adam_rule rule) {
  (void)o;
#pragma omp parallel for simd if (n >= WORTH_A_TEAM)
  for (size_t i = 0; i < n; i++) {
    const float d = rule.scale * g[i] + rule.weight_decay * theta[i] + rule.l1 * sign(theta[i]);
    m[i] = rule.beta1 * m[i] + (1 - rule.beta1) * d;
    v[i] = rule.beta2 * v[i] + (1 - rule.beta2) * d * d;
    const float step = m[i] / rule.correction1 / (sqrtf(v[i] / rule.correction2) + rule.epsilon);
    theta[i] -= rule.rate * (step + rule.decoupled_decay * theta[i]);
  }
}

static void cpu_axpy(hd_ops *o, float a, const float *x, float *y, size_t n) {
  (void)o;
#pragma omp parallel for simd if (n >= WORTH_A_TEAM)
  for (size_t i = 0; i < n; i++) y[i] += a * x[i];
}

static void cpu_scale(hd_ops *o, float a, float *x, size_t n) {
  (void)o;
#pragma omp parallel for simd if (n >= WORTH_A_TEAM)
  for (size_t i = 0; i < n; i++) x[i] *= a;
}

static void cpu_copy_block(hd_ops *o, float *to, long ld_to, const float *from, long ld_from, long rows,
                           long cols) {
  (void)o;
#pragma omp parallel for if (rows * cols >= WORTH_A_TEAM)
  for (long r = 0; r < rows; r++) memcpy(to + r * ld_to, from + r * ld_from, (size_t)cols * sizeof *to);
}

static bool cpu_all_finite(hd_ops *o, const float *x, size_t n) {
  (void)o;
  int bad = 0;
#pragma omp parallel for simd reduction(| : bad) if (n >= WORTH_A_TEAM)
  for (size_t i = 0; i < n; i++) bad |= !(fabsf(x[i]) <= FLT_MAX);
  return !bad;
}

static void cpu_round16(hd_ops *o, enum hd_type type, const float *x, uint16_t *y, size_t n) {
  (void)o;
  if (type == HD_F16) {
#pragma omp parallel for simd if (n >= WORTH_A_TEAM)
    for (size_t i = 0; i < n; i++) y[i] = hd_f16_from_float(x[i]);
  } else {
#pragma omp parallel for simd if (n >= WORTH_A_TEAM)
    for (size_t i = 0; i < n; i++) y[i] = hd_bf16_from_float(x[i]);
  }
}

// A 16-bit matrix of `rows` stored rows as fp32 in one of the table's two widened copies.
static const float *widened(hd_ops *o, int which, enum hd_type type, const uint16_t *x, long rows, long ld) {
  cpu_state *s = o->state;
  const size_t n = (size_t)(rows * ld);
  if (n > s->wide_room[which]) {
    free(s->wide[which]);
    s->wide[which] = hd_alloc(n, sizeof(float));
    s->wide_room[which] = n;
  }
  float *wide = s->wide[which];
  if (type == HD_F16) {
#pragma omp parallel for simd if (n >= WORTH_A_TEAM)
    for (size_t i = 0; i < n; i++) wide[i] = hd_f16_to_float(x[i]);
  } else {
#pragma omp parallel for simd if (n >= WORTH_A_TEAM)
    for (size_t i = 0; i < n; i++) wide[i] = hd_bf16_to_float(x[i]);
  }
  return wide;
}

// The product of two 16-bit numbers is exact in fp32, so widening first loses nothing; it only costs time.
static void cpu_gemm16(hd_ops *o, enum hd_type type, bool trans_a, bool trans_b, long m, long n, long k,
                       float alpha, const uint16_t *a, long lda, const uint16_t *b, long ldb, float beta,
                       float *c, long ldc) {
  const float *wide_a = widened(o, 0, type, a, trans_a ? k : m, lda);
  const float *wide_b = widened(o, 1, type, b, trans_b ? n : k, ldb);
  hd_gemm(trans_a, trans_b, m, n, k, alpha, wide_a, lda, wide_b, ldb, beta, c, ldc);
}

static void cpu_close(hd_ops *o) {
  cpu_state *s = o->state;
  free(s->marks);
  free(s->wide[0]);
  free(s->wide[1]);
  free(s);
  free(o);
}

hd_ops *hd_ops_cpu(void) {
  hd_ops *o = hd_alloc(1, sizeof *o);
  cpu_state *s = hd_alloc(1, sizeof *s);
  *s = (cpu_state){0};
  *o = (hd_ops){.name = "cpu",
                .on_host = true,
                .state = s,
                .alloc = cpu_alloc,
                .free = cpu_free,
                .upload = cpu_upload,
                .download = cpu_upload,
                .zero = cpu_zero,
                .synchronize = cpu_synchronize,
                .timer_start = cpu_timer_start,
                .timer_stop = cpu_timer_stop,
                .mark = cpu_mark,
                .mark_time = cpu_mark_time,
                .gemm = cpu_gemm,
                .bias_act = cpu_bias_act,
                .bias_act_backward = cpu_bias_act_backward,
                .softmax_loss = cpu_softmax_loss,
                .sgd = cpu_sgd,
                .adam = cpu_adam,
                .axpy = cpu_axpy,
                .scale = cpu_scale,
                .copy = cpu_upload,
                .copy_block = cpu_copy_block,
                .all_finite = cpu_all_finite,
                .squared_error = cpu_squared_error,
                .round16 = cpu_round16,
                .gemm16 = cpu_gemm16,
                .close = cpu_close};
  hd_cpu_image_operations(o);
  hd_cpu_sequence_operations(o);
  return o;
}

hd_ops *hd_ops_open(bool on_gpu, void *stream) {
  if (!on_gpu) return hd_ops_cpu();
#if HD_HAVE_CUDA
  return hd_ops_cuda(stream);
#else
  (void)stream;
  hd_fail(HD_EXIT_FAILURE, "built without CUDA: no GPU ranks (see make doctor)");
#endif
}
