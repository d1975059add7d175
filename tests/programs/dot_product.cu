// SPDX-License-Identifier: MIT
// The dot product in three ways to end it: partial sums added by the host, by atomics, and by the last block.
#include <cuda_runtime.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#define imin(a, b) ((a) < (b) ? (a) : (b))
enum { N = 33 * 1024 + 7, THREADS = 256 };
const int BLOCKS = imin(32, (N + THREADS - 1) / THREADS);

__device__ double total;
__device__ unsigned int finished;

__device__ double block_dot(const double *a, const double *b) {
  __shared__ double cache[THREADS];
  int tid = threadIdx.x + blockIdx.x * blockDim.x;
  const int cacheIndex = threadIdx.x;
  double temp = 0;
  while (tid < N) {
    temp += a[tid] * b[tid];
    tid += blockDim.x * gridDim.x;
  }
  cache[cacheIndex] = temp;
  __syncthreads();
  int i = blockDim.x / 2;
  while (i != 0) {
    if (cacheIndex < i) cache[cacheIndex] += cache[cacheIndex + i];
    __syncthreads();
    i /= 2;
  }
  return cache[0];
}

__global__ void dot_partial(const double *a, const double *b, double *c) {
  double sum = block_dot(a, b);
  if (threadIdx.x == 0) c[blockIdx.x] = sum;
}

__global__ void dot_atomic(const double *a, const double *b) {
  double sum = block_dot(a, b);
  if (threadIdx.x == 0) atomicAdd(&total, sum);
}

__global__ void dot_last_block(const double *a, const double *b, double *c, double *result) {
  __shared__ bool last;
  double sum = block_dot(a, b);
  if (threadIdx.x == 0) {
    c[blockIdx.x] = sum;
    __threadfence();
    last = atomicInc(&finished, gridDim.x - 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && threadIdx.x == 0) {
    double all = 0;
    for (unsigned int block = 0; block < gridDim.x; block++) all += ((volatile double *)c)[block];
    *result = all;
  }
}

int main(void) {
  static double a[N], b[N], partial[64];
  double exact = 0;
  for (int i = 0; i < N; i++) {
    a[i] = (i % 19) * 0.5;
    b[i] = (i % 23) - 11;
    exact += a[i] * b[i];
  }
  double *dev_a, *dev_b, *dev_partial, *dev_result;
  cudaMalloc((void **)&dev_a, sizeof a);
  cudaMalloc((void **)&dev_b, sizeof b);
  cudaMalloc((void **)&dev_partial, sizeof partial);
  cudaMalloc((void **)&dev_result, sizeof(double));
  cudaMemcpy(dev_a, a, sizeof a, cudaMemcpyHostToDevice);
  cudaMemcpy(dev_b, b, sizeof b, cudaMemcpyHostToDevice);

  double by_host = 0, by_atomic = 0, by_last = NAN;
  dot_partial<<<BLOCKS, THREADS>>>(dev_a, dev_b, dev_partial);
  cudaMemcpy(partial, dev_partial, BLOCKS * sizeof(double), cudaMemcpyDeviceToHost);
  for (int i = 0; i < BLOCKS; i++) by_host += partial[i];
  cudaMemcpyToSymbol(total, &by_atomic, sizeof by_atomic);
  dot_atomic<<<BLOCKS, THREADS>>>(dev_a, dev_b);
  cudaMemcpyFromSymbol(&by_atomic, total, sizeof by_atomic);
  for (int twice = 0; twice < 2; twice++)  // the counter has to come back to zero
    dot_last_block<<<BLOCKS, THREADS>>>(dev_a, dev_b, dev_partial, dev_result);
  cudaMemcpy(&by_last, dev_result, sizeof by_last, cudaMemcpyDeviceToHost);

  double worst = fmax(fabs(by_host - exact), fabs(by_atomic - exact));
  double third = fabs(by_last - exact);
  if (!(third <= worst)) worst = third;
  cudaFree(dev_a);
  cudaFree(dev_b);
  cudaFree(dev_partial);
  cudaFree(dev_result);
  bool good = worst <= 1e-9 * fabs(exact) + 1e-6 && cudaGetLastError() == cudaSuccess;
  printf("dot_product: max error %g: %s\n", worst, good ? "PASS" : "FAIL");
  return good ? 0 : 1;
}
