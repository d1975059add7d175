// SPDX-License-Identifier: MIT
// The library, alone in its file: it takes seconds to compile.
#include <heddle/device.h>

#include <cub/device/device_histogram.cuh>

#include "histogram.h"

static void histogram(const histogram_case *h, void *storage, size_t *bytes, int n) {
  HD_CUDA(cub::DeviceHistogram::HistogramEven(storage, *bytes, h->device_keys, h->device_counts, h->bins + 1,
                                              0u, (uint32_t)h->bins, n));
}

void place_storage(hd_case *c) {
  histogram_case *h = (histogram_case *)c->state;
  histogram(h, NULL, &h->storage_bytes, (int)c->size);
  HD_CUDA(cudaMalloc(&h->storage, h->storage_bytes));
}

// CUB sets the counts to zero itself. It keeps up to 256 bins in shared memory, more of them in a copy per
// block in global memory.
void run_cub(hd_case *c) {
  histogram_case *h = (histogram_case *)c->state;
  if (c->size > 0)
    histogram(h, h->storage, &h->storage_bytes, (int)c->size);
  else
    HD_CUDA(cudaMemsetAsync(h->device_counts, 0, (size_t)h->bins * sizeof h->device_counts[0]));
}
