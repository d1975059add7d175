// SPDX-License-Identifier: MIT
// Half-precision product on tensor cores: one warp per 16 x 16 tile of the result, accumulated in float.
#include <cuda_fp16.h>
#include <mma.h>

#include <cmath>
#include <cstdio>
#include <vector>

using namespace nvcuda;

__global__ void multiply(const half *a, const half *b, float *c, int m, int n, int k, float alpha,
                         float beta) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 700
  const int row = (blockIdx.x * blockDim.x + threadIdx.x) / warpSize * 16,
            col = (blockIdx.y * blockDim.y + threadIdx.y) * 16;
  if (row >= m || col >= n) return;
  wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> fa;
  wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::col_major> fb;
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> sum, old;
  wmma::fill_fragment(sum, 0.0f);
  for (int i = 0; i < k; i += 16) {
    wmma::load_matrix_sync(fa, a + row * k + i, k);
    wmma::load_matrix_sync(fb, b + col * k + i, k);
    wmma::mma_sync(sum, fa, fb, sum);
  }
  wmma::load_matrix_sync(old, c + row * n + col, n, wmma::mem_row_major);
  for (int i = 0; i < sum.num_elements; i++) sum.x[i] = alpha * sum.x[i] + beta * old.x[i];
  wmma::store_matrix_sync(c + row * n + col, sum, n, wmma::mem_row_major);
#endif
}

int main() {
  const int m = 48, n = 80, k = 112;
  std::vector<half> a(m * k), b(n * k);
  std::vector<float> c(m * n), found(m * n);
  for (int i = 0; i < m * k; i++) a[i] = __float2half((float)(i * 7 % 19) / 19 - 0.5f);
  for (int i = 0; i < n * k; i++) b[i] = __float2half((float)(i * 3 % 23) / 23 - 0.5f);
  for (int i = 0; i < m * n; i++) c[i] = (float)(i % 5);
  half *d_a, *d_b;
  float *d_c;
  cudaMalloc(&d_a, a.size() * sizeof(half));
  cudaMalloc(&d_b, b.size() * sizeof(half));
  cudaMalloc(&d_c, c.size() * sizeof(float));
  cudaMemcpy(d_a, a.data(), a.size() * sizeof(half), cudaMemcpyHostToDevice);
  cudaMemcpy(d_b, b.data(), b.size() * sizeof(half), cudaMemcpyHostToDevice);
  cudaMemcpy(d_c, c.data(), c.size() * sizeof(float), cudaMemcpyHostToDevice);
  multiply<<<dim3((m + 63) / 64, (n + 31) / 32), dim3(128, 2)>>>(d_a, d_b, d_c, m, n, k, 2.0f, -1.0f);
  bool good =
      cudaMemcpy(found.data(), d_c, found.size() * sizeof(float), cudaMemcpyDeviceToHost) == cudaSuccess;
  double worst = 0;
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      double exact = 0;
      for (int l = 0; l < k; l++) exact += (double)__half2float(a[i * k + l]) * __half2float(b[j * k + l]);
      const double error = std::fabs(found[i * n + j] - (2 * exact - c[i * n + j]));
      if (!(error <= worst)) worst = error;
    }
  cudaFree(d_a);
  cudaFree(d_b);
  cudaFree(d_c);
  good = good && worst < 1e-4;
  std::printf("wmma_matmul: max error %g: %s\n", worst, good ? "PASS" : "FAIL");
  return good ? 0 : 1;
}
