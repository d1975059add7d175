// SPDX-License-Identifier: MIT
// Jacobi for a diagonally dominant system until the largest change is small; the maximum by an atomic on its
// bits.
#include <cuda_runtime.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#define CUDA_OK(expression)                                                                           \
  if (cudaError_t e = (expression)) {                                                                 \
    std::fprintf(stderr, "%s failed at line %d: %s\n", #expression, __LINE__, cudaGetErrorString(e)); \
    std::exit(2);                                                                                     \
  }

struct DeviceFree {
  void operator()(void *p) const { cudaFree(p); }
};
template <class T>
using DeviceArray = std::unique_ptr<T[], DeviceFree>;

template <class T>
DeviceArray<T> device_copy(const std::vector<T> &host) {
  T *p = nullptr;
  CUDA_OK(cudaMalloc(&p, host.size() * sizeof(T)));
  CUDA_OK(cudaMemcpy(p, host.data(), host.size() * sizeof(T), cudaMemcpyHostToDevice));
  return DeviceArray<T>(p);
}

__device__ float largest_change;

__device__ void atomic_max_positive(float *address,
                                    float value) {  // bits of positive floats order as integers
  atomicMax(reinterpret_cast<int *>(address), __float_as_int(value));
}

__global__ void sweep(const float *a, const float *b, const float *x, float *next, int n) {
  const int row = blockIdx.x * blockDim.x + threadIdx.x;
  float change = 0;
  if (row < n) {
    float sum = b[row];
    for (int j = 0; j < n; j++)
      if (j != row) sum -= a[row * n + j] * x[j];
    next[row] = sum / a[row * n + row];
    change = fabsf(next[row] - x[row]);
  }
  for (int d = 16; d; d /= 2) change = fmaxf(change, __shfl_xor_sync(0xffffffff, change, d));
  if (threadIdx.x % 32 == 0) atomic_max_positive(&largest_change, change);
}

int main() {
  const int n = 157;
  std::vector<float> a(n * n), b(n), exact(n), x(n, 0.f);
  for (int i = 0; i < n; i++) exact[i] = std::cos(0.3f * static_cast<float>(i));
  for (int i = 0; i < n; i++) {
    double sum = 0;
    for (int j = 0; j < n; j++) {
      a[i * n + j] = i == j ? 2.f * n : static_cast<float>((i * 13 + j * 7) % 11) / 11.f;
      sum += static_cast<double>(a[i * n + j]) * exact[j];
    }
    b[i] = static_cast<float>(sum);
  }
  auto d_a = device_copy(a), d_b = device_copy(b), d_x = device_copy(x), d_next = device_copy(x);
  int sweeps = 0;
  float change = INFINITY;
  for (; sweeps < 200 && !(change < 1e-6f); sweeps++) {
    change = 0;
    CUDA_OK(cudaMemcpyToSymbol(largest_change, &change, sizeof change));
    sweep<<<(n + 63) / 64, 64>>>(d_a.get(), d_b.get(), d_x.get(), d_next.get(), n);
    CUDA_OK(cudaMemcpyFromSymbol(&change, largest_change, sizeof change));
    std::swap(d_x, d_next);
  }
  CUDA_OK(cudaMemcpy(x.data(), d_x.get(), n * sizeof(float), cudaMemcpyDeviceToHost));
  double worst = 0;
  for (int i = 0; i < n; i++) {
    const double error = std::fabs(x[i] - exact[i]);
    if (!(error <= worst)) worst = error;
  }
  const bool good = worst < 1e-5 && sweeps < 200;
  std::printf("jacobi_residual: %d sweeps, max error %g: %s\n", sweeps, worst, good ? "PASS" : "FAIL");
  return !good;
}
