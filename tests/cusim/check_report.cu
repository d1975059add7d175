// SPDX-License-Identifier: MIT
// Three mistakes, for check_report.sh: what the checker's report looks like.
#include <cuda_runtime.h>
#include <stdio.h>

__global__ void reverse(int *data) {
  __shared__ int tile[64];
  tile[threadIdx.x] = data[threadIdx.x];
  data[threadIdx.x] = tile[63 - threadIdx.x];  // no barrier in between
}

__global__ void fill(int *data, int n) {
  const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (i <= n) data[i] = i;  // one too many
}

int main(int argc, char **argv) {
  int *data = NULL;
  (void)argv;
  if (argc == 1) return 3;
  if (cudaMalloc(&data, 64 * sizeof *data)) return 1;  // never freed
  fill<<<5, 16>>>(data, 64);
  reverse<<<1, 64>>>(data);
  if (cudaDeviceSynchronize()) return 1;
  return 0;
}
