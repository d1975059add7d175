// SPDX-License-Identifier: MIT
// The perceptron h = GELU(u·A1 + b1), out = h·A2, its matrices split in four ways. (b2 is added by block.c.)
#include <stdbool.h>

#include "block.h"

// c = a·b of row-major matrices that lie whole in memory but for a's and c's leading dimensions.
static void product(block *b, long m, long n, long k, const float *x, long ldx, const float *w, float beta,
                    float *y, long ldy) {
  b->ops->gemm(b->ops, false, false, m, n, k, 1, x, ldx, w, n, beta, y, ldy);
}
// y = x·wᵀ with w (n, k) and rows of w `ldw` apart.
static void product_turned(block *b, long m, long n, long k, const float *x, long ldx, const float *w,
                           float *y, long ldy) {
  b->ops->gemm(b->ops, false, true, m, n, k, 1, x, ldx, w, k, 0, y, ldy);
}
// The gradient of weights (k, n): xᵀ·dy, x (rows, k).
static void product_weights(block *b, long k, long n, const float *x, long ldx, const float *dy, long ldy,
                            float *dw) {
  b->ops->gemm(b->ops, true, false, k, n, b->rows, 1, x, ldx, dy, ldy, 0, dw, n);
}

static void gelu(block *b, float *z, long cols) {
  b->ops->bias_act(b->ops, z, b->m[B1].weights, b->h, b->rows, cols, HD_GELU);
}
static void gelu_backward(block *b, float *dz, long cols) {
  b->ops->bias_act_backward(b->ops, dz, b->z, b->m[B1].gradient, b->rows, cols, HD_GELU, false);
}

// ---------------------------------------------------------------- whole, and the pair

// Idea: columns of A1, then rows of A2. What a rank makes of its columns is just what its rows need, so
// nothing is sent in between; the outputs are addends of the result. Prediction: one all-reduce of (rows,
// width) forward, one backward: the least of all ways to split.
static int forward(block *b, const float *in, float *out) {
  const long w = b->width, hidden = b->m[A1].cols;
  product(b, b->rows, hidden, w, in, w, b->m[A1].weights, 0, b->z, hidden);
  gelu(b, b->z, hidden);
  product(b, b->rows, w, hidden, b->h, hidden, b->m[A2].weights, 0, out, w);
  return 0;
}

static int backward(block *b, const float *in, const float *dout, float *din) {
  const long w = b->width, hidden = b->m[A1].cols;
  product_weights(b, hidden, w, b->h, hidden, dout, w, b->m[A2].gradient);
  product_turned(b, b->rows, hidden, w, dout, w, b->m[A2].weights, b->dz, hidden);
  gelu_backward(b, b->dz, hidden);
  product_weights(b, w, hidden, in, w, b->dz, hidden, b->m[A1].gradient);
  product_turned(b, b->rows, w, hidden, b->dz, hidden, b->m[A1].weights, din, w);
  return 0;
}

const half mlp_whole = {.forward = forward, .backward = backward};
const half mlp_pair = {.split = {[A1] = BY_COLUMNS, [B1] = BY_COLUMNS, [A2] = BY_ROWS},
                       .partial = true,
                       .forward = forward,
                       .backward = backward};

// ---------------------------------------------------------------- columns, columns

// Column blocks of all ranks, (rows, cols) each and one behind the other, side by side into (rows,
// world·cols).
static void side_by_side(block *b, const float *blocks, float *whole, long cols) {
  for (int r = 0; r < b->world; r++)
    b->ops->copy_block(b->ops, whole + r * cols, b->world * cols, blocks + r * b->rows * cols, cols, b->rows,
                       cols);
}

// Idea: every product by columns; the results are gathered each time.
// Prediction: all-gathers of (rows, 4·width) and (rows, width) forward, a reduce-scatter and an all-reduce of
// the same backward: the hidden layer is four times as wide, so about five times the bytes of the pair.
static int forward_columns(block *b, const float *in, float *out) {
  const long w = b->width, hidden = b->m[A1].cols, mine = b->m[A2].cols;
  const size_t block_size = (size_t)(b->rows * hidden);
  product(b, b->rows, hidden, w, in, w, b->m[A1].weights, 0, b->z, hidden);
  gelu(b, b->z, hidden);
  if (hd_all_gather(b->comm, b->h, b->blocks, block_size, HD_F32)) return -1;
  for (int r = 0; r < b->world; r++)
    product(b, b->rows, mine, hidden, b->blocks + (size_t)r * block_size, hidden,
            b->m[A2].weights + r * hidden * mine, r > 0, b->dz, mine);
  // The gathered hidden layer is needed again in backward; the outputs are gathered through `out` in two
  // steps.
  if (hd_all_gather(b->comm, b->dz, b->work, (size_t)(b->rows * mine), HD_F32)) return -1;
  side_by_side(b, b->work, out, mine);
  return 0;
}

static int backward_columns(block *b, const float *in, const float *dout, float *din) {
  const long w = b->width, hidden = b->m[A1].cols, mine = b->m[A2].cols;
  const size_t block_size = (size_t)(b->rows * hidden);
  const float *dmine = dout + b->rank * mine;  // my columns of it
  for (int r = 0; r < b->world; r++)
    product_weights(b, hidden, mine, b->blocks + (size_t)r * block_size, hidden, dmine, w,
                    b->m[A2].gradient + r * hidden * mine);
  for (int r = 0; r < b->world; r++)
    product_turned(b, b->rows, hidden, mine, dmine, w, b->m[A2].weights + r * hidden * mine,
                   b->blocks + (size_t)r * block_size, hidden);
  if (hd_reduce_scatter(b->comm, b->blocks, b->dz, block_size, HD_F32, HD_SUM)) return -1;
  gelu_backward(b, b->dz, hidden);
  product_weights(b, w, hidden, in, w, b->dz, hidden, b->m[A1].gradient);
  product_turned(b, b->rows, w, hidden, b->dz, hidden, b->m[A1].weights, din, w);
  return hd_all_reduce(b->comm, din, (size_t)(b->rows * w), HD_F32, HD_SUM);
}

const half mlp_columns = {.split = {[A1] = BY_COLUMNS, [B1] = BY_COLUMNS, [A2] = BY_COLUMNS},
                          .forward = forward_columns,
                          .backward = backward_columns};

// ---------------------------------------------------------------- rows, rows

// Idea: every product by rows; the addends are summed each time. GELU needs whole sums, so all ranks compute
// all of it. Prediction: all-reduces of (rows, 4·width) and (rows, width) forward, all-gathers of the same
// backward.
static int forward_rows(block *b, const float *in, float *out) {
  const long w = b->width, mine = b->m[A1].rows, hidden = b->m[A1].cols, part = b->m[A2].rows;
  product(b, b->rows, hidden, mine, in + b->rank * mine, w, b->m[A1].weights, 0, b->z, hidden);
  if (hd_all_reduce(b->comm, b->z, (size_t)(b->rows * hidden), HD_F32, HD_SUM)) return -1;
  gelu(b, b->z, hidden);
  product(b, b->rows, w, part, b->h + b->rank * part, hidden, b->m[A2].weights, 0, out, w);
  return hd_all_reduce(b->comm, out, (size_t)(b->rows * w), HD_F32, HD_SUM);
}

static int backward_rows(block *b, const float *in, const float *dout, float *din) {
  const long w = b->width, mine = b->m[A1].rows, hidden = b->m[A1].cols, part = b->m[A2].rows;
  product_weights(b, part, w, b->h + b->rank * part, hidden, dout, w, b->m[A2].gradient);
  product_turned(b, b->rows, part, w, dout, w, b->m[A2].weights, b->work, part);
  if (hd_all_gather(b->comm, b->work, b->blocks, (size_t)(b->rows * part), HD_F32)) return -1;
  side_by_side(b, b->blocks, b->dz, part);
  gelu_backward(b, b->dz, hidden);
  product_weights(b, mine, hidden, in + b->rank * mine, w, b->dz, hidden, b->m[A1].gradient);
  product_turned(b, b->rows, mine, hidden, b->dz, hidden, b->m[A1].weights, b->work, mine);
  if (hd_all_gather(b->comm, b->work, b->blocks, (size_t)(b->rows * mine), HD_F32)) return -1;
  side_by_side(b, b->blocks, din, mine);
  return 0;
}

const half mlp_rows = {
    .split = {[A1] = BY_ROWS, [A2] = BY_ROWS}, .forward = forward_rows, .backward = backward_rows};
