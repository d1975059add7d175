// SPDX-License-Identifier: MIT
// Work-efficient exclusive scan (up-sweep, down-sweep, padded against bank conflicts), block sums scanned
// recursively.
#include <cuda_runtime.h>
#include <stdio.h>
#include <stdlib.h>

#define LOG_BANKS 5
#define PADDED(i) ((i) + ((i) >> LOG_BANKS))
#define ITEMS 512 /* per block; two for each thread */

__global__ void scan_block(const int *in, int *out, int *sums, int n) {
  extern __shared__ int temp[];
  const int thid = threadIdx.x, base = blockIdx.x * ITEMS;
  const int ai = thid, bi = thid + ITEMS / 2;
  temp[PADDED(ai)] = base + ai < n ? in[base + ai] : 0;
  temp[PADDED(bi)] = base + bi < n ? in[base + bi] : 0;
  int offset = 1;
  for (int d = ITEMS >> 1; d > 0; d >>= 1) {
    __syncthreads();
    if (thid < d) {
      int left = offset * (2 * thid + 1) - 1, right = offset * (2 * thid + 2) - 1;
      temp[PADDED(right)] += temp[PADDED(left)];
    }
    offset *= 2;
  }
  if (thid == 0) {
    if (sums) sums[blockIdx.x] = temp[PADDED(ITEMS - 1)];
    temp[PADDED(ITEMS - 1)] = 0;
  }
  for (int d = 1; d < ITEMS; d *= 2) {
    offset >>= 1;
    __syncthreads();
    if (thid < d) {
      int left = offset * (2 * thid + 1) - 1, right = offset * (2 * thid + 2) - 1;
      int t = temp[PADDED(left)];
      temp[PADDED(left)] = temp[PADDED(right)];
      temp[PADDED(right)] += t;
    }
  }
  __syncthreads();
  if (base + ai < n) out[base + ai] = temp[PADDED(ai)];
  if (base + bi < n) out[base + bi] = temp[PADDED(bi)];
}

__global__ void add_sums(int *out, const int *sums, int n) {
  __shared__ int before;
  if (threadIdx.x == 0) before = sums[blockIdx.x];
  __syncthreads();
  for (int i = blockIdx.x * ITEMS + threadIdx.x; i < min(n, (int)(blockIdx.x + 1) * ITEMS); i += blockDim.x)
    out[i] += before;
}

static void scan(const int *d_in, int *d_out, int n) {
  const int blocks = (n + ITEMS - 1) / ITEMS;
  const size_t shared = PADDED(ITEMS) * sizeof(int);
  if (blocks == 1) {
    scan_block<<<1, ITEMS / 2, shared>>>(d_in, d_out, NULL, n);
    return;
  }
  int *d_sums, *d_before;
  cudaMalloc(&d_sums, blocks * sizeof(int));
  cudaMalloc(&d_before, blocks * sizeof(int));
  scan_block<<<blocks, ITEMS / 2, shared>>>(d_in, d_out, d_sums, n);
  scan(d_sums, d_before, blocks);
  add_sums<<<blocks, ITEMS / 2>>>(d_out, d_before, n);
  cudaFree(d_sums);
  cudaFree(d_before);
}

static int test(int n) {
  int *host = (int *)malloc(n * sizeof(int)), *result = (int *)malloc(n * sizeof(int)), *d_in, *d_out;
  for (int i = 0; i < n; i++) host[i] = i * 31 % 17 - 4, result[i] = -1;
  cudaMalloc(&d_in, n * sizeof(int));
  cudaMalloc(&d_out, n * sizeof(int));
  cudaMemcpy(d_in, host, n * sizeof(int), cudaMemcpyHostToDevice);
  scan(d_in, d_out, n);
  cudaMemcpy(result, d_out, n * sizeof(int), cudaMemcpyDeviceToHost);
  int wrong = cudaGetLastError() != cudaSuccess;
  for (int i = 0, sum = 0; i < n; sum += host[i++]) wrong += result[i] != sum;
  cudaFree(d_in);
  cudaFree(d_out);
  free(host);
  free(result);
  return wrong;
}

int main(void) {
  const int wrong = test(1) + test(511) + test(513) + test(ITEMS * 7 + 3) + test(ITEMS * ITEMS + 1000);
  printf("scan_blelloch: %d wrong: %s\n", wrong, wrong ? "FAIL" : "PASS");
  return wrong != 0;
}
