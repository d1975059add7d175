// SPDX-License-Identifier: MIT
// Batcher's odd-even merge sort of key-value pairs; every comparator of a stage in one launch, through
// cudaLaunchKernel.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <vector>

struct KeyValue {
  unsigned key, value;
};

__global__ void comparators(KeyValue *items, int n, int p, int k) {
  const int j0 = k % p;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i + k < n; i += gridDim.x * blockDim.x) {
    if (i < j0 || ((i - j0) / k) % 2 != 0) continue;
    if (i / (2 * p) != (i + k) / (2 * p)) continue;
    KeyValue a = items[i], b = items[i + k];
    if (a.key > b.key) {
      items[i] = b;
      items[i + k] = a;
    }
  }
}

int main() {
  int wrong = 0;
  for (int n : {2, 31, 100, 1000}) {
    std::vector<KeyValue> items(n), sorted(n);
    for (int i = 0; i < n; i++) items[i] = {(unsigned)i * 40503u % 1009u, (unsigned)i};
    KeyValue *d_items = nullptr;
    wrong += cudaMalloc(&d_items, n * sizeof(KeyValue)) != cudaSuccess;
    cudaMemcpy(d_items, items.data(), n * sizeof(KeyValue), cudaMemcpyHostToDevice);
    for (int p = 1; p < n; p *= 2)
      for (int k = p; k >= 1; k /= 2) {
        void *arguments[] = {&d_items, &n, &p, &k};
        wrong += cudaLaunchKernel((const void *)comparators, dim3(4), dim3(64), arguments, 0, nullptr) !=
                 cudaSuccess;
      }
    cudaMemcpy(sorted.data(), d_items, n * sizeof(KeyValue), cudaMemcpyDeviceToHost);
    cudaFree(d_items);
    for (int i = 0; i + 1 < n; i++) wrong += sorted[i].key > sorted[i + 1].key;
    std::vector<bool> seen(n, false);
    for (const KeyValue &item : sorted) {  // a permutation that kept each key with its value
      const bool fits = item.value < (unsigned)n && !seen[item.value] && items[item.value].key == item.key;
      wrong += !fits;
      if (fits) seen[item.value] = true;
    }
  }
  std::printf("odd_even_merge_sort: %d wrong: %s\n", wrong, wrong ? "FAIL" : "PASS");
  return wrong != 0;
}
