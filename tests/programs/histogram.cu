// SPDX-License-Identifier: MIT
// 256 bins: one global histogram, one per block, one per warp; 16-byte loads as uchar4 vectors, the rest one
// by one.
#include <cuda_runtime.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <vector>

#define BINS 256
typedef unsigned char byte;

__global__ void global_atomics(const byte *data, size_t n, unsigned *bins) {
  size_t stride = (size_t)blockDim.x * gridDim.x;
  for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += stride)
    atomicAdd(&bins[data[i]], 1);
}

__global__ void private_per_block(const byte *data, size_t n, unsigned *bins) {
  __shared__ unsigned local[BINS];
  for (int b = threadIdx.x; b < BINS; b += blockDim.x) local[b] = 0;
  __syncthreads();
  const uchar4 *quads = reinterpret_cast<const uchar4 *>(data);
  const size_t first = (size_t)blockIdx.x * blockDim.x + threadIdx.x, stride = (size_t)blockDim.x * gridDim.x;
  for (size_t i = first; i < n / 4; i += stride) {
    const uchar4 q = quads[i];
    atomicAdd(&local[q.x], 1);
    atomicAdd(&local[q.y], 1);
    atomicAdd(&local[q.z], 1);
    atomicAdd(&local[q.w], 1);
  }
  if (first < n % 4) atomicAdd(&local[data[n / 4 * 4 + first]], 1);
  __syncthreads();
  for (int b = threadIdx.x; b < BINS; b += blockDim.x)
    if (local[b]) atomicAdd(bins + b, local[b]);
}

template <int WARPS>
__global__ void private_per_warp(const byte *data, size_t n, unsigned *bins) {
  __shared__ unsigned local[WARPS][BINS];
  for (int b = threadIdx.x; b < WARPS * BINS; b += blockDim.x) (&local[0][0])[b] = 0;
  __syncthreads();
  unsigned *mine = local[threadIdx.x / 32];
  for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (size_t)blockDim.x * gridDim.x)
    atomicAdd_block(mine + data[i], 1u);
  __syncthreads();
  for (int b = threadIdx.x; b < BINS; b += blockDim.x) {
    unsigned sum = 0;
    for (int w = 0; w < WARPS; w++) sum += local[w][b];
    atomicAdd(bins + b, sum);
  }
}

int main() {
  const size_t n = 70001;
  std::vector<byte> data(n);
  std::array<unsigned, BINS> exact{}, found;
  unsigned seed = 12345;
  for (auto &value : data) {
    seed = seed * 1664525u + 1013904223u;
    value = (byte)((seed >> 24) & (seed >> 16));  // far from uniform: bin 0 is crowded
    exact[value]++;
  }
  byte *d_data;
  unsigned *d_bins;
  cudaMalloc(&d_data, n);
  cudaMalloc(&d_bins, sizeof found);
  cudaMemcpy(d_data, data.data(), n, cudaMemcpyHostToDevice);
  using Kernel = void (*)(const byte *, size_t, unsigned *);
  Kernel kernels[] = {global_atomics, &private_per_block, private_per_warp<4>};
  int wrong = 0;
  for (Kernel kernel : kernels) {
    cudaMemset(d_bins, 0, sizeof found);
    kernel<<<13, 128>>>(d_data, n, d_bins);
    cudaMemcpy(found.data(), d_bins, sizeof found, cudaMemcpyDeviceToHost);
    for (int b = 0; b < BINS; b++) wrong += found[b] != exact[b];
  }
  wrong += cudaGetLastError() != cudaSuccess;
  cudaFree(d_data);
  cudaFree(d_bins);
  std::printf("histogram: %d bins wrong: %s\n", wrong, wrong ? "FAIL" : "PASS");
  return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
