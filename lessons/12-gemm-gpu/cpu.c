// SPDX-License-Identifier: MIT
// What a CPU makes of it: where the ladder starts, and what there is to beat.
#include "gemm_gpu.h"
#include "kernels/gemm/gemm.h"

// One row of C at a time, along the rows of B, so that the loads are in order. Lesson 07 climbs from here.
void run_serial(hd_case *c) {
  const gemm_case *m = c->state;
  const long n = c->size;
  for (long i = 0; i < n; i++) {
    float *to = m->c + i * n;
    for (long j = 0; j < n; j++) to[j] = 0;
    for (long k = 0; k < n; k++) {
      const float factor = m->a[i * n + k], *from = m->b + k * n;
      for (long j = 0; j < n; j++) to[j] += factor * from[j];
    }
  }
}

void run_omp_micro(hd_case *c) {
  const gemm_case *m = c->state;
  const long n = c->size;
  hd_gemm(false, false, n, n, n, 1, m->a, n, m->b, n, 0, m->c, n);
}
