// SPDX-License-Identifier: MIT
// The first rungs of the sum: one element per thread, and how a block's threads bring 256 numbers together.
#include "block_sum.cuh"
#include "heddle/device.h"
#include "sum.h"

// Idea: no cooperation at all; the memory's atomic unit does the additions.
//
// Prediction: all of them go to one address, and that takes one addition per cycle, whatever the card: about
// 1.8 billion a second where 1000 billion numbers could be read. And since there is one accumulator, it loses
// digits as a serial loop does, in another order on each run.
static __global__ void atomic_kernel(size_t n, const float *x, float *sum) {
  const size_t i = blockIdx.x * (size_t)SUM_THREADS + threadIdx.x;
  if (i < n) atomicAdd(sum, x[i]);
}

// Element of this thread; 0, which changes no sum, behind the end.
static __device__ __forceinline__ float element(size_t n, const float *x) {
  const size_t i = blockIdx.x * (size_t)SUM_THREADS + threadIdx.x;
  return i < n ? x[i] : 0;
}

// Idea: a tree. 8 steps instead of 255: in each, half as many threads add a neighbour twice as far away.
// A barrier after each step, or a thread would add what its neighbour has not yet written.
//
// Prediction: a hundred times faster, no longer bound by one address. But in every step each warp still has
// some thread that adds, so all 8 warps execute all 8 steps, with fewer and fewer of their lanes at work.
static __global__ void tree_kernel(size_t n, const float *x, float *partial) {
  __shared__ float part[SUM_THREADS];
  const int t = (int)threadIdx.x;
  part[t] = element(n, x);
  __syncthreads();
  for (int step = 1; step < SUM_THREADS; step *= 2) {
    if (t % (2 * step) == 0) part[t] += part[t + step];
    __syncthreads();
  }
  if (t == 0) partial[blockIdx.x] = part[0];
}

// Idea: the same additions by other threads: the first 128, then the first 64 … Warps whose threads are all
// done skip the step.
//
// Prediction: 4 + 2 + 1 + 5 · 1 warps add instead of 8 · 8, without a remainder to compute. The barriers
// remain.
static __global__ void sequential_kernel(size_t n, const float *x, float *partial) {
  __shared__ float part[SUM_THREADS];
  const int t = (int)threadIdx.x;
  part[t] = element(n, x);
  __syncthreads();
  for (int step = SUM_THREADS / 2; step; step /= 2) {
    if (t < step) part[t] += part[t + step];
    __syncthreads();
  }
  if (t == 0) partial[blockIdx.x] = part[0];
}

// Idea: within a warp, registers instead of shared memory: lanes read each other's by shuffles.
//
// Prediction: 1 barrier instead of 9, and 2 shared accesses per warp instead of some 20. What remains is that
// a thread loads 4 bytes and then waits: too little is under way.
static __global__ void shuffle_kernel(size_t n, const float *x, float *partial) {
  const float sum = block_sum(element(n, x));
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

void run_sum_atomic(hd_case *c) {
  const sum_case *s = (const sum_case *)c->state;
  const size_t n = (size_t)c->size;
  HD_CUDA(cudaMemsetAsync(s->device_sum, 0, sizeof(float)));
  atomic_kernel<<<(unsigned)sum_blocks(n), SUM_THREADS>>>(n, s->device_x, s->device_sum);
  HD_LAUNCHED();
}

typedef void level_kernel(size_t n, const float *x, float *partial);

// Blocks cannot wait for each other, but a launch waits for the one before it: the blocks' sums are added by
// another launch of the same kernel, until one block is enough. That also makes the sum pairwise: no element
// goes through more than 8 additions a level.
static void sum_by_levels(const hd_case *c, level_kernel *kernel) {
  const sum_case *s = (const sum_case *)c->state;
  const float *from = s->device_x;
  size_t left = (size_t)c->size;
  for (int level = 0;; level++) {
    const size_t blocks = sum_blocks(left);
    float *to = blocks == 1 ? s->device_sum : s->partial[level % 2];
    kernel<<<(unsigned)blocks, SUM_THREADS>>>(left, from, to);
    HD_LAUNCHED();
    if (blocks == 1) return;
    from = to;
    left = blocks;
  }
}

void run_sum_tree(hd_case *c) {
  sum_by_levels(c, tree_kernel);
}
void run_sum_sequential(hd_case *c) {
  sum_by_levels(c, sequential_kernel);
}
void run_sum_shuffle(hd_case *c) {
  sum_by_levels(c, shuffle_kernel);
}
