// SPDX-License-Identifier: MIT
// Kernels and variables that main.cpp loads as a module.
__constant__ int factor = 3;
__device__ int count[4];

struct odd {
  char tag;
  double value;
};

extern "C" __global__ void scale(const int *in, int *out, short n, odd extra, char c) {
  const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  __shared__ int tile[64];
  if (i < n) tile[threadIdx.x] = in[i] * factor + (int)extra.value + extra.tag + c;
  __syncthreads();
  if (i < n) out[i] = tile[threadIdx.x];
  if (i < n) atomicAdd(&count[i % 4], 1);
}

template <class T>
__global__ void fill(T *out, T value) {
  out[threadIdx.x] = value;
}
template __global__ void fill<float>(float *, float);
