// SPDX-License-Identifier: MIT
// Escape times in fixed point, so that device and host agree to the last iteration; rows handed out by a work
// queue.
#include <cstdint>
#include <cstdio>
#include <vector>

constexpr int kWidth = 97, kHeight = 61, kMost = 200, kFraction = 24;

__host__ __device__ constexpr int64_t fixed(double value) {
  return (int64_t)(value * (1 << kFraction));
}

__host__ __device__ inline int escape_time(int64_t cr, int64_t ci) {
  int64_t zr = 0, zi = 0;
  int n = 0;
  for (; n < kMost; n++) {
    const int64_t rr = (zr * zr) >> kFraction, ii = (zi * zi) >> kFraction;
    if (rr + ii > fixed(4.0)) break;
    zi = ((zr * zi) >> (kFraction - 1)) + ci;
    zr = rr - ii + cr;
  }
  return n;
}

__host__ __device__ inline int pixel(int x, int y) {
  return escape_time(fixed(-2.2) + x * fixed(3.0 / kWidth), fixed(-1.2) + y * fixed(2.4 / kHeight));
}

__device__ int next_row;

__global__ void mandelbrot(int *out) {
  __shared__ int row;
  for (;;) {
    if (threadIdx.x == 0) row = atomicAdd(&next_row, 1);
    __syncthreads();
    const int y = row;
    __syncthreads();  // all have read the row before it changes
    if (y >= kHeight) return;
    for (int x = threadIdx.x; x < kWidth; x += blockDim.x) out[y * kWidth + x] = pixel(x, y);
  }
}

int main() {
  std::vector<int> out(kWidth * kHeight, -1);
  int *d_out = nullptr;
  cudaMalloc(&d_out, out.size() * sizeof(int));
  mandelbrot<<<5, 64>>>(d_out);
  int wrong = cudaMemcpy(out.data(), d_out, out.size() * sizeof(int), cudaMemcpyDeviceToHost) != cudaSuccess;
  long iterations = 0;
  for (int y = 0; y < kHeight; y++)
    for (int x = 0; x < kWidth; x++) {
      wrong += out[y * kWidth + x] != pixel(x, y);
      iterations += out[y * kWidth + x];
    }
  cudaFree(d_out);
  std::printf("mandelbrot: %ld iterations, %d pixels wrong: %s\n", iterations, wrong,
              wrong ? "FAIL" : "PASS");
  return wrong ? 1 : 0;
}
