// SPDX-License-Identifier: MIT
// The library's sort on a GPU, alone in its file: it takes seconds to compile. No merge sort: CUB counts how
// often each value of a few bits occurs and moves every record to its place among them, four to eight bits at
// a time, from the lowest on. That compares nothing, and keeps the order of equal keys.
#include <heddle/device.h>
#include <heddle/error.h>

#include <cub/device/device_radix_sort.cuh>

#include "sort.h"

static int32_t *upload(const record *from, size_t n, bool keys) {
  int32_t *values = (int32_t *)hd_alloc(n, sizeof(int32_t)), *to = NULL;
  for (size_t i = 0; i < n; i++) values[i] = keys ? from[i].key : from[i].index;
  HD_CUDA(cudaMalloc((void **)&to, n * sizeof(int32_t)));
  HD_CUDA(cudaMemcpy(to, values, n * sizeof(int32_t), cudaMemcpyHostToDevice));
  free(values);
  return to;
}

static void sort_pairs(gpu_records *g, int n) {
  HD_CUDA(cub::DeviceRadixSort::SortPairs(g->storage, g->storage_bytes, g->keys, g->sorted_keys, g->indices,
                                          g->sorted_indices, n));
}

// The results are uploaded too: the harness has poisoned them.
void gpu_place(gpu_records *g, const record *in, const record *to, long n) {
  const gpu_records placed = {upload(in, (size_t)n, true),
                              upload(in, (size_t)n, false),
                              upload(to, (size_t)n, true),
                              upload(to, (size_t)n, false),
                              NULL,
                              0};
  *g = placed;
  sort_pairs(g, (int)n);  // without storage: says how much it needs
  HD_CUDA(cudaMalloc(&g->storage, g->storage_bytes));
}

void gpu_sort(gpu_records *g, long n) {
  if (n > 0) sort_pairs(g, (int)n);
}

void gpu_collect(const gpu_records *g, record *to, long n) {
  int32_t *values = (int32_t *)hd_alloc((size_t)n, sizeof(int32_t));
  HD_CUDA(cudaMemcpy(values, g->sorted_keys, (size_t)n * sizeof(int32_t), cudaMemcpyDeviceToHost));
  for (long i = 0; i < n; i++) to[i].key = values[i];
  HD_CUDA(cudaMemcpy(values, g->sorted_indices, (size_t)n * sizeof(int32_t), cudaMemcpyDeviceToHost));
  for (long i = 0; i < n; i++) to[i].index = values[i];
  free(values);
}

void gpu_release(gpu_records *g) {
  HD_CUDA(cudaFree(g->keys));
  HD_CUDA(cudaFree(g->indices));
  HD_CUDA(cudaFree(g->sorted_keys));
  HD_CUDA(cudaFree(g->sorted_indices));
  HD_CUDA(cudaFree(g->storage));
}
