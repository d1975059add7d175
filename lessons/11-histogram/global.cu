// SPDX-License-Identifier: MIT
// The first rung: every thread increments the one histogram, in global memory.
#include "block.cuh"

// Idea: atomicAdd makes the increment indivisible; it is done where all SMs meet, in L2.
//
// Prediction: a unit of L2 takes the atomics of one sector at a time, and those on one address one after the
// other. 256 counters are 1 KiB, 32 sectors, next to each other. The keys come at 8 GB in a millisecond, the
// atomics go at one or two per cycle: 200 times slower than reading. All keys equal: 32 lanes that wait for
// each other, slower still.
static __global__ void global_kernel(long n, const uint32_t *keys, int *counts) {
  for (size_t i = blockIdx.x * (size_t)THREADS + threadIdx.x; i < (size_t)n; i += gridDim.x * (size_t)THREADS)
    atomicAdd(&counts[keys[i]], 1);
}

void run_global(hd_case *c) {
  const histogram_case *h = (const histogram_case *)c->state;
  zero_counts(c);
  global_kernel<<<resident_blocks(c->size), THREADS>>>(c->size, h->device_keys, h->device_counts);
  HD_LAUNCHED();
}
