// SPDX-License-Identifier: MIT
// What goes wrong: three sums that are often right. The checker names the line of each.
#include "block_sum.cuh"
#include "heddle/device.h"
#include "sum.h"

// WRONG: without barriers a warp adds what another one has not yet written.
static __global__ void no_barrier_kernel(size_t n, const float *x, float *sum) {
  __shared__ float part[SUM_THREADS];
  const int t = (int)threadIdx.x;
  float mine = 0;
  for (size_t i = t; i < n; i += SUM_THREADS) mine += x[i];
  part[t] = mine;
  for (int step = SUM_THREADS / 2; step; step /= 2)
    if (t < step) part[t] += part[t + step];
  if (t == 0) *sum = part[0];
}

// WRONG: only the lanes that receive call, and the mask names only them. But a shuffle hands over what the
// other lane brings to the same call: from one that does not come, a lane gets anything.
static __global__ void mask_kernel(size_t n, const float *x, float *sum) {
  const int lane = (int)threadIdx.x % 32;
  const size_t i = blockIdx.x * (size_t)SUM_THREADS + threadIdx.x;
  float of_warp = i < n ? x[i] : 0;
  for (int half = 16; half; half /= 2)
    if (lane < half) of_warp += __shfl_sync((1u << half) - 1, of_warp, lane + half);
  if (lane == 0) atomicAdd(sum, of_warp);
}

// WRONG: nothing orders the store of a block's sum before the count. The last block may read a sum that is
// not there yet: rarely, on some cards, and never while one looks.
static __global__ void no_fence_kernel(size_t n, const float *x, float *partial, unsigned *counter,
                                       float *result) {
  __shared__ bool last;
  const size_t i = blockIdx.x * (size_t)SUM_THREADS + threadIdx.x;
  float sum = block_sum(i < n ? x[i] : 0);
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = sum;
    last = atomicInc(counter, gridDim.x - 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (!last) return;
  sum = 0;
  for (unsigned b = threadIdx.x; b < gridDim.x; b += SUM_THREADS) sum += partial[b];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *result = sum;
}

void run_sum_wrong_barrier(hd_case *c) {
  const sum_case *s = (const sum_case *)c->state;
  no_barrier_kernel<<<1, SUM_THREADS>>>((size_t)c->size, s->device_x, s->device_sum);
  HD_LAUNCHED();
}

void run_sum_wrong_mask(hd_case *c) {
  const sum_case *s = (const sum_case *)c->state;
  const size_t n = (size_t)c->size;
  HD_CUDA(cudaMemsetAsync(s->device_sum, 0, sizeof(float)));
  mask_kernel<<<(unsigned)sum_blocks(n), SUM_THREADS>>>(n, s->device_x, s->device_sum);
  HD_LAUNCHED();
}

void run_sum_wrong_fence(hd_case *c) {
  const sum_case *s = (const sum_case *)c->state;
  const size_t n = (size_t)c->size;
  no_fence_kernel<<<(unsigned)sum_blocks(n), SUM_THREADS>>>(n, s->device_x, s->partial[0], s->counter,
                                                            s->device_sum);
  HD_LAUNCHED();
}
