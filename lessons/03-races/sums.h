// SPDX-License-Identifier: MIT
// Seven ways to add up n numbers with several threads. x: (n) floats in (0, 1); the sum is kept in double.
#ifndef SUMS_H
#define SUMS_H

double sum_serial(const float *x, long n);
double sum_racy(const float *x, long n);
double sum_critical(const float *x, long n);
double sum_atomic(const float *x, long n);
double sum_shared_line(const float *x, long n);
double sum_padded(const float *x, long n);
double sum_reduction(const float *x, long n);
double sum_yours(const float *x, long n);  // the lab's

#endif
