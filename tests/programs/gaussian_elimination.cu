// SPDX-License-Identifier: MIT
// Gaussian elimination with partial pivoting: the pivot by a block-wide arg-max, rows swapped on the device.
#include <cmath>
#include <cstdio>
#include <vector>

static const unsigned kThreads = 128;

struct Candidate {
  double size;
  int row;
  __device__ Candidate() : size(-1), row(-1) {}
  __device__ void take(const Candidate &other) {
    if (other.size > size || (other.size == size && other.row >= 0 && other.row < row)) *this = other;
  }
};

__global__ void find_pivot(const double *a, int n, int k, int *pivot) {
  __shared__ double sizes[kThreads];
  __shared__ int rows[kThreads];
  Candidate mine;
  for (int i = k + (int)threadIdx.x; i < n; i += (int)kThreads) {
    Candidate c;
    c.size = fabs(a[i * (n + 1) + k]);
    c.row = i;
    mine.take(c);
  }
  sizes[threadIdx.x] = mine.size;
  rows[threadIdx.x] = mine.row;
  __syncthreads();
  for (unsigned half = kThreads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) {
      Candidate other;
      other.size = sizes[threadIdx.x + half];
      other.row = rows[threadIdx.x + half];
      mine.take(other);
      sizes[threadIdx.x] = mine.size;
      rows[threadIdx.x] = mine.row;
    }
    __syncthreads();
  }
  if (!threadIdx.x) *pivot = rows[0];
}

__global__ void swap_rows(double *a, int n, int k, const int *pivot) {
  const int j = blockIdx.x * blockDim.x + threadIdx.x, p = *pivot;
  if (j > n || p == k) return;
  const double t = a[k * (n + 1) + j];
  a[k * (n + 1) + j] = a[p * (n + 1) + j];
  a[p * (n + 1) + j] = t;
}

__global__ void multipliers(const double *a, double *m, int n, int k) {
  const int i = k + 1 + blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) m[i] = a[i * (n + 1) + k] / a[k * (n + 1) + k];
}

__global__ void eliminate(double *a, const double *m, int n, int k) {
  const int j = k + blockIdx.x * blockDim.x + threadIdx.x, i = k + 1 + blockIdx.y * blockDim.y + threadIdx.y;
  if (i < n && j <= n) a[i * (n + 1) + j] -= m[i] * a[k * (n + 1) + j];
}

int main() {
  const int n = 61;
  std::vector<double> a(n * (n + 1)), exact(n), x(n);
  for (int i = 0; i < n; i++) exact[i] = i % 7 - 3;
  for (int i = 0; i < n; i++) {
    double sum = 0;
    for (int j = 0; j < n; j++)
      sum +=
          (a[i * (n + 1) + j] = i == j ? 0 : std::sin(i * j + 1.0 + i)) * exact[j];  // zeros on the diagonal
    a[i * (n + 1) + n] = sum;
  }
  double *d_a, *d_m;
  int *d_pivot;
  cudaMalloc(&d_a, a.size() * sizeof(double));
  cudaMalloc(&d_m, n * sizeof(double));
  cudaMalloc(&d_pivot, sizeof(int));
  cudaMemcpy(d_a, a.data(), a.size() * sizeof(double), cudaMemcpyHostToDevice);
  const dim3 block(16, 8);
  for (int k = 0; k < n - 1; k++) {
    find_pivot<<<1, kThreads>>>(d_a, n, k, d_pivot);
    swap_rows<<<1, 64>>>(d_a, n, k, d_pivot);
    multipliers<<<1, 64>>>(d_a, d_m, n, k);
    eliminate<<<dim3((n + 1 - k + 15) / 16, (n - k + 6) / 8), block>>>(d_a, d_m, n, k);
  }
  const bool copied =
      cudaMemcpy(a.data(), d_a, a.size() * sizeof(double), cudaMemcpyDeviceToHost) == cudaSuccess;
  for (int i = n - 1; i >= 0; i--) {
    double sum = a[i * (n + 1) + n];
    for (int j = i + 1; j < n; j++) sum -= a[i * (n + 1) + j] * x[j];
    x[i] = sum / a[i * (n + 1) + i];
  }
  double worst = 0;
  for (int i = 0; i < n; i++)
    if (!(std::fabs(x[i] - exact[i]) <= worst)) worst = std::fabs(x[i] - exact[i]);
  cudaFree(d_a);
  cudaFree(d_m);
  cudaFree(d_pivot);
  const bool good = copied && worst < 1e-9;
  std::printf("gaussian_elimination: max error %g: %s\n", worst, good ? "PASS" : "FAIL");
  return !good;
}
