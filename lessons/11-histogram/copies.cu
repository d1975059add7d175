// SPDX-License-Identifier: MIT
// Several histograms per block, against lanes and warps that wait for each other. Shared memory holds
// MOST_BINS counters: as many copies of the histogram as fit.
#include "block.cuh"

// Where the counter of a key lies for a thread, if there are `copies` of each.
enum layout {
  PER_WARP,  // copy by copy; a warp's copy is its number
  PER_LANE,  // bin by bin, its copies side by side; a lane's copy is its number
};

template <enum layout LAYOUT>
static __device__ __forceinline__ unsigned place_of(unsigned key, int bins, int copies) {
  if (LAYOUT == PER_WARP) return (threadIdx.x / WARP) % copies * bins + key;
  return key * copies + threadIdx.x % copies;
}

template <enum layout LAYOUT>
static __device__ __forceinline__ void count(long n, const uint32_t *keys, int bins, int copies, int *counts,
                                             unsigned *counter) {
  set_to_zero(counter, bins * copies);
  const size_t first = blockIdx.x * (size_t)THREADS + threadIdx.x, step = gridDim.x * (size_t)THREADS;
  const uint4 *quads = (const uint4 *)keys;
  for (size_t q = first; q < (size_t)n / 4; q += step) {
    const uint4 key = quads[q];
    atomicAdd(&counter[place_of<LAYOUT>(key.x, bins, copies)], 1u);
    atomicAdd(&counter[place_of<LAYOUT>(key.y, bins, copies)], 1u);
    atomicAdd(&counter[place_of<LAYOUT>(key.z, bins, copies)], 1u);
    atomicAdd(&counter[place_of<LAYOUT>(key.w, bins, copies)], 1u);
  }
  const size_t rest = (size_t)n / 4 * 4 + first;
  if (rest < (size_t)n) atomicAdd(&counter[place_of<LAYOUT>(keys[rest], bins, copies)], 1u);
  __syncthreads();
  for (int b = (int)threadIdx.x; b < bins; b += THREADS) {
    unsigned sum = 0;
    for (int k = 0; k < copies; k++)  // each lane begins with another copy, and so in another bank
      sum += LAYOUT == PER_WARP ? counter[k * bins + b] : counter[b * copies + (k + b) % copies];
    if (sum) atomicAdd(&counts[b], (int)sum);
  }
}

// Idea: a histogram per warp, so that warps never meet in a counter.
//
// Prediction: nothing. Those who wait for each other are the lanes of one request; warps take turns anyway.
static __global__ void __launch_bounds__(THREADS)
    per_warp_kernel(long n, const uint32_t *keys, int bins, int copies, int *counts) {
  __shared__ unsigned counter[MOST_BINS];
  count<PER_WARP>(n, keys, bins, copies, counts, counter);
}

// Idea: a histogram per lane, its copies of a bin side by side: with 32 copies lane l only ever meets bank l.
//
// Prediction: one cycle per request, whatever the keys are. Where memory is the bound that gains nothing for
// random keys. For equal keys it is the cure on cards on which lanes with equal keys wait for each other.
static __global__ void __launch_bounds__(THREADS)
    per_lane_kernel(long n, const uint32_t *keys, int bins, int copies, int *counts) {
  __shared__ unsigned counter[MOST_BINS];
  count<PER_LANE>(n, keys, bins, copies, counts, counter);
}

// The largest power of two of histograms that fit, at most `most`.
static int copies_of(int bins, int most) {
  int copies = most;
  while (copies > 1 && copies * bins > MOST_BINS) copies /= 2;
  return copies;
}

void run_per_warp(hd_case *c) {
  const histogram_case *h = (const histogram_case *)c->state;
  zero_counts(c);
  per_warp_kernel<<<resident_blocks(c->size), THREADS>>>(
      c->size, h->device_keys, h->bins, copies_of(h->bins, THREADS / WARP), h->device_counts);
  HD_LAUNCHED();
}

void run_per_lane(hd_case *c) {
  const histogram_case *h = (const histogram_case *)c->state;
  zero_counts(c);
  per_lane_kernel<<<resident_blocks(c->size), THREADS>>>(c->size, h->device_keys, h->bins,
                                                         copies_of(h->bins, WARP), h->device_counts);
  HD_LAUNCHED();
}
