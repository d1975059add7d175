// SPDX-License-Identifier: MIT
// y = A x: one warp per row, sums by shuffles; the transposed product with atomics, one thread per column
// strip.
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#define WARP 32

__device__ __forceinline__ float warp_sum(float value) {
  for (int offset = WARP / 2; offset; offset >>= 1) value += __shfl_down_sync(0xffffffff, value, offset);
  return value;
}

__global__ void __launch_bounds__(128) rows(const float *a, const float *x, float *y, int m, int n) {
  const int row = (blockIdx.x * blockDim.x + threadIdx.x) / WARP, lane = threadIdx.x % WARP;
  if (row >= m) return;  // the whole warp leaves
  float sum = 0;
  for (int j = lane; j < n; j += WARP) sum += __ldg(&a[(size_t)row * n + j]) * x[j];
  sum = warp_sum(sum);
  if (lane == 0) y[row] = sum;
}

__global__ void columns(const float *a, const float *x, float *y, int m, int n, int rows_each) {
  const int col = blockIdx.x * blockDim.x + threadIdx.x, first = blockIdx.y * rows_each;
  if (col >= n) return;
  float sum = 0;
  for (int i = first; i < min(first + rows_each, m); i++) sum += a[(size_t)i * n + col] * x[i];
  atomicAdd(y + col, sum);
}

int main() {
  const int m = 301, n = 517;
  std::vector<float> a(m * n), x(n), z(m), y(m), t(n);
  for (int i = 0; i < m * n; i++) a[i] = (float)(i * 31 % 101) / 101.f - .5f;
  for (int i = 0; i < n; i++) x[i] = (float)(i % 7) - 3.f;
  for (int i = 0; i < m; i++) z[i] = (float)(i % 5) - 2.f;
  float *d_a, *d_x, *d_z, *d_y, *d_t;
  bool ok = cudaMalloc(&d_a, a.size() * 4) == cudaSuccess && cudaMalloc(&d_x, n * 4) == cudaSuccess &&
            cudaMalloc(&d_z, m * 4) == cudaSuccess && cudaMalloc(&d_y, m * 4) == cudaSuccess &&
            cudaMalloc(&d_t, n * 4) == cudaSuccess;
  cudaMemcpy(d_a, a.data(), a.size() * 4, cudaMemcpyHostToDevice);
  cudaMemcpy(d_x, x.data(), n * 4, cudaMemcpyHostToDevice);
  cudaMemcpy(d_z, z.data(), m * 4, cudaMemcpyHostToDevice);
  cudaMemset(d_t, 0, n * 4);
  rows<<<(m * WARP + 127) / 128, 128>>>(d_a, d_x, d_y, m, n);
  columns<<<dim3((n + 95) / 96, 4), 96>>>(d_a, d_z, d_t, m, n, (m + 3) / 4);
  cudaMemcpy(y.data(), d_y, m * 4, cudaMemcpyDeviceToHost);
  cudaMemcpy(t.data(), d_t, n * 4, cudaMemcpyDeviceToHost);
  ok = ok && cudaDeviceSynchronize() == cudaSuccess;
  double worst = 0;
  auto note = [&worst](double error) {
    if (!(error <= worst)) worst = error;
  };
  for (int i = 0; i < m; i++) {
    double exact = 0;
    for (int j = 0; j < n; j++) exact += (double)a[i * n + j] * x[j];
    note(std::fabs(exact - y[i]));
  }
  for (int j = 0; j < n; j++) {
    double exact = 0;
    for (int i = 0; i < m; i++) exact += (double)a[i * n + j] * z[i];
    note(std::fabs(exact - t[j]));
  }
  for (float *p : {d_a, d_x, d_z, d_y, d_t}) cudaFree(p);
  ok = ok && worst < 1e-3;
  std::printf("matvec: max error %g: %s\n", worst, ok ? "PASS" : "FAIL");
  return ok ? 0 : 1;
}
