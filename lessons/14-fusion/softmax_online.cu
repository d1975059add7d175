// SPDX-License-Identifier: MIT
// Softmax with fewer reads: maximum and sum in one pass, then the row in registers.
#include "fusion.h"
#include "heddle/device.h"
#include "rows.cuh"

enum { THREADS = 256, WARPS = THREADS / 32 };

// The largest number so far and Σ exp(x - top) so far. A new maximum makes all earlier exponentials too large
// by the same factor, so the sum is multiplied by exp(old - new): what follows from it is all of flash
// attention.
typedef struct online {
  float top, sum;
} online;

static __device__ __forceinline__ online join(online a, online b) {
  online both;
  both.top = fmaxf(a.top, b.top);
  both.sum = a.sum * __expf(a.top - both.top) + b.sum * __expf(b.top - both.top);
  return both;
}

static __device__ __forceinline__ online warp_join(online mine) {
#pragma unroll
  for (int offset = 16; offset; offset /= 2) {
    online other;
    other.top = __shfl_xor_sync(0xffffffffu, mine.top, offset);
    other.sum = __shfl_xor_sync(0xffffffffu, mine.sum, offset);
    mine = join(mine, other);
  }
  return mine;
}

// Idea: `warp`, with the maximum and the sum in one pass. A lane's maximum changes some ln(n / 32) times, so
// rescaling costs next to nothing.
//
// Prediction: two reads of the row instead of three. DRAM sees one of them either way; what is saved is a
// third of the requests to L1, and of the waiting for them.
static __global__ void __launch_bounds__(THREADS) online_kernel(const float *x, float *y, long rows, int n) {
  const long r = blockIdx.x * (long)WARPS + threadIdx.y;
  if (r >= rows) return;
  const float *in = x + r * n;
  float *out = y + r * n;
  online row = {-FLT_MAX, 0};
  for (int i = (int)threadIdx.x; i < n; i += 32) {
    const float next = in[i];
    if (next > row.top) {
      row.sum *= __expf(row.top - next);
      row.top = next;
    }
    row.sum += __expf(next - row.top);
  }
  row = warp_join(row);
  const float factor = 1 / row.sum;
  for (int i = (int)threadIdx.x; i < n; i += 32) out[i] = __expf(in[i] - row.top) * factor;
}

void run_softmax_online(hd_case *c) {
  const rows_case *r = (const rows_case *)c->state;
  const unsigned blocks = (unsigned)((r->rows + WARPS - 1) / WARPS);
  online_kernel<<<blocks, dim3(32, WARPS)>>>(r->on_x, r->on_y, r->rows, (int)r->n);
  HD_LAUNCHED();
  note_traffic(c, 12.0 * (double)r->rows * (double)r->n, 0);
}

// Idea: the row in registers: read once, 16 bytes a load, all loads under way before the first is used. Then
// any number of passes is free, so three simple ones again; each exponential is computed once.
//
// Prediction: 8 bytes an element in all, and no second wait for anything: bound by DRAM. A thread holds at
// most 32 numbers, so a row is a warp's up to 1024 and a block's of 1024 threads up to 32768; longer ones
// need `online` (or shared memory).
template <int ROW_WARPS, int QUADS, bool WIDE>
static __global__ void __launch_bounds__(32 * ROW_WARPS) held_kernel(const float *x, float *y, int n) {
  const size_t first = (size_t)blockIdx.x * n;
  float held[QUADS][4], top = -FLT_MAX, sum = 0;
#pragma unroll
  for (int k = 0; k < QUADS; k++) load_four<32 * ROW_WARPS, WIDE, true>(held[k], x + first, n, k, -FLT_MAX);
#pragma unroll
  for (int k = 0; k < QUADS; k++)
#pragma unroll
    for (int j = 0; j < 4; j++) top = fmaxf(top, held[k][j]);
  top = rows_max<ROW_WARPS>(top);
#pragma unroll
  for (int k = 0; k < QUADS; k++)
#pragma unroll
    for (int j = 0; j < 4; j++) sum += held[k][j] = __expf(held[k][j] - top);
  const float factor = 1 / rows_sum<ROW_WARPS>(sum);
#pragma unroll
  for (int k = 0; k < QUADS; k++) {
#pragma unroll
    for (int j = 0; j < 4; j++) held[k][j] *= factor;
    store_four<32 * ROW_WARPS, WIDE>(held[k], y + first, n, k);
  }
}

template <int ROW_WARPS, int QUADS, bool WIDE>
static void launch(const rows_case *r) {
  held_kernel<ROW_WARPS, QUADS, WIDE><<<(unsigned)r->rows, 32 * ROW_WARPS>>>(r->on_x, r->on_y, (int)r->n);
}

void run_softmax_held(hd_case *c) {
  const rows_case *r = (const rows_case *)c->state;
  FOR_ROWS_OF(r->n, launch, r);
  HD_LAUNCHED();
  note_traffic(c, 8.0 * (double)r->rows * (double)r->n, 0);
}
