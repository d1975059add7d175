// SPDX-License-Identifier: MIT
// The rungs of this lesson's ladder: C = A · B for n × n matrices in row-major order, C overwritten.
#ifndef LESSON_GEMM_CPU_LADDER_H
#define LESSON_GEMM_CPU_LADDER_H

void gemm_naive(long n, const float *a, const float *b, float *c);      // loops.c
void gemm_reordered(long n, const float *a, const float *b, float *c);  // loops.c
void gemm_blocked(long n, const float *a, const float *b, float *c);    // loops.c
void gemm_register(long n, const float *a, const float *b, float *c);   // tiles.c
void gemm_packed(long n, const float *a, const float *b, float *c);     // tiles.c
// The last rung is kernels/gemm/gemm.c.

#endif
