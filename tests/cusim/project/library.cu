// SPDX-License-Identifier: MIT
// A kernel and a device variable in a shared library.
#include <cuda_runtime.h>

static __device__ int scale = 3;
__global__ void times(int *out) {
  *out = scale * 7;
}

static int value_of(int *device) {
  int host = 0;
  cudaMemcpy(&host, device, sizeof host, cudaMemcpyDeviceToHost);
  return host;
}

extern "C" int from_library(void) {
  int *out, four = 4;
  if (cudaMalloc(&out, sizeof *out) != cudaSuccess) return -1;
  times<<<1, 1>>>(out);
  const int before = value_of(out);
  cudaMemcpyToSymbol(scale, &four, sizeof four);
  void *arguments[] = {&out};
  cudaLaunchKernel((const void *)times, dim3(1), dim3(1), arguments, 0, nullptr);
  const int after = value_of(out);
  cudaFree(out);
  return 1000 * before + after;
}
