// SPDX-License-Identifier: MIT
// What the kernels share: their shape, and the two ends of a histogram that a block keeps in shared memory.
#ifndef HISTOGRAM_BLOCK_CUH
#define HISTOGRAM_BLOCK_CUH
#include "heddle/device.h"
#include "histogram.h"

enum { THREADS = 512, WARP = 32 };

// As many blocks as the GPU can hold at once, each of which walks through many keys: a block's own histogram
// is set to zero and merged once, not once per few keys. Fewer where a thread would have less than 16 keys.
static inline unsigned resident_blocks(long n) {
  int device, sms, threads;
  HD_CUDA(cudaGetDevice(&device));
  HD_CUDA(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, device));
  HD_CUDA(cudaDeviceGetAttribute(&threads, cudaDevAttrMaxThreadsPerMultiProcessor, device));
  const long most = (long)sms * (threads / THREADS), each = 16 * THREADS;
  const long wanted = (n + each - 1) / each;
  return (unsigned)(wanted < 1 ? 1 : wanted < most ? wanted : most);
}

static inline void zero_counts(const hd_case *c) {
  const histogram_case *h = (const histogram_case *)c->state;
  HD_CUDA(cudaMemsetAsync(h->device_counts, 0, (size_t)h->bins * sizeof h->device_counts[0]));
}

// Shared memory holds what the block before has left in it.
static __device__ __forceinline__ void set_to_zero(unsigned *counter, int count) {
  for (int i = (int)threadIdx.x; i < count; i += THREADS) counter[i] = 0;
  __syncthreads();
}

// Adds the block's counters, one per bin, to everybody's.
static __device__ __forceinline__ void merge(int bins, const unsigned *counter, int *counts) {
  __syncthreads();
  for (int b = (int)threadIdx.x; b < bins; b += THREADS)
    if (counter[b]) atomicAdd(&counts[b], (int)counter[b]);
}
#endif
