// SPDX-License-Identifier: MIT
// Flash attention (Dao et al. 2022): scores are a tile in registers, used and forgotten.
#include <float.h>

#include "fusion.h"
#include "heddle/device.h"
#include "tiles.cuh"

// exp(score / √WIDTH) = 2^(FACTOR · score): one multiplication for both.
static const float FACTOR = 0.125f * 1.44269504f;

// Idea: a block has 64 queries and walks over all keys and values by tiles of 64. What it keeps of a query is
// the largest score so far, the sum of exponentials so far, and the sum of values so far, in registers; a
// larger score multiplies both sums by 2^(old - new). The n × n matrix is never anywhere.
//
// Prediction: keys and values are read once by each block, from L2; arithmetic is the bound: 256 FLOP for
// each score, and 4n bytes for 64 queries. SKIP = false computes tiles behind the diagonal and masks them:
// half of the work for nothing.
//
// Idea of `causal`: leave them out. Blocks then have unlike lengths: the longest ones start first.
template <bool SKIP, bool RESCALE>
static __global__ void __launch_bounds__(TILE_THREADS, 3)
    flash_kernel(const float *q, const float *k, const float *v, float *y, int n) {
  __shared__ __align__(16) float queries[TILE][TILE], keys[TILE][TILE], values[TILE][TILE];
  const int first = (int)(gridDim.x - 1 - blockIdx.x) * TILE, end = SKIP ? first + TILE : n;
  const size_t head = (size_t)blockIdx.y * n;
  float out[EACH][EACH] = {{0}}, top[EACH], sum[EACH];
#pragma unroll
  for (int i = 0; i < EACH; i++) top[i] = -FLT_MAX, sum[i] = 0;
  load_across(queries, q + head * WIDTH, first, n);
  for (int from = 0; from < end; from += TILE) {
    load_across(keys, k + head * WIDTH, from, n);
    load_down(values, v + head * WIDTH, from, n);
    __syncthreads();
    float scores[EACH][EACH];
    multiply(scores, queries, keys);
#pragma unroll
    for (int i = 0; i < EACH; i++) {
      const int t = first + EACH * tile_y() + i, s = from + EACH * tile_x();
      float highest = top[i], added = 0;
#pragma unroll
      for (int j = 0; j < EACH; j++) {
        if (s + j > t) scores[i][j] = -FLT_MAX;
        highest = fmaxf(highest, scores[i][j]);
      }
      highest = row_max(highest);
#pragma unroll
      for (int j = 0; j < EACH; j++) added += scores[i][j] = exp2f((scores[i][j] - highest) * FACTOR);
      const float less = exp2f((top[i] - highest) * FACTOR);
      sum[i] = sum[i] * less + row_sum(added);
      top[i] = highest;
#pragma unroll
      for (int j = 0; RESCALE && j < EACH; j++) out[i][j] *= less;
    }
    __syncthreads();            // all have read the keys:
    put_weights(keys, scores);  // the weights take their place
    __syncwarp();               // a row's weights come from the warp that needs them
    add_values(out, keys, values);
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < EACH; i++) {
    const int t = first + EACH * tile_y() + i;
    const float share = 1 / sum[i];
    if (t < n)
      *(float4 *)(y + (head + t) * WIDTH + EACH * tile_x()) =
          make_float4(out[i][0] * share, out[i][1] * share, out[i][2] * share, out[i][3] * share);
  }
}

template <bool SKIP, bool RESCALE>
static void run(hd_case *c) {
  const attention_case *a = (const attention_case *)c->state;
  const double side = (double)((a->n + TILE - 1) / TILE), tiles = SKIP ? side * (side + 1) / 2 : side * side;
  flash_kernel<SKIP, RESCALE><<<dim3((unsigned)side, (unsigned)a->heads), TILE_THREADS>>>(
      a->on_q, a->on_k, a->on_v, a->on_y, (int)a->n);
  HD_LAUNCHED();
  // Keys and values of each tile, queries and results once.
  note_traffic(c, 4.0 * WIDTH * (double)a->heads * (2 * TILE * tiles + 2 * (double)a->n), 0);
  note_intensity(c, 0, HD_F32);
}

void run_attention_flash(hd_case *c) {
  run<false, true>(c);
}
void run_attention_causal(hd_case *c) {
  run<true, true>(c);
}
// WRONG: the sum of values keeps the weights it was made with, although the maximum has grown since.
void run_attention_stale(hd_case *c) {
  run<true, false>(c);
}
