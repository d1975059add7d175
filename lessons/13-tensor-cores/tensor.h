// SPDX-License-Identifier: MIT
// C = A · B for square matrices, operands rounded to a smaller format, sums in fp32: one case, and the
// product by each rung. The fp32 rungs are lesson 12's own.
#ifndef TENSOR_H
#define TENSOR_H
#include "heddle/bench.h"
#include "heddle/type.h"
#include "lessons/12-gemm-gpu/gemm_gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

// On the GPU all three are padded with zeros to `side` rows and columns, a multiple of the largest tile: no
// kernel has to look where a matrix ends, and every row starts at a multiple of 16 bytes.
enum { TILE = 128 };
typedef struct tensor_case {
  gemm_case full;  // first, for lesson 12's rungs: a, b and c in fp32
  void *a, *b;     // rounded, between place_* and release_operands: A by rows, B by columns
  float *c;        // by rows
  int side;
  enum hd_type format;  // of a and b
} tensor_case;

// cpu.c. Both operands rounded to `format` and kept in 16 bits, widened while they are packed.
hd_run run_omp_bf16, run_omp_fp16;

// operands.c. Writes x (n × n, by rows), rounded and padded, by rows or by columns; `scale` comes first.
void round_operand(enum hd_type format, const float *x, long n, float scale, bool by_columns, long side,
                   void *to);
// Root mean square of C's error, and what rounding the operands to `format` should make of it, as figures.
void note_error(hd_case *c, enum hd_type format);
// In units of the format's u (half of the distance from 1 to the next number), for operands of N(0,1): the
// README derives it.
static const double OPERAND_ERROR = 0.60;
double unit_roundoff(enum hd_type format);

// place.cu: the steps of hd_place.
hd_run place_bf16, place_fp16, place_tf32, place_fp16_large, collect_product, collect_large, release_operands;
hd_run collect_full;

// In reading order; B stands for bf16, H for fp16, T for tf32.
hd_run run_wmma, run_wmma_shared;                       // wmma.cu
hd_run run_mma, run_mma_swizzle;                        // mma.cu
hd_run run_async_bf16, run_async_fp16, run_async_tf32;  // async.cu
hd_run run_library, run_silent_tf32;                    // library.cu

#ifdef __cplusplus
}
#endif
#endif
