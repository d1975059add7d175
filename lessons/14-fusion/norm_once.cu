// SPDX-License-Identifier: MIT
// Layer norm with mean and variance out of one pass: quick and wrong, quick and right, and from registers.
#include "fusion.h"
#include "heddle/device.h"
#include "rows.cuh"

enum { THREADS = 256, WARPS = THREADS / 32 };

// How many numbers, their mean, and the sum of squares of their distances from it.
typedef struct moments {
  float count, mean, squares;
} moments;

// Idea of `one-pass`: Σh and Σh² in one pass; the variance is mean(h²) - mean(h)².
//
// Prediction: one pass less than `fused`. But where the mean is large, two large and nearly equal
// numbers are subtracted: with a mean of 4096 and a deviation of 1 both are 2^24, and fp32 has 24 bits.
// wrong-squares shows it.
static __device__ __forceinline__ moments of_squares(const float *x, const float *residual, int n) {
  float sum = 0, squares = 0;
  for (int i = (int)threadIdx.x; i < n; i += 32) {
    const float next = x[i] + residual[i];
    sum += next;
    squares += next * next;
  }
  const float mean = warp_sum(sum) / (float)n;
  const moments row = {(float)n, mean, warp_sum(squares) - (float)n * mean * mean};
  return row;
}

// The moments of two sets together (Chan, Golub, LeVeque 1979).
static __device__ __forceinline__ moments join(moments a, moments b) {
  const float count = a.count + b.count, distance = b.mean - a.mean, share = count > 0 ? b.count / count : 0;
  const moments both = {count, a.mean + distance * share,
                        a.squares + b.squares + distance * distance * a.count * share};
  return both;
}

// Idea of `welford`: one pass that subtracts only what is near: each number's distance from the mean so far
// (Welford 1962).
//
// Prediction: right at any mean, for a division a number; a kernel that waits for memory does not notice.
static __device__ __forceinline__ moments of_distances(const float *x, const float *residual, int n) {
  moments mine = {0, 0, 0};
  for (int i = (int)threadIdx.x; i < n; i += 32) {
    const float next = x[i] + residual[i];
    mine.count += 1;
    const float distance = next - mine.mean;
    mine.mean += distance / mine.count;
    mine.squares += distance * (next - mine.mean);
  }
#pragma unroll
  for (int offset = 16; offset; offset /= 2) {
    moments other;
    other.count = __shfl_xor_sync(0xffffffffu, mine.count, offset);
    other.mean = __shfl_xor_sync(0xffffffffu, mine.mean, offset);
    other.squares = __shfl_xor_sync(0xffffffffu, mine.squares, offset);
    // Both lanes must come to the same bits, so both join in the same order.
    mine = (threadIdx.x & (unsigned)offset) ? join(other, mine) : join(mine, other);
  }
  return mine;
}

template <bool WELFORD>
static __global__ void __launch_bounds__(THREADS)
    once_kernel(const float *x, const float *residual, const float *gain, const float *bias, float *h,
                float *y, long rows, int n) {
  const long r = blockIdx.x * (long)WARPS + threadIdx.y;
  if (r >= rows) return;
  const float *a = x + r * n, *b = residual + r * n;
  const moments all = WELFORD ? of_distances(a, b, n) : of_squares(a, b, n);
  const float inverse = 1 / sqrtf(all.squares / (float)n + NORM_EPSILON);
  for (int i = (int)threadIdx.x; i < n; i += 32) {
    const float both = a[i] + b[i];
    h[r * n + i] = both;
    y[r * n + i] = gain[i] * ((both - all.mean) * inverse) + bias[i];
  }
}

template <bool WELFORD>
static void run(hd_case *c) {
  const rows_case *r = (const rows_case *)c->state;
  const unsigned blocks = (unsigned)((r->rows + WARPS - 1) / WARPS);
  once_kernel<WELFORD><<<blocks, dim3(32, WARPS)>>>(r->on_x, r->on_residual, r->on_gain, r->on_bias, r->on_h,
                                                    r->on_y, r->rows, (int)r->n);
  HD_LAUNCHED();
  note_traffic(c, (2 * 8.0 + 8 + 8) * (double)r->rows * (double)r->n, 0);
}

void run_norm_squares(hd_case *c) {
  run<false>(c);
}
void run_norm_welford(hd_case *c) {
  run<true>(c);
}

// Idea: the row in registers, 16 bytes a load. x and residual are read once, h and y written once, and the
// two passes of the book, which are the most exact, cost nothing.
//
// Prediction: bound by DRAM: 16 bytes an element, with all of a row's loads under way at once.
template <int ROW_WARPS, int QUADS, bool WIDE>
static __global__ void __launch_bounds__(32 * ROW_WARPS)
    held_kernel(const float *x, const float *residual, const float *gain, const float *bias, float *h,
                float *y, int n) {
  enum { ROW_THREADS = 32 * ROW_WARPS };
  const size_t first = (size_t)blockIdx.x * n;
  float held[QUADS][4], sum = 0, squares = 0;
#pragma unroll
  for (int k = 0; k < QUADS; k++) load_four<ROW_THREADS, WIDE, true>(held[k], x + first, n, k, 0);
#pragma unroll
  for (int k = 0; k < QUADS; k++) {
    float other[4];
    load_four<ROW_THREADS, WIDE, true>(other, residual + first, n, k, 0);
#pragma unroll
    for (int j = 0; j < 4; j++) sum += held[k][j] += other[j];
    store_four<ROW_THREADS, WIDE>(held[k], h + first, n, k);
  }
  const float mean = rows_sum<ROW_WARPS>(sum) / (float)n;
#pragma unroll
  for (int k = 0; k < QUADS; k++)
#pragma unroll
    for (int j = 0; j < 4; j++) {
      held[k][j] -= mean;
      if (place_in_row<ROW_THREADS, WIDE>(k, j) < n) squares += held[k][j] * held[k][j];
    }
  const float inverse = 1 / sqrtf(rows_sum<ROW_WARPS>(squares) / (float)n + NORM_EPSILON);
#pragma unroll
  for (int k = 0; k < QUADS; k++) {
    float gains[4], biases[4];
    load_four<ROW_THREADS, WIDE, false>(gains, gain, n, k, 0);
    load_four<ROW_THREADS, WIDE, false>(biases, bias, n, k, 0);
#pragma unroll
    for (int j = 0; j < 4; j++) held[k][j] = gains[j] * (held[k][j] * inverse) + biases[j];
    store_four<ROW_THREADS, WIDE>(held[k], y + first, n, k);
  }
}

template <int ROW_WARPS, int QUADS, bool WIDE>
static void launch(const rows_case *r) {
  held_kernel<ROW_WARPS, QUADS, WIDE><<<(unsigned)r->rows, 32 * ROW_WARPS>>>(
      r->on_x, r->on_residual, r->on_gain, r->on_bias, r->on_h, r->on_y, (int)r->n);
}

void run_norm_held(hd_case *c) {
  const rows_case *r = (const rows_case *)c->state;
  FOR_ROWS_OF(r->n, launch, r);
  HD_LAUNCHED();
  note_traffic(c, (16.0 + 8) * (double)r->rows * (double)r->n, 0);
}
