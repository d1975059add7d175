// SPDX-License-Identifier: MIT
// What a row of readings tells: the spread of the time between two of them.
#ifndef SAMPLES_H
#define SAMPLES_H
#include "heddle/bench.h"

#ifdef __cplusplus
extern "C" {
#endif

// Reports mean, median, 99th percentile, longest and smallest non-zero of `count` samples in nanoseconds, and
// their histogram, as figures of the row. Sorts the samples.
void report_samples(hd_case *c, double *ns, long count);

#ifdef __cplusplus
}
#endif
#endif
