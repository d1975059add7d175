// SPDX-License-Identifier: MIT
// y = a x + y in chunks, each on its own stream: copy in, compute and copy out of different chunks may
// overlap.
#include <cmath>
#include <cstdio>
#include <vector>

#include <cuda_runtime.h>

static void check(cudaError_t status, const char *what) {
  if (status == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s (%s)\n", what, cudaGetErrorString(status), cudaGetErrorName(status));
  std::exit(1);
}
#define CHECK(call) check(call, #call)

__global__ void saxpy(float a, const float *__restrict__ x, float *__restrict__ y, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    y[i] = a * x[i] + y[i];
}

int main() {
  constexpr int n = 100003, chunks = 7;
  const float a = 1.5f;
  float *x, *y, *d_x, *d_y;
  CHECK(cudaMallocHost(&x, n * sizeof *x));
  CHECK(cudaHostAlloc(&y, n * sizeof *y, cudaHostAllocDefault));
  CHECK(cudaMalloc(&d_x, n * sizeof *d_x));
  CHECK(cudaMalloc(&d_y, n * sizeof *d_y));
  for (int i = 0; i < n; i++) x[i] = static_cast<float>(i % 97), y[i] = static_cast<float>(i % 31) * 0.5f;

  std::vector<cudaStream_t> streams(chunks);
  cudaEvent_t start, stop;
  CHECK(cudaEventCreate(&start));
  CHECK(cudaEventCreate(&stop));
  for (auto &stream : streams) CHECK(cudaStreamCreate(&stream));
  CHECK(cudaEventRecord(start));
  for (int c = 0; c < chunks; c++) {
    const int first = static_cast<int>(static_cast<long>(n) * c / chunks);
    const int count = static_cast<int>(static_cast<long>(n) * (c + 1) / chunks) - first;
    CHECK(cudaMemcpyAsync(d_x + first, x + first, count * sizeof(float), cudaMemcpyHostToDevice, streams[c]));
    CHECK(cudaMemcpyAsync(d_y + first, y + first, count * sizeof(float), cudaMemcpyHostToDevice, streams[c]));
    saxpy<<<8, 128, 0, streams[c]>>>(a, d_x + first, d_y + first, count);
    CHECK(cudaGetLastError());
    CHECK(cudaMemcpyAsync(y + first, d_y + first, count * sizeof(float), cudaMemcpyDeviceToHost, streams[c]));
  }
  CHECK(cudaEventRecord(stop));
  for (auto stream : streams) CHECK(cudaStreamSynchronize(stream));
  CHECK(cudaEventSynchronize(stop));
  float milliseconds = -1;
  CHECK(cudaEventElapsedTime(&milliseconds, start, stop));

  double worst = 0;
  for (int i = 0; i < n; i++) {
    const double error = std::fabs(y[i] - (1.5 * (i % 97) + (i % 31) * 0.5));
    if (!(error <= worst)) worst = error;
  }
  for (auto stream : streams) CHECK(cudaStreamDestroy(stream));
  CHECK(cudaEventDestroy(start));
  CHECK(cudaEventDestroy(stop));
  CHECK(cudaFreeHost(x));
  CHECK(cudaFreeHost(y));
  CHECK(cudaFree(d_x));
  CHECK(cudaFree(d_y));
  const bool good = worst == 0 && milliseconds >= 0;
  std::printf("saxpy_streams: max error %g: %s\n", worst, good ? "PASS" : "FAIL");
  return good ? 0 : 1;
}
