// SPDX-License-Identifier: MIT
// h = x + residual and y = layer norm of h on a GPU, the variance by the book: first the mean, then the
// squares of the differences. First as separate kernels, then in one.
#include "fusion.h"
#include "heddle/device.h"
#include "kernels/nn/ops.h"
#include "rows.cuh"

enum { THREADS = 256, WARPS = THREADS / 32 };

static __global__ void add_kernel(const float *x, const float *residual, float *h, size_t count) {
  const size_t i = blockIdx.x * (size_t)THREADS + threadIdx.x;
  if (i < count) h[i] = x[i] + residual[i];
}

void add_residual(const rows_case *r) {
  const size_t count = (size_t)r->rows * (size_t)r->n;
  add_kernel<<<(unsigned)((count + THREADS - 1) / THREADS), THREADS>>>(r->on_x, r->on_residual, r->on_h,
                                                                       count);
  HD_LAUNCHED();
}

static __global__ void mean_kernel(const float *h, float *means, int n) {
  const float *row = h + (size_t)blockIdx.x * n;
  float sum = 0;
  for (int i = (int)threadIdx.x; i < n; i += THREADS) sum += row[i];
  sum = rows_sum<WARPS>(sum);
  if (threadIdx.x == 0) means[blockIdx.x] = sum / (float)n;
}

static __global__ void deviation_kernel(const float *h, const float *means, float *inverses, int n) {
  const float *row = h + (size_t)blockIdx.x * n;
  const float mean = means[blockIdx.x];
  float squares = 0;
  for (int i = (int)threadIdx.x; i < n; i += THREADS) squares += (row[i] - mean) * (row[i] - mean);
  squares = rows_sum<WARPS>(squares);
  if (threadIdx.x == 0) inverses[blockIdx.x] = 1 / sqrtf(squares / (float)n + NORM_EPSILON);
}

static __global__ void scale_kernel(const float *h, const float *means, const float *inverses,
                                    const float *gain, const float *bias, float *y, int n) {
  const size_t first = (size_t)blockIdx.x * n;
  const float mean = means[blockIdx.x], inverse = inverses[blockIdx.x];
  for (int i = (int)threadIdx.x; i < n; i += THREADS)
    y[first + i] = gain[i] * ((h[first + i] - mean) * inverse) + bias[i];
}

// Idea: none: an operation is a kernel.
//
// Prediction: the sum 12 bytes an element, mean and deviation 4 each, the rest 8: 28 where 16 would do.
void run_norm_separate(hd_case *c) {
  const rows_case *r = (const rows_case *)c->state;
  const unsigned rows = (unsigned)r->rows;
  const int n = (int)r->n;
  float *means = r->statistics, *inverses = r->statistics + r->rows;
  add_residual(r);
  mean_kernel<<<rows, THREADS>>>(r->on_h, means, n);
  HD_LAUNCHED();
  deviation_kernel<<<rows, THREADS>>>(r->on_h, means, inverses, n);
  HD_LAUNCHED();
  scale_kernel<<<rows, THREADS>>>(r->on_h, means, inverses, r->on_gain, r->on_bias, r->on_y, n);
  HD_LAUNCHED();
  note_traffic(c, (28.0 + 8) * (double)r->rows * (double)n, 0);
}

// Idea: the norm in one kernel, a warp for each row: the one that training uses (kernels/nn). The residual is
// another layer's business there, so it is another kernel.
//
// Prediction: 12 bytes and 8: 20 from DRAM, as the row stays in L1 for its second and third read.
void run_norm_kernel(hd_case *c) {
  const rows_case *r = (const rows_case *)c->state;
  add_residual(r);
  r->ops->layer_norm(r->ops, r->on_h, r->on_gain, r->on_bias, r->on_y, r->statistics, r->rows, r->n);
  note_traffic(c, (12.0 + 16 + 8) * (double)r->rows * (double)r->n, 0);
}

// Idea: the residual in the same kernel. The sum is made three times from what lies in L1, and h is stored in
// the end: adding again is cheaper than reading what was just written.
//
// Prediction: 16 bytes an element from DRAM, the bound.
static __global__ void __launch_bounds__(THREADS)
    fused_kernel(const float *x, const float *residual, const float *gain, const float *bias, float *h,
                 float *y, long rows, int n) {
  const long r = blockIdx.x * (long)WARPS + threadIdx.y;
  if (r >= rows) return;
  const float *a = x + r * n, *b = residual + r * n;
  float sum = 0, squares = 0;
  for (int i = (int)threadIdx.x; i < n; i += 32) sum += a[i] + b[i];
  const float mean = warp_sum(sum) / (float)n;
  for (int i = (int)threadIdx.x; i < n; i += 32) {
    const float distance = (a[i] + b[i]) - mean;
    squares += distance * distance;
  }
  const float inverse = 1 / sqrtf(warp_sum(squares) / (float)n + NORM_EPSILON);
  for (int i = (int)threadIdx.x; i < n; i += 32) {
    const float both = a[i] + b[i];
    h[r * n + i] = both;
    y[r * n + i] = gain[i] * ((both - mean) * inverse) + bias[i];
  }
}

void run_norm_fused(hd_case *c) {
  const rows_case *r = (const rows_case *)c->state;
  const unsigned blocks = (unsigned)((r->rows + WARPS - 1) / WARPS);
  fused_kernel<<<blocks, dim3(32, WARPS)>>>(r->on_x, r->on_residual, r->on_gain, r->on_bias, r->on_h, r->on_y,
                                            r->rows, (int)r->n);
  HD_LAUNCHED();
  note_traffic(c, (3 * 8.0 + 8 + 8) * (double)r->rows * (double)r->n, 0);
}
