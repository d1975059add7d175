// SPDX-License-Identifier: MIT
// A 1-D stencil of radius R: the block's piece and its halo in shared memory, coefficients in constant
// memory.
#include <cuda_runtime.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#define RADIUS 4
#define BLOCK 128

__constant__ float coefficient[RADIUS + 1];

__global__ void stencil(const float *in, float *out, int n) {
  __shared__ float piece[BLOCK + 2 * RADIUS];
  const int g = blockIdx.x * BLOCK + threadIdx.x, l = threadIdx.x + RADIUS;
  piece[l] = g < n ? in[g] : 0.f;
  if (threadIdx.x < RADIUS) {
    piece[l - RADIUS] = g >= RADIUS ? in[g - RADIUS] : 0.f;
    piece[l + BLOCK] = g + BLOCK < n ? in[g + BLOCK] : 0.f;
  }
  __syncthreads();
  if (g >= n) return;
  float sum = coefficient[0] * piece[l];
#pragma unroll
  for (int r = 1; r <= RADIUS; r++) sum += coefficient[r] * (piece[l - r] + piece[l + r]);
  out[g] = sum;
}

int main(void) {
  const float c[RADIUS + 1] = {-2.5f, 1.6f, -0.2f, 0.025f, -0.0018f};
  const int sizes[] = {1, BLOCK - 1, BLOCK, BLOCK + 1, 3001};
  double worst = 0;
  cudaMemcpyToSymbol(coefficient, c, sizeof(c));
  for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
    int n = sizes[s];
    float *in = (float *)malloc(n * sizeof(float)), *out = (float *)malloc(n * sizeof(float)), *d_in, *d_out;
    for (int i = 0; i < n; i++) in[i] = sinf(0.01f * (float)i);
    cudaMalloc((void **)&d_in, n * sizeof(float));
    cudaMalloc((void **)&d_out, n * sizeof(float));
    cudaMemcpy(d_in, in, n * sizeof(float), cudaMemcpyHostToDevice);
    stencil<<<(n + BLOCK - 1) / BLOCK, BLOCK>>>(d_in, d_out, n);
    if (cudaMemcpy(out, d_out, n * sizeof(float), cudaMemcpyDeviceToHost) != cudaSuccess) return 1;
    for (int i = 0; i < n; i++) {
      double exact = (double)c[0] * in[i];
      for (int r = 1; r <= RADIUS; r++)
        exact += c[r] * ((i >= r ? (double)in[i - r] : 0) + (i + r < n ? (double)in[i + r] : 0));
      double error = fabs(exact - out[i]);
      if (!(error <= worst)) worst = error;
    }
    cudaFree(d_in);
    cudaFree(d_out);
    free(in);
    free(out);
  }
  printf("stencil1d: max error %g: %s\n", worst, worst < 1e-5 ? "PASS" : "FAIL");
  return !(worst < 1e-5);
}
