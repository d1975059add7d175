// SPDX-License-Identifier: MIT
// Softmax on a GPU, three passes over each row: the largest number, the sum of the exponentials, the
// quotients. First as separate kernels, then in one, by a thread, a block and a warp for each row.
#include "fusion.h"
#include "heddle/device.h"
#include "rows.cuh"

enum { THREADS = 256, WARPS = THREADS / 32 };

static unsigned blocks_for(long items, long each) {
  return (unsigned)((items + each - 1) / each);
}

// ---------------------------------------------------------------- separate kernels

static __global__ void max_kernel(const float *x, float *tops, int n) {
  const float *row = x + (size_t)blockIdx.x * n;
  float top = -FLT_MAX;
  for (int i = (int)threadIdx.x; i < n; i += THREADS) top = fmaxf(top, row[i]);
  top = rows_max<WARPS>(top);
  if (threadIdx.x == 0) tops[blockIdx.x] = top;
}

static __global__ void exp_kernel(const float *x, const float *tops, float *y, int n) {
  const size_t first = (size_t)blockIdx.x * n;
  const float top = tops[blockIdx.x];
  for (int i = (int)threadIdx.x; i < n; i += THREADS) y[first + i] = __expf(x[first + i] - top);
}

static __global__ void sum_kernel(const float *y, float *sums, int n) {
  const float *row = y + (size_t)blockIdx.x * n;
  float sum = 0;
  for (int i = (int)threadIdx.x; i < n; i += THREADS) sum += row[i];
  sum = rows_sum<WARPS>(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

static __global__ void divide_kernel(const float *sums, float *y, int n) {
  const size_t first = (size_t)blockIdx.x * n;
  const float factor = 1 / sums[blockIdx.x];
  for (int i = (int)threadIdx.x; i < n; i += THREADS) y[first + i] *= factor;
}

// Idea: none. An operation of an array library is a kernel, and its result is an array.
//
// Prediction: x is read twice, y written twice and read twice: 24 bytes an element where 8 would do, so three
// times the bound, however good each of the four kernels is.
void run_softmax_separate(hd_case *c) {
  const rows_case *r = (const rows_case *)c->state;
  const unsigned rows = (unsigned)r->rows;
  const int n = (int)r->n;
  float *tops = r->statistics, *sums = r->statistics + r->rows;
  max_kernel<<<rows, THREADS>>>(r->on_x, tops, n);
  HD_LAUNCHED();
  exp_kernel<<<rows, THREADS>>>(r->on_x, tops, r->on_y, n);
  HD_LAUNCHED();
  sum_kernel<<<rows, THREADS>>>(r->on_y, sums, n);
  HD_LAUNCHED();
  divide_kernel<<<rows, THREADS>>>(sums, r->on_y, n);
  HD_LAUNCHED();
  note_traffic(c, 24.0 * (double)r->rows * (double)n, 0);
}

// ---------------------------------------------------------------- one kernel, three reads

// Idea: one kernel, a thread for each row.
//
// Prediction: slower than four kernels. Neighbouring threads read what lies n floats apart: 32 sectors for a
// request where 4 would do, and rows are far too few threads.
static __global__ void thread_kernel(const float *x, float *y, long rows, int n) {
  const long r = blockIdx.x * (long)blockDim.x + threadIdx.x;
  if (r >= rows) return;
  const float *in = x + r * n;
  float top = -FLT_MAX, sum = 0;
  for (int i = 0; i < n; i++) top = fmaxf(top, in[i]);
  for (int i = 0; i < n; i++) sum += __expf(in[i] - top);
  const float factor = 1 / sum;
  for (int i = 0; i < n; i++) y[r * n + i] = __expf(in[i] - top) * factor;
}

void run_softmax_thread(hd_case *c) {
  const rows_case *r = (const rows_case *)c->state;
  enum { FEW = 64 };  // threads of a block: rows are few, SMs many
  thread_kernel<<<blocks_for(r->rows, FEW), FEW>>>(r->on_x, r->on_y, r->rows, (int)r->n);
  HD_LAUNCHED();
  note_traffic(c, 16.0 * (double)r->rows * (double)r->n, 0);
}

// Idea: a block for each row, maximum and sum by shuffles and shared memory.
//
// Prediction: coalesced, and only the first of the three reads goes to DRAM: a row of some KiB stays in L1. 8
// bytes an element from DRAM, as few as there can be. But four barriers a row, and for each of them an SM's
// threads wait together.
static __global__ void __launch_bounds__(THREADS) block_kernel(const float *x, float *y, int n) {
  const float *in = x + (size_t)blockIdx.x * n;
  float *out = y + (size_t)blockIdx.x * n, top = -FLT_MAX, sum = 0;
  for (int i = (int)threadIdx.x; i < n; i += THREADS) top = fmaxf(top, in[i]);
  top = rows_max<WARPS>(top);
  for (int i = (int)threadIdx.x; i < n; i += THREADS) sum += __expf(in[i] - top);
  const float factor = 1 / rows_sum<WARPS>(sum);
  for (int i = (int)threadIdx.x; i < n; i += THREADS) out[i] = __expf(in[i] - top) * factor;
}

void run_softmax_block(hd_case *c) {
  const rows_case *r = (const rows_case *)c->state;
  block_kernel<<<(unsigned)r->rows, THREADS>>>(r->on_x, r->on_y, (int)r->n);
  HD_LAUNCHED();
  note_traffic(c, 16.0 * (double)r->rows * (double)r->n, 0);
}

// Idea: a warp for each row. Its lanes add by shuffles and wait for nobody.
//
// Prediction: faster than a block for rows of some hundreds of floats, of which a block's threads would have
// one or two each; slower for rows so long that there are fewer of them than an SM has room for warps. What
// wrong-no-max shows: MINUS_TOP = false leaves the maximum out, a pass less, and exp(89) is beyond fp32's
// largest number.
template <bool MINUS_TOP>
static __global__ void __launch_bounds__(THREADS) warp_kernel(const float *x, float *y, long rows, int n) {
  const long r = blockIdx.x * (long)WARPS + threadIdx.y;
  if (r >= rows) return;
  const float *in = x + r * n;
  float *out = y + r * n, top = MINUS_TOP ? -FLT_MAX : 0, sum = 0;
  if (MINUS_TOP) {
    for (int i = (int)threadIdx.x; i < n; i += 32) top = fmaxf(top, in[i]);
    top = warp_max(top);
  }
  for (int i = (int)threadIdx.x; i < n; i += 32) sum += __expf(in[i] - top);
  const float factor = 1 / warp_sum(sum);
  for (int i = (int)threadIdx.x; i < n; i += 32) out[i] = __expf(in[i] - top) * factor;
}

void run_softmax_warp(hd_case *c) {
  const rows_case *r = (const rows_case *)c->state;
  warp_kernel<true><<<blocks_for(r->rows, WARPS), dim3(32, WARPS)>>>(r->on_x, r->on_y, r->rows, (int)r->n);
  HD_LAUNCHED();
  note_traffic(c, 16.0 * (double)r->rows * (double)r->n, 0);
}

// WRONG where numbers are large.
void run_softmax_no_max(hd_case *c) {
  const rows_case *r = (const rows_case *)c->state;
  warp_kernel<false><<<blocks_for(r->rows, WARPS), dim3(32, WARPS)>>>(r->on_x, r->on_y, r->rows, (int)r->n);
  HD_LAUNCHED();
  note_traffic(c, 12.0 * (double)r->rows * (double)r->n, 0);
}

// ---------------------------------------------------------------- for attention: rows that end at the
// diagonal

static __global__ void __launch_bounds__(THREADS) scores_kernel(float *scores, long rows, long length) {
  const long r = blockIdx.x * (long)WARPS + threadIdx.y;
  if (r >= rows) return;
  float *row = scores + r * length, top = -FLT_MAX, sum = 0;
  const long seen = r % length + 1;
  for (long i = threadIdx.x; i < seen; i += 32) top = fmaxf(top, row[i]);
  top = warp_max(top);
  for (long i = threadIdx.x; i < seen; i += 32) sum += __expf(row[i] - top);
  const float factor = 1 / warp_sum(sum);
  for (long i = threadIdx.x; i < length; i += 32) row[i] = i < seen ? __expf(row[i] - top) * factor : 0;
}

void softmax_of_scores(float *scores, long rows, long length) {
  scores_kernel<<<blocks_for(rows, WARPS), dim3(32, WARPS)>>>(scores, rows, length);
  HD_LAUNCHED();
}
