// SPDX-License-Identifier: MIT
// LU without pivoting, by tiles: diagonal, perimeter, interior; the last tile is padded with the identity.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#define B 16

__global__ void lud_diagonal(double *m, int n, int offset) {
  __shared__ double s[B][B + 1];
  const int t = threadIdx.x;
  for (int i = 0; i < B; i++) s[i][t] = m[(offset + i) * n + offset + t];
  __syncthreads();
  for (int k = 0; k < B - 1; k++) {
    if (t > k) s[t][k] /= s[k][k];
    __syncthreads();
    if (t > k)
      for (int j = k + 1; j < B; j++) s[t][j] -= s[t][k] * s[k][j];
    __syncthreads();
  }
  for (int i = 0; i < B; i++) m[(offset + i) * n + offset + t] = s[i][t];
}

__global__ void lud_perimeter(double *m, int n, int offset) {
  __shared__ double d[B][B + 1], s[B][B + 1];
  const int t = threadIdx.x, other = offset + (blockIdx.x + 1) * B;
  const bool right = blockIdx.y == 0;
  const int row = right ? offset : other, col = right ? other : offset;
  for (int i = 0; i < B; i++) {
    d[i][t] = m[(offset + i) * n + offset + t];
    s[i][t] = m[(row + i) * n + col + t];
  }
  __syncthreads();
  if (right) {  // column t of L^-1 A
    for (int i = 1; i < B; i++)
      for (int k = 0; k < i; k++) s[i][t] -= d[i][k] * s[k][t];
  } else {  // row t of A U^-1
    for (int j = 0; j < B; j++) {
      for (int k = 0; k < j; k++) s[t][j] -= s[t][k] * d[k][j];
      s[t][j] /= d[j][j];
    }
  }
  __syncthreads();
  for (int i = 0; i < B; i++) m[(row + i) * n + col + t] = s[i][t];
}

__global__ void lud_internal(double *m, int n, int offset) {
  __shared__ double left[B][B], top[B][B];
  const int tx = threadIdx.x, ty = threadIdx.y;
  const int row = offset + (blockIdx.y + 1) * B + ty, col = offset + (blockIdx.x + 1) * B + tx;
  left[ty][tx] = m[row * n + offset + tx];
  top[ty][tx] = m[(offset + ty) * n + col];
  __syncthreads();
  double sum = 0;
  for (int k = 0; k < B; k++) sum += left[ty][k] * top[k][tx];
  m[row * n + col] -= sum;
}

int main() {
  const int size = 90, tiles = (size + B - 1) / B, n = tiles * B;
  double *a = (double *)malloc(sizeof(double) * n * n), *lu = (double *)malloc(sizeof(double) * n * n), *d;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++)
      a[i * n + j] = i == j ? (i < size ? 50.0 : 1.0) : i < size && j < size ? sin(i * 1.1 + j * 0.7) : 0.0;
  if (cudaMalloc(&d, sizeof(double) * n * n)) return 2;
  cudaMemcpy(d, a, sizeof(double) * n * n, cudaMemcpyHostToDevice);
  for (int k = 0; k < tiles; k++) {
    const int left = tiles - k - 1;
    lud_diagonal<<<1, B>>>(d, n, k * B);
    if (left == 0) break;
    lud_perimeter<<<dim3(left, 2), B>>>(d, n, k * B);
    lud_internal<<<dim3(left, left), dim3(B, B)>>>(d, n, k * B);
  }
  double worst =
      cudaMemcpy(lu, d, sizeof(double) * n * n, cudaMemcpyDeviceToHost) == cudaSuccess ? 0 : INFINITY;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      double product = 0;
      for (int k = 0; k <= (i < j ? i : j); k++) product += (k == i ? 1.0 : lu[i * n + k]) * lu[k * n + j];
      const double error = fabs(product - a[i * n + j]);
      if (!(error <= worst)) worst = error;
    }
  cudaFree(d);
  free(a);
  free(lu);
  printf("lu_blocked: max |LU - A| %g: %s\n", worst, worst < 1e-11 ? "PASS" : "FAIL");
  return worst < 1e-11 ? 0 : 1;
}
