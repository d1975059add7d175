// SPDX-License-Identifier: MIT
// Kernels built as simnvcc builds them for traced blocks; observe_decode.c counts what they do.
#include "observe_kernels.h"

typedef float quad __attribute__((vector_size(16)));

void kernel_sgemm(int thread, int n, const float *a, const float *b, float *c) {
  for (int i = thread; i < n * n; i += 32) {
    float sum = 0;
    for (int k = 0; k < n; k++) sum += a[i / n * n + k] * b[k * n + i % n];
    c[i] = sum;
  }
}

void kernel_dgemm(int thread, int n, const double *a, const double *b, double *c) {
  for (int i = thread; i < n * n; i += 32) {
    double sum = 0;
    for (int k = 0; k < n; k++) sum += a[i / n * n + k] * b[k * n + i % n];
    c[i] = sum;
  }
}

void kernel_add(int i, float *c, const float *a, const float *b) {
  c[i] = a[i] + b[i];
}
void kernel_multiply(int i, double *c, const double *a, const double *b) {
  c[i] = a[i] * b[i];
}
void kernel_divide(int i, float *c, const float *a, const float *b) {
  c[i] = a[i] / b[i];
}
void kernel_quad(int i, float *c, const float *a) {
  ((quad *)c)[i] = ((const quad *)a)[i] + ((const quad *)a)[i];
}

// Only moves, comparisons and conversions: no FLOP.
void kernel_no_flops(int i, float *c, const float *a, const int *b) {
  c[i] = a[i] > (float)b[i] ? a[i] : (float)b[i];
}

void kernel_branches(int i, float *c, const float *a) {
  if (i % 2)
    c[i] = a[i] * 3;
  else
    c[i] = a[i] + 1;
}
