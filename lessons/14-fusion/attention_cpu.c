// SPDX-License-Identifier: MIT
// Causal attention on a CPU. Read from top to bottom.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exponential.h"
#include "fusion.h"
#include "heddle/error.h"
#include "heddle/simd.h"
#include "kernels/gemm/gemm.h"

static const float SCALE = 0.125f;  // 1 / √WIDTH

// One query: scores against all keys up to its own, their softmax, and the sum of the values by these
// weights.
static void attend(const attention_case *a, long head, long t, float *weights) {
  const size_t first = (size_t)(head * a->n) * WIDTH;
  const float *q = a->q + first + t * WIDTH, *k = a->k + first, *v = a->v + first;
  float *y = a->y + first + t * WIDTH, top = -INFINITY, sum = 0;
  for (long s = 0; s <= t; s++) {
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (long i = 0; i < WIDTH; i++) dot += q[i] * k[s * WIDTH + i];
    weights[s] = SCALE * dot;
    top = weights[s] > top ? weights[s] : top;
  }
#pragma omp simd reduction(+ : sum)
  for (long s = 0; s <= t; s++) sum += weights[s] = exponential(weights[s] - top);
  memset(y, 0, WIDTH * sizeof *y);
  for (long s = 0; s <= t; s++) {
    const float weight = weights[s] / sum;
#pragma omp simd
    for (long i = 0; i < WIDTH; i++) y[i] += weight * v[s * WIDTH + i];
  }
}

// A query's row of scores is all that is kept: the loop order that needs no matrix of scores is the natural
// one on a CPU.
void run_attention_serial(hd_case *c) {
  const attention_case *a = c->state;
  float *weights = hd_alloc((size_t)a->n, sizeof *weights);
  for (long head = 0; head < a->heads; head++)
    for (long t = 0; t < a->n; t++) attend(a, head, t, weights);
  free(weights);
  note_traffic(c, 0, 4.0 * (double)a->n);
}

// Idea: queries belong to cores. Late ones have more keys, so small pieces, handed out as they are finished
// (kernels/nn gives each core a head: there are many, and its caller may have split them over devices).
void run_attention_omp(hd_case *c) {
  const attention_case *a = c->state;
#pragma omp parallel
  {
    float *weights = hd_alloc((size_t)a->n, sizeof *weights);
#pragma omp for schedule(dynamic, 16)
    for (long row = 0; row < a->heads * a->n; row++) attend(a, row / a->n, row % a->n, weights);
    free(weights);
  }
  note_traffic(c, 0, 4.0 * (double)a->n * c->threads);
}

// Idea: both products by lesson 07's kernel, n × n scores of a head between them: what a network library does
// by itself.
//
// Prediction: a product of whole matrices runs at the FMA units' speed, a dot product of 64 numbers does not:
// several times faster, although it computes what the mask then throws away, and 4 n² bytes go to memory and
// come back.
void run_attention_gemm(hd_case *c) {
  const attention_case *a = c->state;
  const long n = a->n;
  float *scores = hd_alloc((size_t)(n * n), sizeof *scores);
  for (long head = 0; head < a->heads; head++) {
    const size_t first = (size_t)(head * n) * WIDTH;
    hd_gemm(false, true, n, n, WIDTH, SCALE, a->q + first, WIDTH, a->k + first, WIDTH, 0, scores, n);
#pragma omp parallel for schedule(dynamic, 16)
    for (long t = 0; t < n; t++) {
      float *row = scores + t * n, top = row[0], sum = 0;
#pragma omp simd reduction(max : top)
      for (long s = 0; s <= t; s++) top = row[s] > top ? row[s] : top;
#pragma omp simd reduction(+ : sum)
      for (long s = 0; s <= t; s++) sum += row[s] = exponential(row[s] - top);
#pragma omp simd
      for (long s = 0; s <= t; s++) row[s] /= sum;
      for (long s = t + 1; s < n; s++) row[s] = 0;
    }
    hd_gemm(false, false, n, WIDTH, n, 1, scores, n, a->v + first, WIDTH, 0, a->y + first, WIDTH);
  }
  free(scores);
  note_traffic(c, 0, 4.0 * (double)n * (double)n);
}

// ---------------------------------------------------------------- tiles

enum { HEIGHT = 8 };  // rows of a product that stay in registers, 2 vectors each
typedef float tile[TILE][TILE] __attribute__((aligned(64)));

// c += a · b.
static void add_product(tile c, const tile a, const tile b) {
  for (int row = 0; row < TILE; row += HEIGHT)
    for (int column = 0; column < TILE; column += 2 * HD_WIDTH) {
      hd_floats sum[HEIGHT][2];
#pragma GCC unroll 8
      for (int i = 0; i < HEIGHT; i++) {
        sum[i][0] = *(hd_floats *)&c[row + i][column];
        sum[i][1] = *(hd_floats *)&c[row + i][column + HD_WIDTH];
      }
      for (int k = 0; k < TILE; k++) {
        const hd_floats left = *(const hd_floats *)&b[k][column],
                        right = *(const hd_floats *)&b[k][column + HD_WIDTH];
#pragma GCC unroll 8
        for (int i = 0; i < HEIGHT; i++) {
          sum[i][0] += a[row + i][k] * left;
          sum[i][1] += a[row + i][k] * right;
        }
      }
#pragma GCC unroll 8
      for (int i = 0; i < HEIGHT; i++) {
        *(hd_floats *)&c[row + i][column] = sum[i][0];
        *(hd_floats *)&c[row + i][column + HD_WIDTH] = sum[i][1];
      }
    }
}

// Rows first … first + TILE - 1 of n, zeros behind the last one; `across`: each row as a column.
static void take(tile to, const float *rows, long first, long n, float scale, bool across) {
  for (long i = 0; i < TILE; i++)
    for (long j = 0; j < WIDTH; j++) {
      const float x = first + i < n ? scale * rows[(first + i) * WIDTH + j] : 0;
      *(across ? &to[j][i] : &to[i][j]) = x;
    }
}

// Scores of a query become exponentials less a maximum that may grow: then what was summed so far is too
// large by exp(old - new). Returns this factor.
static float absorb(float scores[TILE], long seen, float *top, float *sum) {
  const long count = seen < TILE ? seen : TILE;
  float highest = *top, added = 0;
#pragma omp simd reduction(max : highest)
  for (long j = 0; j < count; j++) highest = scores[j] > highest ? scores[j] : highest;
#pragma omp simd reduction(+ : added)
  for (long j = 0; j < count; j++) added += scores[j] = exponential(scores[j] - highest);
  for (long j = count < 0 ? 0 : count; j < TILE; j++) scores[j] = 0;
  const float factor = *sum > 0 ? exponential(*top - highest) : 0;
  *sum = *sum * factor + added;
  *top = highest;
  return factor;
}

// All of a tile of queries: keys and values come by tiles, up to the diagonal.
static void attend_tile(const attention_case *a, long head, long first, const tile *keys,
                        const tile *values) {
  tile queries, scores, out = {{0}};
  float top[TILE], sum[TILE] = {0};
  const size_t at = (size_t)(head * a->n) * WIDTH;
  take(queries, a->q + at, first, a->n, SCALE, false);
  for (int i = 0; i < TILE; i++) top[i] = -INFINITY;
  for (long s = 0; s <= first; s += TILE) {
    memset(scores, 0, sizeof scores);
    add_product(scores, queries, keys[s / TILE]);
    for (int i = 0; i < TILE; i++) {
      const float factor = absorb(scores[i], first + i - s + 1, &top[i], &sum[i]);
#pragma omp simd
      for (int j = 0; j < WIDTH; j++) out[i][j] *= factor;
    }
    add_product(out, scores, values[s / TILE]);
  }
  for (long i = 0; i < TILE && first + i < a->n; i++)
    for (long j = 0; j < WIDTH; j++) a->y[at + (first + i) * WIDTH + j] = out[i][j] / sum[i];
}

// Idea: flash attention (Dao et al. 2022) on a CPU. 64 queries against 64 keys at a time; the scores are a
// tile in L1, used and forgotten; tiles beyond the diagonal are not computed. Keys are transposed once, so
// that both products have the same form.
//
// Prediction: half the arithmetic of `gemm`, and no matrix in memory.
void run_attention_tiles(hd_case *c) {
  const attention_case *a = c->state;
  const long tiles = (a->n + TILE - 1) / TILE, all = a->heads * tiles;
  tile *keys = hd_alloc((size_t)all, sizeof *keys), *values = hd_alloc((size_t)all, sizeof *values);
#pragma omp parallel
  {
#pragma omp for schedule(static)
    for (long i = 0; i < all; i++) {
      const size_t at = (size_t)(i / tiles * a->n) * WIDTH;
      take(keys[i], a->k + at, i % tiles * TILE, a->n, 1, true);
      take(values[i], a->v + at, i % tiles * TILE, a->n, 1, false);
    }
    // The last tiles are the longest: first come, first served, from the end.
#pragma omp for schedule(dynamic)
    for (long i = all - 1; i >= 0; i--) {
      const long head = i % a->heads, first = i / a->heads * TILE;
      attend_tile(a, head, first, (const tile *)(keys + head * tiles), (const tile *)(values + head * tiles));
    }
  }
  free(keys);
  free(values);
  note_traffic(c, 0, 4.0 * TILE * TILE * c->threads);
}
