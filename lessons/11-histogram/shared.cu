// SPDX-License-Identifier: MIT
// A histogram per block, in shared memory, merged once at the end.
#include "block.cuh"

// Idea: each block counts into 256 counters of its own. Only the merge, bins × blocks atomics instead of n,
// goes to L2.
//
// Prediction: shared memory has 32 banks, each of which does one atomic per cycle. 32 random keys fall into
// 32 banks like balls into boxes: the fullest box holds 3.5 of them, so a warp's increments take 3.5 cycles.
// At 4.3 TB/s an SM of an H200 gets 32 keys every 7.8 cycles: the memory is the slower of the two. But nvcc
// leaves the loop as it is: 2048 threads have 8 KiB under way, and 16 bytes a cycle that come after 700
// cycles are 11 KiB.
static __global__ void __launch_bounds__(THREADS)
    shared_kernel(long n, const uint32_t *keys, int bins, int *counts) {
  __shared__ unsigned counter[MOST_BINS];
  set_to_zero(counter, bins);
  for (size_t i = blockIdx.x * (size_t)THREADS + threadIdx.x; i < (size_t)n; i += gridDim.x * (size_t)THREADS)
    atomicAdd(&counter[keys[i]], 1u);
  merge(bins, counter, counts);
}

// Idea: four keys per load. The increments stay what they are; loads are a quarter as many, and four times
// the bytes are under way while a warp waits for memory.
//
// Prediction: 32 KiB under way, three times what it takes: bound by the memory.
static __global__ void __launch_bounds__(THREADS)
    vector_kernel(long n, const uint32_t *keys, int bins, int *counts) {
  __shared__ unsigned counter[MOST_BINS];
  set_to_zero(counter, bins);
  const size_t first = blockIdx.x * (size_t)THREADS + threadIdx.x, step = gridDim.x * (size_t)THREADS;
  const uint4 *quads = (const uint4 *)keys;
  for (size_t q = first; q < (size_t)n / 4; q += step) {
    const uint4 key = quads[q];
    atomicAdd(&counter[key.x], 1u);
    atomicAdd(&counter[key.y], 1u);
    atomicAdd(&counter[key.z], 1u);
    atomicAdd(&counter[key.w], 1u);
  }
  const size_t rest = (size_t)n / 4 * 4 + first;  // at most three keys are left
  if (rest < (size_t)n) atomicAdd(&counter[keys[rest]], 1u);
  merge(bins, counter, counts);
}

void run_shared(hd_case *c) {
  const histogram_case *h = (const histogram_case *)c->state;
  zero_counts(c);
  shared_kernel<<<resident_blocks(c->size), THREADS>>>(c->size, h->device_keys, h->bins, h->device_counts);
  HD_LAUNCHED();
}

void run_vector(hd_case *c) {
  const histogram_case *h = (const histogram_case *)c->state;
  zero_counts(c);
  vector_kernel<<<resident_blocks(c->size), THREADS>>>(c->size, h->device_keys, h->bins, h->device_counts);
  HD_LAUNCHED();
}
