// SPDX-License-Identifier: MIT
// Attention on a GPU with its n × n scores in memory: three kernels, then two.
#include <float.h>

#include "fusion.h"
#include "heddle/device.h"
#include "tiles.cuh"

static const float SCALE = 0.125f;  // 1 / √WIDTH
static const float LOG2E = 1.44269504f;

static unsigned tiles_of(long n, long each) {
  return (unsigned)((n + each - 1) / each);
}
// Of all heads: numbers of the lower triangle, its diagonal included, and of the rows of q, k, v or y.
static double triangle(const attention_case *a) {
  return (double)a->heads * (double)a->n * (double)(a->n + 1) / 2;
}
static double matrix(const attention_case *a) {
  return (double)a->heads * (double)a->n * (double)a->n;
}

// ---------------------------------------------------------------- naive

enum { SIDE = 16, ROWS = 4 };

static __global__ void naive_scores_kernel(const float *q, const float *k, float *scores, int n) {
  const int s = (int)blockIdx.x * SIDE + (int)threadIdx.x, t = (int)blockIdx.y * SIDE + (int)threadIdx.y;
  const size_t first = (size_t)blockIdx.z * n;
  if (t >= n || s > t) return;
  float dot = 0;
  for (int i = 0; i < WIDTH; i++) dot += q[(first + t) * WIDTH + i] * k[(first + s) * WIDTH + i];
  scores[(first + t) * n + s] = SCALE * dot;
}

static __global__ void naive_values_kernel(const float *weights, const float *v, float *y, int n) {
  const int t = (int)blockIdx.x * ROWS + (int)threadIdx.y, i = (int)threadIdx.x;
  const size_t first = (size_t)blockIdx.y * n;
  if (t >= n) return;
  float sum = 0;
  for (int s = 0; s <= t; s++) sum += weights[(first + t) * n + s] * v[(first + s) * WIDTH + i];
  y[(first + t) * WIDTH + i] = sum;
}

// Idea: none: the formula, a kernel for each of its three operations, a thread for each result.
//
// Prediction: bound by L1, not by the matrix: each FMA loads two numbers, and neighbouring threads' keys lie
// 256 bytes apart.
void run_attention_naive(hd_case *c) {
  const attention_case *a = (const attention_case *)c->state;
  const int n = (int)a->n;
  const unsigned side = tiles_of(n, SIDE), heads = (unsigned)a->heads;
  naive_scores_kernel<<<dim3(side, side, heads), dim3(SIDE, SIDE)>>>(a->on_q, a->on_k, a->scores, n);
  HD_LAUNCHED();
  softmax_of_scores(a->scores, a->heads * n, n);
  naive_values_kernel<<<dim3(tiles_of(n, ROWS), heads), dim3(WIDTH, ROWS)>>>(a->scores, a->on_v, a->on_y, n);
  HD_LAUNCHED();
  note_traffic(
      c,
      4 * triangle(a) * (2 * WIDTH + 1) + 4 * (3 * triangle(a) + matrix(a)) + 4 * triangle(a) * (1 + WIDTH),
      4 * matrix(a));
  note_intensity(c, 5, HD_F32);  // written; read, and written as a square, by the softmax; read
}

// ---------------------------------------------------------------- tiled

static __global__ void __launch_bounds__(TILE_THREADS)
    tiled_scores_kernel(const float *q, const float *k, float *scores, int n) {
  __shared__ __align__(16) float queries[TILE][TILE], keys[TILE][TILE];
  // Block 0 1 3 6 … has the first tile of a row of tiles: no block is launched for what lies behind the
  // diagonal.
  int row = (int)((sqrtf(8 * (float)blockIdx.x + 1) - 1) / 2);
  if (row * (row + 1) / 2 > (int)blockIdx.x) row--;
  if ((row + 1) * (row + 2) / 2 <= (int)blockIdx.x) row++;
  const int first = row * TILE, from = ((int)blockIdx.x - row * (row + 1) / 2) * TILE;
  const size_t head = (size_t)blockIdx.y * n;
  load_across(queries, q + head * WIDTH, first, n);
  load_across(keys, k + head * WIDTH, from, n);
  __syncthreads();
  float sum[EACH][EACH];
  multiply(sum, queries, keys);
#pragma unroll
  for (int i = 0; i < EACH; i++) {
    const int t = first + EACH * tile_y() + i;
#pragma unroll
    for (int j = 0; j < EACH; j++) sum[i][j] *= SCALE;
    if (t < n) store_scores(scores + (head + t) * n, from + EACH * tile_x(), n, sum[i]);
  }
}

// weights (head, t, s) times v, tile by tile up to the diagonal. With statistics the weights are scores
// still: what lies in memory becomes exp(score - maximum) / sum on its way to shared memory.
template <bool SCORES>
static __global__ void __launch_bounds__(TILE_THREADS)
    tiled_values_kernel(const float *weights, const float *v, const float *statistics, float *y, int n) {
  __shared__ __align__(16) float shared_weights[TILE][TILE], values[TILE][TILE];
  const int first = (int)(gridDim.x - 1 - blockIdx.x) * TILE;  // the longest ones first
  const size_t head = (size_t)blockIdx.y * n;
  float out[EACH][EACH] = {{0}}, top[EACH] = {0}, factor[EACH] = {0};
  for (int i = 0; SCORES && i < EACH; i++) {
    const int t = first + EACH * tile_y() + i;
    if (t >= n) continue;
    top[i] = statistics[2 * (head + t)];
    factor[i] = 1 / statistics[2 * (head + t) + 1];
  }
  for (int from = 0; from <= first; from += TILE) {
    float mine[EACH][EACH];
#pragma unroll
    for (int i = 0; i < EACH; i++) {
      const int t = first + EACH * tile_y() + i, s = from + EACH * tile_x();
      const float4 four = t < n ? load_scores(weights + (head + t) * n, s, n) : make_float4(0, 0, 0, 0);
      const float loaded[EACH] = {four.x, four.y, four.z, four.w};
#pragma unroll
      for (int j = 0; j < EACH; j++) {
        const float weight = SCORES ? exp2f((loaded[j] - top[i]) * LOG2E) * factor[i] : loaded[j];
        mine[i][j] = s + j <= t ? weight : 0;
      }
    }
    put_weights(shared_weights, mine);
    load_down(values, v + head * WIDTH, from, n);
    __syncthreads();
    add_values(out, shared_weights, values);
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < EACH; i++) {
    const int t = first + EACH * tile_y() + i;
    if (t < n)
      *(float4 *)(y + (head + t) * WIDTH + EACH * tile_x()) =
          make_float4(out[i][0], out[i][1], out[i][2], out[i][3]);
  }
}

// Idea: both products by tiles, as in lesson 12: 64 × 64 results of a block, 4 × 4 of a thread; tiles behind
// the diagonal are left out.
//
// Prediction: now it is the matrix that costs: written once, read three times and written by the softmax,
// read again.
void run_attention_tiled(hd_case *c) {
  const attention_case *a = (const attention_case *)c->state;
  const int n = (int)a->n;
  const unsigned side = tiles_of(n, TILE), heads = (unsigned)a->heads;
  tiled_scores_kernel<<<dim3(side * (side + 1) / 2, heads), TILE_THREADS>>>(a->on_q, a->on_k, a->scores, n);
  HD_LAUNCHED();
  softmax_of_scores(a->scores, a->heads * n, n);
  tiled_values_kernel<false><<<dim3(side, heads), TILE_THREADS>>>(a->scores, a->on_v, NULL, a->on_y, n);
  HD_LAUNCHED();
  const double tile_rows =
      (double)a->heads * side * (side + 1.0) / 2 * TILE;  // rows of all tiles of the triangle
  note_traffic(
      c,
      4 * tile_rows * (2 * WIDTH + TILE) + 4 * (3 * triangle(a) + matrix(a)) + 4 * tile_rows * (TILE + WIDTH),
      4 * matrix(a));
  note_intensity(c, 5, HD_F32);
}

// ---------------------------------------------------------------- fused softmax

// Idea: the softmax needs no kernel of its own. Who computes the scores of 64 queries, all keys in turn,
// knows their largest and their sum at the end (online, as in `softmax/online`); who multiplies them with the
// values makes weights of them.
//
// Prediction: the matrix is written once and read once: 8 bytes a score where `tiled` moves 24.
static __global__ void __launch_bounds__(TILE_THREADS)
    online_scores_kernel(const float *q, const float *k, float *scores, float *statistics, int n) {
  __shared__ __align__(16) float queries[TILE][TILE], keys[TILE][TILE];
  const int first = (int)(gridDim.x - 1 - blockIdx.x) * TILE;
  const size_t head = (size_t)blockIdx.y * n;
  float top[EACH], sum[EACH];
  for (int i = 0; i < EACH; i++) top[i] = -FLT_MAX, sum[i] = 0;
  load_across(queries, q + head * WIDTH, first, n);
  for (int from = 0; from <= first; from += TILE) {
    load_across(keys, k + head * WIDTH, from, n);
    __syncthreads();
    float mine[EACH][EACH];
    multiply(mine, queries, keys);
#pragma unroll
    for (int i = 0; i < EACH; i++) {
      const int t = first + EACH * tile_y() + i, s = from + EACH * tile_x();
      float highest = top[i], added = 0;
#pragma unroll
      for (int j = 0; j < EACH; j++) {
        mine[i][j] = s + j <= t ? mine[i][j] * SCALE : -FLT_MAX;
        highest = fmaxf(highest, mine[i][j]);
      }
      highest = row_max(highest);
#pragma unroll
      for (int j = 0; j < EACH; j++) added += exp2f((mine[i][j] - highest) * LOG2E);
      sum[i] = sum[i] * exp2f((top[i] - highest) * LOG2E) + row_sum(added);
      top[i] = highest;
      if (t < n) store_scores(scores + (head + t) * n, s, n, mine[i]);
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < EACH; i++) {
    const int t = first + EACH * tile_y() + i;
    if (tile_x() == 0 && t < n) *(float2 *)(statistics + 2 * (head + t)) = make_float2(top[i], sum[i]);
  }
}

void run_attention_fused(hd_case *c) {
  const attention_case *a = (const attention_case *)c->state;
  const int n = (int)a->n;
  const unsigned side = tiles_of(n, TILE), heads = (unsigned)a->heads;
  online_scores_kernel<<<dim3(side, heads), TILE_THREADS>>>(a->on_q, a->on_k, a->scores, a->statistics, n);
  HD_LAUNCHED();
  tiled_values_kernel<true>
      <<<dim3(side, heads), TILE_THREADS>>>(a->scores, a->on_v, a->statistics, a->on_y, n);
  HD_LAUNCHED();
  const double tile_rows = (double)a->heads * side * (side + 1.0) / 2 * TILE;
  note_traffic(c, 4 * tile_rows * (WIDTH + TILE) + 4 * tile_rows * (TILE + WIDTH), 4 * matrix(a));
  note_intensity(c, 2, HD_F32);
}
