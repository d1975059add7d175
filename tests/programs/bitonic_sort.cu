// SPDX-License-Identifier: MIT
// Bitonic sort: strides inside a block in shared memory, wider ones in global memory; padded to a power of
// two.
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define SHARE 256u /* elements a block sorts in shared memory */

template <typename Key>
__device__ __forceinline__ void compare(Key &a, Key &b, bool ascending) {
  if ((a > b) == ascending) {
    Key t = a;
    a = b;
    b = t;
  }
}

template <typename Key>
__global__ void sort_shared(Key *keys, unsigned length, unsigned from) {
  __shared__ Key s[SHARE];
  const unsigned base = blockIdx.x * SHARE, t = threadIdx.x;
  s[t] = keys[base + t];
  s[t + SHARE / 2] = keys[base + t + SHARE / 2];
  for (unsigned size = from; size <= length; size *= 2) {
    for (unsigned stride = size / 2 < SHARE / 2 ? size / 2 : SHARE / 2; stride > 0; stride /= 2) {
      __syncthreads();
      const unsigned pos = 2 * t - (t & (stride - 1));
      const bool ascending = ((base + pos) & size) == 0;
      compare(s[pos], s[pos + stride], ascending);
    }
  }
  __syncthreads();
  keys[base + t] = s[t];
  keys[base + t + SHARE / 2] = s[t + SHARE / 2];
}

template <typename Key>
__global__ void merge_global(Key *keys, unsigned size, unsigned stride) {
  const unsigned t = blockIdx.x * blockDim.x + threadIdx.x, pos = 2 * t - (t & (stride - 1));
  compare(keys[pos], keys[pos + stride], (pos & size) == 0);
}

static int ascending_order(const void *a, const void *b) {
  int x = *(const int *)a, y = *(const int *)b;
  return (x > y) - (x < y);
}

static int test(unsigned n) {
  unsigned padded = SHARE;
  while (padded < n) padded *= 2;
  int *keys = (int *)malloc(padded * sizeof(int)), *sorted = (int *)malloc(padded * sizeof(int)), *d_keys;
  for (unsigned i = 0; i < padded; i++) keys[i] = i < n ? (int)(i * 2654435761u) : INT_MAX;
  cudaMalloc(&d_keys, padded * sizeof(int));
  cudaMemcpy(d_keys, keys, padded * sizeof(int), cudaMemcpyHostToDevice);
  sort_shared<int><<<padded / SHARE, SHARE / 2>>>(d_keys, SHARE, 2);
  for (unsigned size = 2 * SHARE; size <= padded; size *= 2) {
    for (unsigned stride = size / 2; stride > SHARE / 2; stride /= 2)
      merge_global<<<padded / SHARE, SHARE / 2>>>(d_keys, size, stride);
    sort_shared<<<padded / SHARE, SHARE / 2>>>(d_keys, size, size);
  }
  cudaMemcpy(sorted, d_keys, padded * sizeof(int), cudaMemcpyDeviceToHost);
  int wrong = cudaGetLastError() != cudaSuccess;
  qsort(keys, n, sizeof(int), ascending_order);
  for (unsigned i = 0; i < n; i++) wrong += sorted[i] != keys[i];
  cudaFree(d_keys);
  free(keys);
  free(sorted);
  return wrong;
}

int main() {
  const int wrong = test(1) + test(255) + test(256) + test(5000);
  printf("bitonic_sort: %d out of place: %s\n", wrong, wrong ? "FAIL" : "PASS");
  return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
