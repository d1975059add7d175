// SPDX-License-Identifier: MIT
// One step shows N(0, σ²) without the image, and (1-q)·N(0, σ²) + q·N(1, σ²) with it, in units of the
// clipping length. Their Rényi divergence of order a is log E[((1-q) + q·exp((2z-1)/(2σ²)))^a] / (a-1), z
// from N(0, σ²). Divergences of steps add up, and D(a) of all of them gives ε = D(a) + log(1/δ)/(a-1), for
// the best a.
#include "accountant.h"

#include <math.h>

// log(exp(a) + exp(b)).
static double log_sum(double a, double b) {
  const double top = fmax(a, b);
  return top == -INFINITY ? top : top + log1p(exp(fmin(a, b) - top));
}

// The expectation by the trapezoidal rule, whose error for smooth integrands that vanish at both ends falls
// faster than any power of the step. The integrand is largest between 0 and the order.
double renyi(double rate, double noise, double order) {
  if (rate == 0) return 0;
  if (rate == 1) return order / (2 * noise * noise);
  const double variance = noise * noise, low = -12 * noise, high = order + 12 * noise;
  const int points = (int)(32 * (high - low) / noise);
  const double step = (high - low) / points;
  double sum = -INFINITY;
  for (int i = 0; i <= points; i++) {
    const double z = low + step * i;
    const double ratio = log_sum(log1p(-rate), log(rate) + (2 * z - 1) / (2 * variance));
    sum = log_sum(sum, order * ratio - z * z / (2 * variance));
  }
  return (sum + log(step) - log(noise * sqrt(2 * M_PI))) / (order - 1);
}

double privacy_spent(double rate, double noise, long steps, double delta) {
  if (rate == 0 || steps == 0) return 0;
  if (noise == 0) return INFINITY;
  double best = INFINITY;
  for (int i = 1; i <= 84; i++) {  // 1.25 … 12, close together; up to 64; up to 512
    const double order = i <= 44 ? 1 + i / 4.0 : i <= 70 ? 12 + 2 * (i - 44) : 64 + 32 * (i - 70);
    const double epsilon = (double)steps * renyi(rate, noise, order) + log(1 / delta) / (order - 1);
    best = fmin(best, epsilon);
  }
  return best;
}
