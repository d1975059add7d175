// SPDX-License-Identifier: MIT
// Separable convolution: rows, then columns, each block's strip and halo in shared memory, the filter in
// constant memory.
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define KERNEL_RADIUS 3
#define KERNEL_LENGTH (2 * KERNEL_RADIUS + 1)
#define TILE_W 32
#define TILE_H 8

__constant__ float c_Kernel[KERNEL_LENGTH];

#define IMAD(a, b, c) (__mul24((a), (b)) + (c))

__global__ void rowsKernel(float *d_Dst, const float *d_Src, int imageW, int imageH) {
  __shared__ float s_Data[TILE_H][TILE_W + 2 * KERNEL_RADIUS];
  const int x0 = IMAD(blockIdx.x, TILE_W, -KERNEL_RADIUS), y = IMAD(blockIdx.y, TILE_H, threadIdx.y);
  for (int i = threadIdx.x; i < TILE_W + 2 * KERNEL_RADIUS; i += TILE_W) {
    const int x = x0 + i;
    s_Data[threadIdx.y][i] = (x >= 0 && x < imageW && y < imageH) ? d_Src[y * imageW + x] : 0;
  }
  __syncthreads();
  const int x = x0 + KERNEL_RADIUS + threadIdx.x;
  if (x >= imageW || y >= imageH) return;
  float sum = 0;
#pragma unroll
  for (int j = -KERNEL_RADIUS; j <= KERNEL_RADIUS; j++)
    sum += c_Kernel[KERNEL_RADIUS - j] * s_Data[threadIdx.y][threadIdx.x + KERNEL_RADIUS + j];
  d_Dst[y * imageW + x] = sum;
}

__global__ void columnsKernel(float *d_Dst, const float *d_Src, int imageW, int imageH) {
  __shared__ float s_Data[TILE_H + 2 * KERNEL_RADIUS][TILE_W];
  const int x = blockIdx.x * TILE_W + threadIdx.x, y0 = (int)(blockIdx.y * TILE_H) - KERNEL_RADIUS;
  for (int i = threadIdx.y; i < TILE_H + 2 * KERNEL_RADIUS; i += TILE_H) {
    const int y = y0 + i;
    s_Data[i][threadIdx.x] = (y >= 0 && y < imageH && x < imageW) ? d_Src[y * imageW + x] : 0;
  }
  __syncthreads();
  const int y = y0 + KERNEL_RADIUS + threadIdx.y;
  if (x >= imageW || y >= imageH) return;
  float sum = 0;
#pragma unroll
  for (int j = -KERNEL_RADIUS; j <= KERNEL_RADIUS; j++)
    sum += c_Kernel[KERNEL_RADIUS - j] * s_Data[threadIdx.y + KERNEL_RADIUS + j][threadIdx.x];
  d_Dst[y * imageW + x] = sum;
}

int main(int argc, char **argv) {
  const int imageW = argc > 1 ? atoi(argv[1]) : 117, imageH = argc > 2 ? atoi(argv[2]) : 75;
  const size_t size = (size_t)imageW * imageH * sizeof(float);
  float h_Kernel[KERNEL_LENGTH], *h_Input = (float *)malloc(size), *h_Output = (float *)malloc(size);
  float *d_Input, *d_Buffer, *d_Output;
  for (int i = 0; i < KERNEL_LENGTH; i++) h_Kernel[i] = (float)(i + 1) / 10.f;
  for (int i = 0; i < imageW * imageH; i++) h_Input[i] = (float)((unsigned)i * 747796405u >> 24);
  cudaMalloc((void **)&d_Input, size);
  cudaMalloc((void **)&d_Buffer, size);
  cudaMalloc((void **)&d_Output, size);
  cudaMemcpyToSymbol(c_Kernel, h_Kernel, sizeof(h_Kernel));
  cudaMemcpy(d_Input, h_Input, size, cudaMemcpyHostToDevice);
  dim3 blocks((imageW + TILE_W - 1) / TILE_W, (imageH + TILE_H - 1) / TILE_H), threads(TILE_W, TILE_H);
  rowsKernel<<<blocks, threads>>>(d_Buffer, d_Input, imageW, imageH);
  columnsKernel<<<blocks, threads>>>(d_Output, d_Buffer, imageW, imageH);
  cudaMemcpy(h_Output, d_Output, size, cudaMemcpyDeviceToHost);
  double worst = cudaDeviceSynchronize() == cudaSuccess ? 0 : INFINITY;
  for (int y = 0; y < imageH; y++)
    for (int x = 0; x < imageW; x++) {
      double exact = 0, scale = 0;
      for (int v = -KERNEL_RADIUS; v <= KERNEL_RADIUS; v++)
        for (int u = -KERNEL_RADIUS; u <= KERNEL_RADIUS; u++)
          if (y + v >= 0 && y + v < imageH && x + u >= 0 && x + u < imageW) {
            const double weight = (double)h_Kernel[KERNEL_RADIUS - u] * h_Kernel[KERNEL_RADIUS - v];
            exact += weight * h_Input[(y + v) * imageW + x + u];
            scale += weight * 255;
          }
      const double error = fabs(exact - h_Output[y * imageW + x]) / scale;
      if (!(error <= worst)) worst = error;
    }
  cudaFree(d_Output);
  cudaFree(d_Buffer);
  cudaFree(d_Input);
  free(h_Input);
  free(h_Output);
  printf("convolution_separable: max relative error %g: %s\n", worst, worst < 1e-6 ? "PASS" : "FAIL");
  exit(worst < 1e-6 ? EXIT_SUCCESS : EXIT_FAILURE);
}
