// SPDX-License-Identifier: MIT
// C = A B with square tiles in shared memory; the tile's width is a template parameter, no size a multiple of
// it.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct Matrix {
  int rows, cols;
  float *at;
};

template <int TILE>
__global__ void multiply(const Matrix a, const Matrix b, Matrix c) {
  __shared__ float as[TILE][TILE], bs[TILE][TILE];
  const int tx = threadIdx.x, ty = threadIdx.y;
  const int row = blockIdx.y * TILE + ty, col = blockIdx.x * TILE + tx;
  float sum = 0.0f;
  for (int t = 0; t < (a.cols + TILE - 1) / TILE; ++t) {
    const int k = t * TILE;
    as[ty][tx] = row < a.rows && k + tx < a.cols ? a.at[row * a.cols + k + tx] : 0.0f;
    bs[ty][tx] = k + ty < b.rows && col < b.cols ? b.at[(k + ty) * b.cols + col] : 0.0f;
    __syncthreads();
#pragma unroll
    for (int i = 0; i < TILE; ++i) sum += as[ty][i] * bs[i][tx];
    __syncthreads();
  }
  if (row < c.rows && col < c.cols) c.at[row * c.cols + col] = sum;
}

static Matrix on_device(int rows, int cols, const float *values) {
  Matrix m = {rows, cols, NULL};
  cudaMalloc(&m.at, sizeof(float) * rows * cols);
  if (values) cudaMemcpy(m.at, values, sizeof(float) * rows * cols, cudaMemcpyHostToDevice);
  return m;
}

template <int TILE>
static double test(int m, int n, int k) {
  float *a = new float[m * k], *b = new float[k * n], *c = new float[m * n];
  for (int i = 0; i < m * k; i++) a[i] = (float)((i * 7) % 13) / 13 - 0.5f;
  for (int i = 0; i < k * n; i++) b[i] = (float)((i * 5) % 17) / 17 - 0.5f;
  Matrix da = on_device(m, k, a), db = on_device(k, n, b), dc = on_device(m, n, NULL);
  dim3 block(TILE, TILE), grid((n + TILE - 1) / TILE, (m + TILE - 1) / TILE);
  multiply<TILE><<<grid, block>>>(da, db, dc);
  cudaMemcpy(c, dc.at, sizeof(float) * m * n, cudaMemcpyDeviceToHost);
  double worst = cudaGetLastError() == cudaSuccess ? 0 : INFINITY;
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      double exact = 0;
      for (int l = 0; l < k; l++) exact += (double)a[i * k + l] * b[l * n + j];
      double error = fabs(c[i * n + j] - exact);
      if (!(error <= worst)) worst = error;
    }
  cudaFree(da.at);
  cudaFree(db.at);
  cudaFree(dc.at);
  delete[] a;
  delete[] b;
  delete[] c;
  return worst;
}

int main() {
  const double errors[] = {test<8>(1, 1, 1), test<16>(33, 65, 17), test<16>(100, 50, 75),
                           test<32>(61, 97, 129)};
  double worst = 0;
  for (double error : errors)
    if (!(error <= worst)) worst = error;
  bool good = worst < 1e-4;
  printf("matmul_tiled: max error %g: %s\n", worst, good ? "PASS" : "FAIL");
  return !good;
}
