// SPDX-License-Identifier: MIT
// The last rungs of the sum: a thread adds many elements, and the blocks bring their sums together.
#include "block_sum.cuh"
#include "heddle/device.h"
#include "sum.h"

// Float4s that a thread has under way. An H200 delivers 4.8 TB/s after some 700 ns: 3.3 MB must be under way
// at all times, 25 KB per SM. 1536 threads with one float4 each are 24 KB, with four 96 KB: more than enough
// where some warps wait for something else. Eight would need twice the registers, and so leave half as many
// threads.
enum { UNDER_WAY = 4 };

static __device__ __forceinline__ void add(float4 *sum, float4 x) {
  sum->x += x.x;
  sum->y += x.y;
  sum->z += x.z;
  sum->w += x.w;
}

// The sum of this thread's elements: groups of four, as many apart as the grid has threads, so that each
// request of a warp is 512 bytes in one piece.
static __device__ __forceinline__ float sum_of_thread(size_t n, const float *x) {
  const float4 *quads = (const float4 *)x;
  const size_t count = n / 4, threads = gridDim.x * (size_t)SUM_THREADS;
  const size_t me = blockIdx.x * (size_t)SUM_THREADS + threadIdx.x;
  float4 sum = make_float4(0, 0, 0, 0);
  size_t i = me;
  for (; i + (UNDER_WAY - 1) * threads < count; i += UNDER_WAY * threads) {
    float4 loaded[UNDER_WAY];
#pragma unroll
    for (int k = 0; k < UNDER_WAY; k++) loaded[k] = __ldcs(&quads[i + k * threads]);
#pragma unroll
    for (int k = 0; k < UNDER_WAY; k++) add(&sum, loaded[k]);
  }
  for (; i < count; i += threads) add(&sum, __ldcs(&quads[i]));
  float rest = 0;
  if (me < n % 4) rest = x[4 * count + me];
  return (sum.x + sum.y) + (sum.z + sum.w) + rest;
}

// Idea: as many blocks as are resident at once, each thread walks through the array in steps of the grid; 16
// bytes per load, all loads of a turn issued before the first of them is used (and marked as read once, so
// that they don't displace what is needed again).
//
// Prediction: bound by DRAM. Starting a block and ending it with a sum over its threads, which the rungs
// above do for every 256 elements, is now done a thousand times in all.
static __global__ void __launch_bounds__(SUM_THREADS)
    vector_kernel(size_t n, const float *x, float *partial) {
  const float sum = block_sum(sum_of_thread(n, x));
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// Idea: no second launch. Who comes last adds the blocks' sums. Thread 0 of each block stores its sum, *then*
// counts its block: the fence between them makes sure that whoever sees the count also sees the sum. The
// counter starts over by itself.
//
// Prediction: a launch saved, some 2 µs: nothing at 2^28, a third at 2^20. The sums are added in the order of
// the blocks, not in that of their arrival: the same bits on every run.
static __global__ void __launch_bounds__(SUM_THREADS)
    single_pass_kernel(size_t n, const float *x, float *partial, unsigned *counter, float *result) {
  __shared__ bool last;
  float sum = block_sum(sum_of_thread(n, x));
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = sum;
    __threadfence();
    last = atomicInc(counter, gridDim.x - 1) == gridDim.x - 1;
    if (last) __threadfence();  // and this block reads the sums only after it has seen the count
  }
  __syncthreads();
  if (!last) return;
  sum = 0;
  for (unsigned b = threadIdx.x; b < gridDim.x; b += SUM_THREADS) sum += partial[b];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *result = sum;
}

unsigned sum_resident_blocks(void) {
  int device, processors, blocks;
  HD_CUDA(cudaGetDevice(&device));
  HD_CUDA(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device));
  HD_CUDA(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, single_pass_kernel, SUM_THREADS, 0));
  return (unsigned)(processors * blocks);
}

// No more blocks than have four elements for each thread.
static unsigned blocks_for(const hd_case *c) {
  const sum_case *s = (const sum_case *)c->state;
  const size_t useful = sum_blocks((size_t)c->size / 4);
  return useful < s->most_blocks ? (unsigned)useful : s->most_blocks;
}

void run_sum_vector(hd_case *c) {
  const sum_case *s = (const sum_case *)c->state;
  const unsigned blocks = blocks_for(c);
  vector_kernel<<<blocks, SUM_THREADS>>>((size_t)c->size, s->device_x, s->partial[0]);
  HD_LAUNCHED();
  vector_kernel<<<1, SUM_THREADS>>>(blocks, s->partial[0], s->device_sum);
  HD_LAUNCHED();
}

void run_sum_single_pass(hd_case *c) {
  const sum_case *s = (const sum_case *)c->state;
  single_pass_kernel<<<blocks_for(c), SUM_THREADS>>>((size_t)c->size, s->device_x, s->partial[0], s->counter,
                                                     s->device_sum);
  HD_LAUNCHED();
}
