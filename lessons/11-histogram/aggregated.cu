// SPDX-License-Identifier: MIT
// Lanes with the same key agree on one of them, which adds for all.
#include "block.cuh"

// Idea: __match_any_sync tells each lane which lanes of its warp hold the same key; the first of them adds
// their number. No two lanes of a request meet in one counter any more.
//
// Prediction: for equal keys 1 addition instead of 32. For random ones nearly as many as before, and the
// comparison on top. From compute capability 8.0 on shared memory does this itself if what is added is the
// constant 1 (nvcc emits ATOMS.POPC.INC): there it is all cost and no gain.
static __global__ void __launch_bounds__(THREADS)
    aggregated_kernel(long n, const uint32_t *keys, int bins, int *counts) {
  __shared__ unsigned counter[MOST_BINS];
  set_to_zero(counter, bins);
  const unsigned lane = threadIdx.x % WARP;
  const size_t step = gridDim.x * (size_t)THREADS;
  // A warp goes round as one, so that all of its lanes come to the comparison.
  for (size_t base = blockIdx.x * (size_t)THREADS + threadIdx.x - lane; base < (size_t)n; base += step) {
    const bool there = base + lane < (size_t)n;
    const unsigned active = __ballot_sync(~0u, there);
    if (!there) continue;
    const unsigned key = keys[base + lane];
    const unsigned same = __match_any_sync(active, key);
    if (lane == (unsigned)__ffs((int)same) - 1) atomicAdd(&counter[key], (unsigned)__popc(same));
  }
  merge(bins, counter, counts);
}

void run_aggregated(hd_case *c) {
  const histogram_case *h = (const histogram_case *)c->state;
  zero_counts(c);
  aggregated_kernel<<<resident_blocks(c->size), THREADS>>>(c->size, h->device_keys, h->bins,
                                                           h->device_counts);
  HD_LAUNCHED();
}
