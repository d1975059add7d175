// SPDX-License-Identifier: MIT
// Softmax on a CPU. Read from top to bottom.
#include <math.h>
#include <stdlib.h>

#include "exponential.h"
#include "fusion.h"
#include "heddle/error.h"
#include "heddle/simd.h"

// Three passes: the largest number, so that no exponential is too large; the exponentials and their sum; the
// quotients.
void run_softmax_serial(hd_case *c) {
  const rows_case *s = c->state;
  for (long r = 0; r < s->rows; r++) {
    const float *x = s->x + r * s->n;
    float *y = s->y + r * s->n, top = x[0], sum = 0;
    for (long i = 1; i < s->n; i++) top = x[i] > top ? x[i] : top;
    for (long i = 0; i < s->n; i++) sum += y[i] = expf(x[i] - top);
    for (long i = 0; i < s->n; i++) y[i] /= sum;
  }
}

// to = exp(x - max x); their sum.
static float exponentials(const float *x, float *to, long n) {
  float top = x[0], sum = 0;
#pragma omp simd reduction(max : top)
  for (long i = 0; i < n; i++) top = x[i] > top ? x[i] : top;
#pragma omp simd reduction(+ : sum)
  for (long i = 0; i < n; i++) sum += to[i] = exponential(x[i] - top);
  return sum;
}

static void softmax_row(const float *x, float *y, long n) {
  const float factor = 1 / exponentials(x, y, n);
#pragma omp simd
  for (long i = 0; i < n; i++) y[i] *= factor;
}

// Idea: vectors. The compiler makes them of all three loops once the exponential is no call: exponential.h. A
// division a row instead of one a number.
//
// Prediction: HD_WIDTH lanes, so some ten times faster: from the time of n calls to something near memory's.
void run_softmax_simd(hd_case *c) {
  const rows_case *s = c->state;
  for (long r = 0; r < s->rows; r++) softmax_row(s->x + r * s->n, s->y + r * s->n, s->n);
}

// Idea: rows belong to cores.
void run_softmax_omp(hd_case *c) {
  const rows_case *s = c->state;
#pragma omp parallel for schedule(static)
  for (long r = 0; r < s->rows; r++) softmax_row(s->x + r * s->n, s->y + r * s->n, s->n);
}

// Idea: a row's exponentials stay in a buffer that stays in the cache; what leaves it is the result, by
// stores that do not first fetch the line which they overwrite.
//
// Prediction: 8 bytes an element instead of 12. A row that does not start at a vector is stored as before.
void run_softmax_stream(hd_case *c) {
  const rows_case *s = c->state;
  const bool aligned = s->n % HD_WIDTH == 0;
#pragma omp parallel
  {
    float *row = hd_alloc((size_t)s->n, sizeof *row);
#pragma omp for schedule(static)
    for (long r = 0; r < s->rows; r++) {
      float *y = s->y + r * s->n;
      const float factor = 1 / exponentials(s->x + r * s->n, row, s->n);
      if (aligned)
        for (long i = 0; i < s->n; i += HD_WIDTH)
          hd_store_around_cache(y + i, *(const hd_floats *)(row + i) * factor);
      else
        for (long i = 0; i < s->n; i++) y[i] = row[i] * factor;
    }
    free(row);
  }
}
