// SPDX-License-Identifier: MIT
// Colour to grey, then Sobel edges: uchar4 pixels, clamped borders, magnitudes saturated to a byte.
#include <cuda_runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned char Pixel;

__host__ __device__ Pixel luminance(uchar4 p) {
  return (Pixel)((p.x * 77 + p.y * 150 + p.z * 29) >> 8);
}

__global__ void to_grey(const uchar4 *in, Pixel *out, int count) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) out[i] = luminance(in[i]);
}

struct Image {
  const Pixel *at;
  int w, h;
  __host__ __device__ int operator()(int y, int x) const {
    y = y < 0 ? 0 : y >= h ? h - 1 : y;
    x = x < 0 ? 0 : x >= w ? w - 1 : x;
    return at[y * w + x];
  }
};

__host__ __device__ Pixel edge(const Image &im, int y, int x) {
  int gx = im(y - 1, x + 1) + 2 * im(y, x + 1) + im(y + 1, x + 1) - im(y - 1, x - 1) - 2 * im(y, x - 1) -
           im(y + 1, x - 1);
  int gy = im(y + 1, x - 1) + 2 * im(y + 1, x) + im(y + 1, x + 1) - im(y - 1, x - 1) - 2 * im(y - 1, x) -
           im(y - 1, x + 1);
  int sum = abs(gx) + abs(gy);
  return (Pixel)(sum > 255 ? 255 : sum);
}

__global__ void sobel(Image im, Pixel *out) {
  int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x < im.w && y < im.h) out[y * im.w + x] = edge(im, y, x);
}

int main(void) {
  const int w = 131, h = 77, n = w * h;
  uchar4 *colours = (uchar4 *)malloc(n * sizeof(uchar4)), *d_colours;
  Pixel *grey = (Pixel *)malloc(n), *found = (Pixel *)malloc(n), *d_grey, *d_out;
  for (int i = 0; i < n; i++) {
    unsigned bits = (unsigned)i * 2891336453u;
    colours[i] = make_uchar4((Pixel)(i % w), (Pixel)(bits >> 20), (Pixel)(i / w * 3), 255);
    grey[i] = luminance(colours[i]);
  }
  memset(found, 0, n);
  cudaMalloc(&d_colours, n * sizeof(uchar4));
  cudaMalloc(&d_grey, n);
  cudaMalloc(&d_out, n);
  cudaMemcpy(d_colours, colours, n * sizeof(uchar4), cudaMemcpyHostToDevice);
  to_grey<<<(n + 191) / 192, 192>>>(d_colours, d_grey, n);
  Image on_device = {d_grey, w, h}, on_host = {grey, w, h};
  dim3 block(16, 16);
  sobel<<<dim3((w + block.x - 1) / block.x, (h + block.y - 1) / block.y), block>>>(on_device, d_out);
  cudaError_t status = cudaMemcpy(found, d_out, n, cudaMemcpyDeviceToHost);
  int wrong = status != cudaSuccess;
  for (int y = 0; y < h; y++)
    for (int x = 0; x < w; x++) wrong += found[y * w + x] != edge(on_host, y, x);
  cudaFree(d_colours);
  cudaFree(d_grey);
  cudaFree(d_out);
  free(colours);
  free(grey);
  free(found);
  printf("sobel: %d pixels wrong: %s\n", wrong, wrong ? "FAIL" : "PASS");
  return wrong != 0;
}
