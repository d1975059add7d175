// SPDX-License-Identifier: MIT
// h = x + residual, y = layer norm of h, on a CPU. Read from top to bottom.
#include <math.h>
#include <stdlib.h>

#include "fusion.h"
#include "heddle/error.h"
#include "heddle/simd.h"

// By the book: the sum; its mean; the mean of the squared differences from it; the result. Sums in double, of
// which each addition waits for the one before anyway.
void run_norm_serial(hd_case *c) {
  const rows_case *s = c->state;
  for (long r = 0; r < s->rows; r++) {
    const float *x = s->x + r * s->n, *residual = s->residual + r * s->n;
    float *h = s->h + r * s->n, *y = s->y + r * s->n;
    double sum = 0, squares = 0;
    for (long i = 0; i < s->n; i++) sum += h[i] = x[i] + residual[i];
    const float mean = (float)(sum / (double)s->n);
    for (long i = 0; i < s->n; i++) squares += (h[i] - mean) * (h[i] - mean);
    const float inverse = 1 / sqrtf((float)(squares / (double)s->n) + NORM_EPSILON);
    for (long i = 0; i < s->n; i++) y[i] = s->gain[i] * ((h[i] - mean) * inverse) + s->bias[i];
  }
}

typedef struct spread {
  float mean, inverse;
} spread;

// h = x + residual and its moments. Vectors of sums: a chain for each lane.
static spread add_rows(const float *x, const float *residual, float *h, long n) {
  float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
  for (long i = 0; i < n; i++) sum += h[i] = x[i] + residual[i];
  const float mean = sum / (float)n;
#pragma omp simd reduction(+ : squares)
  for (long i = 0; i < n; i++) squares += (h[i] - mean) * (h[i] - mean);
  return (spread){mean, 1 / sqrtf(squares / (float)n + NORM_EPSILON)};
}

// Idea: vectors, and rows for each core. A row stays in the cache for its three passes, as on a GPU.
void run_norm_omp(hd_case *c) {
  const rows_case *s = c->state;
#pragma omp parallel for schedule(static)
  for (long r = 0; r < s->rows; r++) {
    float *h = s->h + r * s->n, *y = s->y + r * s->n;
    const spread row = add_rows(s->x + r * s->n, s->residual + r * s->n, h, s->n);
#pragma omp simd
    for (long i = 0; i < s->n; i++) y[i] = s->gain[i] * ((h[i] - row.mean) * row.inverse) + s->bias[i];
  }
}

// Idea: h stays in a buffer of one row; h and y are stored around the cache, by which no line is fetched to
// be overwritten.
//
// Prediction: 16 bytes an element instead of 24.
void run_norm_stream(hd_case *c) {
  const rows_case *s = c->state;
  const long n = s->n;
  if (n % HD_WIDTH != 0) {  // rows that do not start at a vector
    run_norm_omp(c);
    return;
  }
#pragma omp parallel
  {
    float *row = hd_alloc((size_t)n, sizeof *row);
#pragma omp for schedule(static)
    for (long r = 0; r < s->rows; r++) {
      const spread all = add_rows(s->x + r * n, s->residual + r * n, row, n);
      for (long i = 0; i < n; i += HD_WIDTH) {
        const hd_floats h = *(const hd_floats *)(row + i), gain = *(const hd_floats *)(s->gain + i),
                        bias = *(const hd_floats *)(s->bias + i);
        hd_store_around_cache(s->h + r * n + i, h);
        hd_store_around_cache(s->y + r * n + i, gain * ((h - all.mean) * all.inverse) + bias);
      }
    }
    free(row);
  }
}
