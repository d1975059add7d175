// SPDX-License-Identifier: MIT
// Robust statistics of repeated timings (REFERENCES: medians with their confidence interval, never a bare
// mean).
#ifndef HEDDLE_STATS_H
#define HEDDLE_STATS_H
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hd_summary {
  size_t count;
  double min, median, max;
  double low,
      high;  // 95 % confidence interval of the median, from order statistics (binomial, distribution-free)
} hd_summary;

// Sorts values[0..count) and summarises them. An even count averages the two middle values. Below six samples
// no 95 % interval exists and the interval is [min, max]. count 0 gives NaNs.
hd_summary hd_summarize(double *values, size_t count);

// Half-width of the interval over the median, (high - low) / 2 / median.
double hd_relative_half_width(const hd_summary *s);

// The line seconds = alpha_s + bytes / bytes_per_s with the least squares of relative errors, so that short
// messages count as much as long ones. Half the bandwidth is reached at alpha_s · bytes_per_s bytes. NaNs if
// there are fewer than two different sizes.
void hd_fit_alpha_beta(const double *bytes, const double *seconds, int count, double *alpha_s,
                       double *bytes_per_s);

#ifdef __cplusplus
}
#endif
#endif
