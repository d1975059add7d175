// SPDX-License-Identifier: MIT
#include "case.h"

#include <math.h>
#include <stdlib.h>

#include "heddle/device.h"
#include "heddle/error.h"
#include "heddle/random.h"

void note_traffic(hd_case *c, double moved, double kept) {
  if (moved > 0) hd_figure(c, "moved", moved, "B");
  hd_figure(c, "matrix", kept, "B");
}

void note_intensity(hd_case *c, double moves, enum hd_type operands) {
  const attention_case *a = c->state;
  const double triangle = (double)a->heads * (double)a->n * (double)(a->n + 1) / 2;
  const double arrays = hd_this_lesson.bytes(c);
  double flops, bytes;
  hd_device_peaks(&flops, &bytes);
  hd_figure(c, "intensity", hd_this_lesson.flops(c) / (arrays + 4 * moves * triangle), "");
  hd_figure(c, "roof_flops", hd_device_product_peak(operands), "FLOP/s");
  hd_figure(c, "roof_bytes", bytes, "B/s");
}

// ---------------------------------------------------------------- rows

void setup_rows(hd_case *c, enum part part, long elements) {
  rows_case *s = c->state = hd_alloc(1, sizeof *s);
  const long n = c->size, rows = elements / n > 1 ? elements / n : 1;
  const size_t count = (size_t)rows * (size_t)n;
  *s = (rows_case){.part = part, .rows = rows, .n = n};
  s->x = hd_new_normal(count, c->seed, 0, 1);
  s->y = hd_alloc(count, sizeof *s->y);
  hd_add_output(c, "y", s->y, count, HD_F32);
  if (part == SOFTMAX) return;
  s->residual = hd_new_normal(count, c->seed, 1, 1);
  s->gain = hd_new_normal((size_t)n, c->seed, 2, 1);
  s->bias = hd_new_normal((size_t)n, c->seed, 3, 1);
  s->h = hd_alloc(count, sizeof *s->h);
  hd_add_output(c, "h", s->h, count, HD_F32);
}

void teardown_rows(hd_case *c) {
  rows_case *s = c->state;
  free(s->x);
  free(s->residual);
  free(s->h);
  free(s->y);
  free(s->gain);
  free(s->bias);
  free(s);
}

void reference_softmax(hd_case *c) {
  const rows_case *s = c->state;
  double *y = c->outputs[0].expected;
#pragma omp parallel for
  for (long r = 0; r < s->rows; r++) {
    double top = -INFINITY, sum = 0;
    for (long i = r * s->n; i < (r + 1) * s->n; i++) top = fmax(top, s->x[i]);
    for (long i = r * s->n; i < (r + 1) * s->n; i++) sum += y[i] = exp(s->x[i] - top);
    for (long i = r * s->n; i < (r + 1) * s->n; i++) y[i] /= sum;
  }
}

void reference_norm(hd_case *c) {
  const rows_case *s = c->state;
  double *y = c->outputs[0].expected, *h = c->outputs[1].expected;
#pragma omp parallel for
  for (long r = 0; r < s->rows; r++) {
    const long first = r * s->n;
    double sum = 0, squares = 0;
    for (long i = first; i < first + s->n; i++) sum += h[i] = (double)s->x[i] + s->residual[i];
    const double mean = sum / (double)s->n;
    for (long i = first; i < first + s->n; i++) squares += (h[i] - mean) * (h[i] - mean);
    const double inverse = 1 / sqrt(squares / (double)s->n + NORM_EPSILON);
    for (long i = 0; i < s->n; i++) y[first + i] = s->gain[i] * (h[first + i] - mean) * inverse + s->bias[i];
  }
}

// ---------------------------------------------------------------- attention

void setup_attention(hd_case *c, long heads, long n) {
  attention_case *a = c->state = hd_alloc(1, sizeof *a);
  const size_t count = (size_t)heads * (size_t)n * WIDTH;
  *a = (attention_case){.heads = heads, .n = n};
  a->q = hd_new_normal(count, c->seed, 0, 1);
  a->k = hd_new_normal(count, c->seed, 1, 1);
  a->v = hd_new_normal(count, c->seed, 2, 1);
  a->y = hd_alloc(count, sizeof *a->y);
  hd_add_output(c, "y", a->y, count, HD_F32);
}

void teardown_attention(hd_case *c) {
  attention_case *a = c->state;
  free(a->q);
  free(a->k);
  free(a->v);
  free(a->y);
  free(a);
}

void reference_attention(hd_case *c) {
  const attention_case *a = c->state;
#pragma omp parallel
  {
    double *weights = hd_alloc((size_t)a->n, sizeof *weights);
#pragma omp for schedule(dynamic, 16)
    for (long row = 0; row < a->heads * a->n; row++) {
      const long first = row / a->n * a->n * WIDTH, t = row % a->n;
      const float *q = a->q + row * WIDTH, *k = a->k + first, *v = a->v + first;
      double *y = c->outputs[0].expected + row * WIDTH, top = -INFINITY, sum = 0;
      for (long s = 0; s <= t; s++) {
        double dot = 0;
#pragma omp simd reduction(+ : dot)
        for (long i = 0; i < WIDTH; i++) dot += (double)q[i] * k[s * WIDTH + i];
        weights[s] = dot / sqrt(WIDTH);
        top = fmax(top, weights[s]);
      }
      for (long s = 0; s <= t; s++) sum += weights[s] = exp(weights[s] - top);
      for (long i = 0; i < WIDTH; i++) y[i] = 0;
      for (long s = 0; s <= t; s++)
#pragma omp simd
        for (long i = 0; i < WIDTH; i++) y[i] += weights[s] / sum * v[s * WIDTH + i];
    }
    free(weights);
  }
}
