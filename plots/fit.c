// SPDX-License-Identifier: MIT
#include "fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double STEP = 0.1, LARGEST = 1.0, DONE = 0.002, PRIOR = 1e-3;
enum { ROUNDS = 3 };

// Solves a·x = b for a positive definite matrix by Gaussian elimination.
static void solve(int n, double a[HD_FIT_MOST][HD_FIT_MOST], double *b) {
  for (int k = 0; k < n; k++)
    for (int i = k + 1; i < n; i++) {
      const double factor = a[i][k] / a[k][k];
      for (int j = k; j < n; j++) a[i][j] -= factor * a[k][j];
      b[i] -= factor * b[k];
    }
  for (int k = n - 1; k >= 0; k--) {
    for (int j = k + 1; j < n; j++) b[k] -= a[k][j] * b[j];
    b[k] /= a[k][k];
  }
}

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// The weights' scale: errors much larger than the usual one count little.
static double usual(const double *residual, int count, double *room) {
  int known = 0;
  for (int i = 0; i < count; i++)
    if (!isnan(residual[i])) room[known++] = fabs(residual[i]);
  if (known == 0) return 1;
  qsort(room, (size_t)known, sizeof *room, by_size);
  return fmax(0.02, room[known / 2]);
}

static double clamped(double x, double low, double high) {
  return fmin(fmax(x, low), high);
}

// One step from the residuals and their derivatives (numbers × count); the largest change of a logarithm.
static double take_step(hd_fit *fit, const double *residual, const double *slopes, int count, double scale) {
  const int n = fit->numbers;
  double a[HD_FIT_MOST][HD_FIT_MOST] = {{0}}, b[HD_FIT_MOST] = {0}, largest = 0;
  for (int k = 0; k < n; k++) fit->influence[k] = 0;
  for (int i = 0; i < count; i++) {
    const double weight = 1 / (1 + residual[i] * residual[i] / (scale * scale) / 4);
    if (isnan(residual[i])) continue;
    for (int k = 0; k < n; k++) {
      const double slope = slopes[k * count + i];
      b[k] -= weight * slope * residual[i];
      fit->influence[k] += weight * fabs(slope);
      for (int j = 0; j < n; j++) a[k][j] += weight * slope * slopes[j * count + i];
    }
  }
  for (int k = 0; k < n; k++) a[k][k] += PRIOR;
  solve(n, a, b);
  for (int k = 0; k < n; k++) {
    const double before = fit->value[k];
    fit->value[k] = clamped(before * exp(clamped(b[k], -LARGEST, LARGEST)), fit->low[k], fit->high[k]);
    largest = fmax(largest, fabs(log(fit->value[k] / before)));
  }
  return largest;
}

bool hd_fit_logs(hd_fit *fit, const double *observed, int count, hd_predict *predict, void *arg) {
  const size_t n = (size_t)fit->numbers, m = (size_t)count;
  double *room = malloc((n + 3) * m * sizeof *room);
  if (room == NULL) return false;
  double *slopes = room, *now = slopes + n * m, *residual = now + m, *scratch = residual + m;
  bool fine = true;
  for (int round = 0; fine && round < ROUNDS; round++) {
    fine = predict(fit->value, now, count, arg);
    double worst = 0;
    for (int i = 0; i < count; i++) {
      residual[i] = log(now[i] / observed[i]);
      worst = fmax(worst, fabs(residual[i]));
    }
    if (fine && round > 0 && worst < DONE) break;
    for (size_t k = 0; fine && k < n; k++) {
      double other[HD_FIT_MOST];
      memcpy(other, fit->value, n * sizeof *other);
      const double step = other[k] * exp(STEP) > fit->high[k] ? -STEP : STEP;
      other[k] *= exp(step);
      fine = predict(other, scratch, count, arg);
      for (size_t i = 0; i < m; i++) {
        slopes[k * m + i] = log(scratch[i] / now[i]) / step;
        if (isnan(slopes[k * m + i])) slopes[k * m + i] = 0;
      }
    }
    if (fine && take_step(fit, residual, slopes, count, usual(residual, count, scratch)) < DONE) break;
  }
  free(room);
  return fine;
}
