// SPDX-License-Identifier: MIT
// The operands on the GPU, rounded. None of this is timed: networks keep their operands in these formats.
#include <stdlib.h>

#include "heddle/device.h"
#include "heddle/error.h"
#include "tensor.h"

static int padded(long n) {
  return (int)tiles((int)n, TILE) * TILE;
}

static void *upload(enum hd_type format, const float *x, long n, float scale, bool by_columns) {
  const int side = padded(n);
  const size_t bytes = (size_t)side * side * hd_type_bytes(format);
  void *rounded = hd_alloc(bytes, 1), *to = NULL;
  round_operand(format, x, n, scale, by_columns, side, rounded);
  HD_CUDA(cudaMalloc(&to, bytes));
  HD_CUDA(cudaMemcpy(to, rounded, bytes, cudaMemcpyHostToDevice));
  free(rounded);
  return to;
}

static void place(hd_case *c, enum hd_type format, float scale) {
  tensor_case *m = (tensor_case *)c->state;
  const long n = c->size;
  const size_t row = (size_t)n * sizeof(float);
  m->format = format;
  m->side = padded(n);
  m->a = upload(format, m->full.a, n, scale, false);
  m->b = upload(format, m->full.b, n, scale, true);
  HD_CUDA(cudaMalloc((void **)&m->c, (size_t)m->side * m->side * sizeof(float)));
  HD_CUDA(cudaMemset(m->c, 0xff, (size_t)m->side * m->side * sizeof(float)));  // poison: NaN
  if (n > 0)
    HD_CUDA(
        cudaMemcpy2D(m->c, m->side * sizeof(float), m->full.c, row, row, (size_t)n, cudaMemcpyHostToDevice));
}

void place_bf16(hd_case *c) {
  place(c, HD_BF16, 1);
}
void place_fp16(hd_case *c) {
  place(c, HD_F16, 1);
}
void place_tf32(hd_case *c) {
  place(c, HD_TF32, 1);
}

static void collect(hd_case *c, float scale) {
  const tensor_case *m = (const tensor_case *)c->state;
  const size_t row = (size_t)c->size * sizeof(float), count = (size_t)c->size * (size_t)c->size;
  if (c->size > 0)
    HD_CUDA(cudaMemcpy2D(m->full.c, row, m->c, m->side * sizeof(float), row, (size_t)c->size,
                         cudaMemcpyDeviceToHost));
  for (size_t i = 0; i < count && scale != 1; i++) m->full.c[i] *= scale;
}

void collect_product(hd_case *c) {
  collect(c, 1);
  note_error(c, ((const tensor_case *)c->state)->format);
}
void collect_full(hd_case *c) {
  collect_matrices(c);
  note_error(c, HD_F32);
}

// The same matrices in another unit, 2^17 times smaller: their numbers are 2^17 times larger, and beyond
// fp16's largest, 65504. A power of two is exact in every format that has the exponents for it.
static const float UNIT = 0x1p17f;
void place_fp16_large(hd_case *c) {
  place(c, HD_F16, UNIT);
}
void collect_large(hd_case *c) {
  collect(c, 1 / (UNIT * UNIT));
}

void release_operands(hd_case *c) {
  tensor_case *m = (tensor_case *)c->state;
  HD_CUDA(cudaFree(m->a));
  HD_CUDA(cudaFree(m->b));
  HD_CUDA(cudaFree(m->c));
  m->a = m->b = NULL;
  m->c = NULL;
}
