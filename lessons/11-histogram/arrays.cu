// SPDX-License-Identifier: MIT
// Keys and counts on the GPU; none of this is timed.
#include "heddle/device.h"
#include "histogram.h"

static void *upload(const void *from, size_t bytes) {
  void *to = NULL;
  HD_CUDA(cudaMalloc(&to, bytes));
  HD_CUDA(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice));
  return to;
}

// The counts are uploaded too: the harness has poisoned them, so a bin that nobody sets to zero is found.
void place_arrays(hd_case *c) {
  histogram_case *h = (histogram_case *)c->state;
  h->device_keys = (uint32_t *)upload(h->keys, (size_t)c->size * sizeof h->keys[0]);
  h->device_counts = (int32_t *)upload(h->counts, (size_t)h->bins * sizeof h->counts[0]);
  place_storage(c);
}

void collect_counts(hd_case *c) {
  const histogram_case *h = (const histogram_case *)c->state;
  HD_CUDA(
      cudaMemcpy(h->counts, h->device_counts, (size_t)h->bins * sizeof h->counts[0], cudaMemcpyDeviceToHost));
}

void release_arrays(hd_case *c) {
  histogram_case *h = (histogram_case *)c->state;
  HD_CUDA(cudaFree(h->device_keys));
  HD_CUDA(cudaFree(h->device_counts));
  HD_CUDA(cudaFree(h->storage));
  h->device_keys = NULL;
  h->device_counts = NULL;
  h->storage = NULL;
}
