// SPDX-License-Identifier: MIT
#include "heddle/stats.h"

#include <math.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

hd_summary hd_summarize(double *values, size_t count) {
  hd_summary s = {.count = count, .min = NAN, .median = NAN, .max = NAN, .low = NAN, .high = NAN};
  if (count == 0) return s;
  qsort(values, count, sizeof values[0], ascending);
  s.min = values[0];
  s.max = values[count - 1];
  s.median = count % 2 ? values[count / 2] : 0.5 * (values[count / 2 - 1] + values[count / 2]);
  // The number of samples below the true median is binomial(count, 1/2). Dropping k at either end leaves a
  // coverage of 1 - 2 P(X < k + 1); take the largest k that keeps 95 %.
  double probability = pow(0.5, (double)count), below = probability;
  size_t drop = 0;
  if (probability > 0) {
    while (2 * below <= 0.05 && drop < count / 2) {
      drop++;
      probability *= (double)(count - drop + 1) / (double)drop;
      below += probability;
    }
  } else {  // more than ~1000 samples: the normal approximation of the same bound
    const double half = 0.5 * (double)count - 0.98 * sqrt((double)count);
    drop = half > 0 ? (size_t)half : 0;
  }
  const size_t cut = drop > 0 ? drop - 1 : 0;
  s.low = values[cut];
  s.high = values[count - 1 - cut];
  return s;
}

double hd_relative_half_width(const hd_summary *s) {
  return (s->high - s->low) / 2 / s->median;
}

// Each equation alpha + bytes·beta = t is divided by its t; then the normal equations in (alpha, beta).
void hd_fit_alpha_beta(const double *bytes, const double *seconds, int count, double *alpha_s,
                       double *bytes_per_s) {
  double aa = 0, ab = 0, bb = 0, a1 = 0, b1 = 0;
  for (int i = 0; i < count; i++) {
    const double a = 1 / seconds[i], b = bytes[i] / seconds[i];
    aa += a * a;
    ab += a * b;
    bb += b * b;
    a1 += a;
    b1 += b;
  }
  const double determinant = aa * bb - ab * ab;
  *alpha_s = *bytes_per_s = NAN;
  if (!(determinant > 1e-12 * aa * bb)) return;  // one size only, but for rounding
  *alpha_s = (a1 * bb - b1 * ab) / determinant;
  *bytes_per_s = determinant / (aa * b1 - ab * a1);
}
