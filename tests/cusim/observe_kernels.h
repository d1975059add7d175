// SPDX-License-Identifier: MIT
#ifndef OBSERVE_KERNELS_H
#define OBSERVE_KERNELS_H
void kernel_sgemm(int thread, int n, const float *a, const float *b, float *c);  // one block of 32 threads
void kernel_dgemm(int thread, int n, const double *a, const double *b, double *c);
void kernel_add(int i, float *c, const float *a, const float *b);
void kernel_multiply(int i, double *c, const double *a, const double *b);
void kernel_divide(int i, float *c, const float *a, const float *b);
void kernel_quad(int i, float *c, const float *a);
void kernel_no_flops(int i, float *c, const float *a, const int *b);
void kernel_branches(int i, float *c, const float *a);
#endif
