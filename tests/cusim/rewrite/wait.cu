// SPDX-License-Identifier: MIT
// A kernel cannot wait for what it has launched; a function for both sides may ask on which it is.
__global__ void child(int *x) { *x = 1; }
__host__ __device__ void both() {
#ifndef __CUDA_ARCH__
  cudaDeviceSynchronize();
#endif
}
__global__ void parent(int *x) {
  both();
  child<<<1, 1>>>(x);
  cudaDeviceSynchronize();
}
