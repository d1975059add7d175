// SPDX-License-Identifier: MIT
// 16-bit operands on a CPU.
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "heddle/error.h"
#include "kernels/gemm/gemm.h"
#include "tensor.h"

enum { PANEL = 512 };  // of k: three panels of it stay in a cache

// One instruction where the CPU has F16C; hd_f16_to_float takes some twenty.
static inline float widened(enum hd_type format, uint16_t x) {
#ifdef __F16C__
  if (format == HD_F16) {
    _Float16 value;
    memcpy(&value, &x, sizeof value);
    return (float)value;
  }
#endif
  return hd_half_to_float(format, x);
}

// Idea: A and B lie in memory in 16 bits; a panel of each is widened to fp32 and multiplied by lesson 07's
// micro-kernel. A bf16 becomes an fp32 by a shift, an fp16 by one instruction (F16C).
//
// Prediction: no faster. The multipliers are still those of fp32, and n³ products hide n² conversions, but
// also the halved traffic. The error is all of the format: CPUs without a dot product of 16-bit pairs
// (AVX512-BF16, AMX) gain memory, not speed.
static inline void widened_product(hd_case *c, enum hd_type format) {
  const gemm_case *m = c->state;
  const long n = c->size;
  const size_t count = (size_t)n * (size_t)n;
  uint16_t *a = hd_alloc(count, sizeof *a), *b = hd_alloc(count, sizeof *b);
  float *panel_a = hd_alloc((size_t)n * PANEL, sizeof *panel_a),
        *panel_b = hd_alloc((size_t)n * PANEL, sizeof *panel_b);
#pragma omp parallel for schedule(static)
  for (size_t i = 0; i < count; i++) {
    a[i] = hd_half_from_float(format, m->a[i]);
    b[i] = hd_half_from_float(format, m->b[i]);
  }
  const double start = omp_get_wtime();
  for (long k0 = 0; k0 < n; k0 += PANEL) {
    const long k = n - k0 < PANEL ? n - k0 : PANEL;
#pragma omp parallel for schedule(static)
    for (long i = 0; i < n; i++)
      for (long j = 0; j < k; j++) panel_a[i * k + j] = widened(format, a[i * n + k0 + j]);
#pragma omp parallel for schedule(static)
    for (long i = 0; i < k; i++)
      for (long j = 0; j < n; j++) panel_b[i * n + j] = widened(format, b[(k0 + i) * n + j]);
    hd_gemm(false, false, n, n, k, 1, panel_a, k, panel_b, n, k0 > 0, m->c, n);
  }
  hd_report_time(c, omp_get_wtime() - start);  // operands are kept in the format: rounding them is not timed
  free(a);
  free(b);
  free(panel_a);
  free(panel_b);
  if (c->verifying) note_error(c, format);
}

void run_omp_bf16(hd_case *c) {
  widened_product(c, HD_BF16);
}
void run_omp_fp16(hd_case *c) {
  widened_product(c, HD_F16);
}
