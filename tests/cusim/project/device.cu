// SPDX-License-Identifier: MIT
// A device function of another file.
extern __device__ int helper(int a);
__global__ void use_helper(int *out) {
  *out = helper(1);
}

int from_device(void) {
  int *out, host = 0;
  if (cudaMalloc(&out, sizeof *out) != cudaSuccess) return -1;
  use_helper<<<1, 1>>>(out);
  cudaMemcpy(&host, out, sizeof host, cudaMemcpyDeviceToHost);
  cudaFree(out);
  return host;
}
