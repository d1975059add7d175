// SPDX-License-Identifier: MIT
// Operands in their smaller formats, and what that costs in accuracy.
#include <math.h>
#include <string.h>

#include "tensor.h"

// tf32 is an fp32 with 11 bits of significand. To nearest, ties away from zero, as cvt.rna.tf32.f32 does.
static float tf32(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if ((bits & 0x7f800000) != 0x7f800000) bits = (bits + 0x1000) & 0xffffe000;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static void put(enum hd_type format, float x, size_t at, void *to) {
  if (format == HD_TF32)
    ((float *)to)[at] = tf32(x);
  else
    ((uint16_t *)to)[at] = hd_half_from_float(format, x);
}

// In blocks, so that columns are read while their cache lines are at hand.
void round_operand(enum hd_type format, const float *x, long n, float scale, bool by_columns, long side,
                   void *to) {
  enum { BLOCK = 32 };
  memset(to, 0, (size_t)side * (size_t)side * hd_type_bytes(format));
#pragma omp parallel for schedule(static)
  for (long i0 = 0; i0 < n; i0 += BLOCK)
    for (long j0 = 0; j0 < n; j0 += BLOCK)
      for (long i = i0; i < i0 + BLOCK && i < n; i++)
        for (long j = j0; j < j0 + BLOCK && j < n; j++)
          put(format, scale * (by_columns ? x[j * n + i] : x[i * n + j]), (size_t)(i * side + j), to);
}

double unit_roundoff(enum hd_type format) {
  switch (format) {
    case HD_BF16:
      return 0x1p-8;
    case HD_F16:
    case HD_TF32:
      return 0x1p-11;
    default:
      return 0x1p-24;
  }
}

void note_error(hd_case *c, enum hd_type format) {
  const hd_output *out = &c->outputs[0];
  if (c->size == 0) return;
  double errors = 0, squares = 0;
  for (size_t i = 0; i < out->count; i++) {
    const double error = ((const float *)out->data)[i] - out->expected[i];
    errors += error * error;
    squares += out->expected[i] * out->expected[i];
  }
  hd_figure(c, "rms_error", sqrt(errors / squares), "");
  if (format != HD_F32) hd_figure(c, "rms_error_expected", OPERAND_ERROR * unit_roundoff(format), "");
}
