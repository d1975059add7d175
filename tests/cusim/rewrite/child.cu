// SPDX-License-Identifier: MIT
// A launch in device code, and one in a function that is for the host, too.
__global__ void child(int *x) { *x = 1; }
__host__ __device__ void both(int *x) {
#ifndef __CUDA_ARCH__
  child<<<1, 1>>>(x);
#endif
}
__global__ void parent(int *x) {
  both(x);
  child<<<1, 1>>>(x);
}
