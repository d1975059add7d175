// SPDX-License-Identifier: MIT
// One vector sum on all devices, one host thread for all of them; partial results travel to device 0 by peer
// copies.
#include <cuda_runtime.h>

#include <cstdio>
#include <numeric>
#include <vector>

__global__ void partial_sums(const int *in, int n, long long *out) {
  long long sum = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) sum += in[i];
  for (int d = 16; d; d /= 2) sum += __shfl_down_sync(~0u, sum, d);
  if (threadIdx.x % 32 == 0) atomicAdd((unsigned long long *)out, (unsigned long long)sum);
}

__global__ void gather(const long long *partial, int count, long long *total) {
  *total = 0;
  for (int i = 0; i < count; i++) *total += partial[i];
}

struct Share {
  int first, count, *in;
  long long *out;
  cudaStream_t stream;
};

int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices < 1) return 2;
  const int n = 100003;
  std::vector<int> host(n);
  for (int i = 0; i < n; i++) host[i] = i * 31 % 1001 - 400;
  std::vector<Share> shares(devices);
  for (int d = 0; d < devices; d++) {
    Share &s = shares[d];
    s.first = (int)((long)n * d / devices);
    s.count = (int)((long)n * (d + 1) / devices) - s.first;
    cudaSetDevice(d);
    cudaStreamCreate(&s.stream);
    cudaMalloc(&s.in, (s.count + 1) * sizeof(int));
    cudaMalloc(&s.out, sizeof(long long));
    cudaMemcpyAsync(s.in, host.data() + s.first, s.count * sizeof(int), cudaMemcpyHostToDevice, s.stream);
    cudaMemsetAsync(s.out, 0, sizeof(long long), s.stream);
    partial_sums<<<6, 128, 0, s.stream>>>(s.in, s.count, s.out);
  }
  long long *d_partial, *d_total, total = 0;
  cudaSetDevice(0);
  cudaMalloc(&d_partial, devices * sizeof(long long));
  cudaMalloc(&d_total, sizeof(long long));
  for (int d = 0; d < devices; d++) {
    int reachable = 0;
    if (d) cudaDeviceCanAccessPeer(&reachable, 0, d);
    if (reachable) cudaDeviceEnablePeerAccess(d, 0);
    cudaStreamSynchronize(shares[d].stream);
    cudaMemcpyPeer(d_partial + d, 0, shares[d].out, d, sizeof(long long));
  }
  gather<<<1, 1>>>(d_partial, devices, d_total);
  cudaMemcpy(&total, d_total, sizeof total, cudaMemcpyDeviceToHost);
  const long long exact = std::accumulate(host.begin(), host.end(), 0LL);
  bool good = total == exact && cudaGetLastError() == cudaSuccess;
  cudaFree(d_partial);
  cudaFree(d_total);
  for (int d = 0; d < devices; d++) {
    cudaSetDevice(d);
    cudaFree(shares[d].in);
    cudaFree(shares[d].out);
    good = cudaStreamDestroy(shares[d].stream) == cudaSuccess && good;
  }
  std::printf("multi_gpu: %d devices, sum off by %lld: %s\n", devices, total - exact, good ? "PASS" : "FAIL");
  return good ? 0 : 1;
}
