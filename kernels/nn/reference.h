// SPDX-License-Identifier: MIT
// What the lessons' serial twins in double precision are made of. None of it is shared with what they judge.
#ifndef HEDDLE_KERNELS_NN_REFERENCE_H
#define HEDDLE_KERNELS_NN_REFERENCE_H
#include <stddef.h>

// c (m, n) += a (m, k) · b (k, n), c in rows of n; element (i, p) of a lies at a[i * a_row + p * a_col], that
// of b alike, so that either may be a transposed one.
void hd_reference_product(long m, long n, long k, const double *a, long a_row, long a_col, const double *b,
                          long b_row, long b_col, double *c);

// GELU in its tanh form (Hendrycks and Gimpel 2016) and its derivative.
double hd_reference_gelu(double z);
double hd_reference_gelu_slope(double z);

// New arrays, the caller's to free: `count` zeros, and a copy of x.
double *hd_reference_zeros(size_t count);
double *hd_reference_widened(const float *x, size_t count);
#endif
