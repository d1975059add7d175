// SPDX-License-Identifier: MIT
// Three computations over rows, and each of them by its rungs. Every GPU run_* works on the default stream.
#ifndef FUSION_H
#define FUSION_H
#include <stdint.h>

#include "heddle/bench.h"

#ifdef __cplusplus
extern "C" {
#endif

enum part { SOFTMAX, LAYER_NORM, ATTENTION };

// Softmax: y = exp(x) / Σ exp(x), row by row. Layer norm: h = x + residual, then y = gain · (h - mean) /
// √(variance + NORM_EPSILON) + bias, row by row; what softmax does not have is NULL.
#define NORM_EPSILON 1e-5f
typedef struct rows_case {
  enum part part;
  long rows, n;
  float *x, *residual, *h, *y;  // (rows, n) on the host
  float *gain, *bias;           // (n)
  // On the GPU, between place_rows and release_rows.
  float *on_x, *on_residual, *on_h, *on_y, *on_gain, *on_bias;
  float *statistics;   // two for each row
  struct hd_ops *ops;  // of the rung that is kernels/nn
  float shift;         // what place_shifted has added to x
} rows_case;

// Causal attention of `heads` heads: y[t] = Σ_s p[t][s] · v[s] over s ≤ t, p[t] the softmax of q[t] · k[s] /
// √WIDTH. All four are (heads, n, WIDTH); kernels/nn has them side by side in rows of `qkv`.
enum { WIDTH = 64, TILE = 64 };
typedef struct attention_case {
  long heads, n;
  float *q, *k, *v, *y;
  // On the GPU, between place_* and release_attention.
  float *on_q, *on_k, *on_v, *on_y;
  float *scores;                   // (heads, n, n), for the rungs that keep them
  float *statistics;               // two for each query
  void *half_q, *half_k, *half_v;  // in bf16, (heads, padded, WIDTH), zeros behind the n-th row
  long padded;
  struct hd_ops *ops;  // of the rung that is kernels/nn
} attention_case;

// For the figures: bytes that a rung's loads and stores ask of the memory system, re-reads included; bytes of
// the n × n matrices that it keeps.
void note_traffic(hd_case *c, double moved, double kept);
// Attention's place on the roofline: FLOPs for each byte that passes DRAM, where the scores do so `moves`
// times beside inputs and results.
void note_intensity(hd_case *c, double moves, enum hd_type operands);

// arrays.cu, attention_arrays.cu: the steps of hd_place. place_shifted adds a number to all of x that neither
// result depends on.
hd_run place_rows, place_shifted, collect_rows, release_rows;
hd_run place_attention, place_matrix, place_half, place_packed, collect_attention, collect_half,
    collect_packed, release_attention;
// What rounding all operands to bf16 makes of a row, relative to its size: lesson.c derives it.
static const double HALF_ERROR = 0.85 * 0x1p-8;
static inline float shift_of(enum part part) {
  return part == SOFTMAX ? 128 : 4096;
}

// In reading order.
hd_run run_softmax_serial, run_softmax_simd, run_softmax_omp, run_softmax_stream;         // softmax_cpu.c
hd_run run_softmax_separate, run_softmax_thread, run_softmax_block, run_softmax_warp;     // softmax.cu
hd_run run_softmax_no_max;                                                                // softmax.cu
hd_run run_softmax_online, run_softmax_held;                                              // softmax_online.cu
hd_run run_norm_serial, run_norm_omp, run_norm_stream;                                    // norm_cpu.c
hd_run run_norm_separate, run_norm_kernel, run_norm_fused;                                // norm.cu
hd_run run_norm_squares, run_norm_welford, run_norm_held;                                 // norm_once.cu
hd_run run_attention_serial, run_attention_omp, run_attention_gemm, run_attention_tiles;  // attention_cpu.c
hd_run run_attention_naive, run_attention_tiled, run_attention_fused;                     // attention.cu
hd_run run_attention_flash, run_attention_causal, run_attention_stale;                    // flash.cu
hd_run run_attention_half;                                                                // flash_half.cu
hd_run run_attention_kernel, run_attention_cublas;                                        // library.cu

// y[0..count) = softmax of rows, in place, by one warp for each: softmax.cu. Row r keeps its first r % length
// + 1 entries, the others become 0.
void softmax_of_scores(float *scores, long rows, long length);
// h = x + residual: norm.cu.
void add_residual(const rows_case *r);

#ifdef __cplusplus
}
#endif
#endif
