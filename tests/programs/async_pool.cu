// SPDX-License-Identifier: MIT
// Memory in stream order: temporaries allocated and freed inside streams, zero-copy input, an event between
// two streams.
#include <cuda_runtime.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define TRY(call)                                                              \
  do {                                                                         \
    cudaError_t status = call;                                                 \
    if (status != cudaSuccess) {                                               \
      printf("async_pool: %s: %s: FAIL\n", #call, cudaGetErrorString(status)); \
      return EXIT_FAILURE;                                                     \
    }                                                                          \
  } while (0)

__global__ void square(const double *in, double *out, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += blockDim.x * gridDim.x)
    out[i] = in[i] * in[i];
}
__global__ void accumulate(const double *in, double *sum, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += blockDim.x * gridDim.x) sum[i] += in[i];
}

int main(void) {
  enum { N = 3001, ROUNDS = 5 };
  double *mapped, *d_mapped, *d_sum, *pinned;
  cudaStream_t work, copy;
  cudaEvent_t done;
  cudaMemPool_t pool;
  unsigned long long keep = ~0ull;
  TRY(cudaStreamCreateWithFlags(&work, cudaStreamNonBlocking));
  TRY(cudaStreamCreateWithPriority(&copy, cudaStreamNonBlocking, 0));
  TRY(cudaEventCreateWithFlags(&done, cudaEventDisableTiming));
  TRY(cudaDeviceGetDefaultMemPool(&pool, 0));
  TRY(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep));
  TRY(cudaHostAlloc((void **)&mapped, N * sizeof(double), cudaHostAllocMapped));
  TRY(cudaHostGetDevicePointer((void **)&d_mapped, mapped, 0));
  TRY(cudaMallocHost((void **)&pinned, N * sizeof(double)));
  for (int i = 0; i < N; i++) mapped[i] = i * 0.5;
  TRY(cudaMallocAsync((void **)&d_sum, N * sizeof(double), work));
  TRY(cudaMemsetAsync(d_sum, 0, N * sizeof(double), work));
  for (int round = 0; round < ROUNDS; round++) {
    double *temporary;
    TRY(cudaMallocAsync((void **)&temporary, N * sizeof(double), work));
    square<<<7, 64, 0, work>>>(d_mapped, temporary, N);
    accumulate<<<7, 64, 0, work>>>(temporary, d_sum, N);
    TRY(cudaGetLastError());
    TRY(cudaFreeAsync(temporary, work));
  }
  TRY(cudaEventRecord(done, work));
  TRY(cudaStreamWaitEvent(copy, done, 0));
  TRY(cudaMemcpyAsync(pinned, d_sum, N * sizeof(double), cudaMemcpyDeviceToHost, copy));
  TRY(cudaFreeAsync(d_sum, copy));
  TRY(cudaStreamSynchronize(copy));
  double worst = 0;
  for (int i = 0; i < N; i++) {
    double error = fabs(pinned[i] - ROUNDS * (i * 0.5) * (i * 0.5));
    if (!(error <= worst)) worst = error;
  }
  TRY(cudaEventDestroy(done));
  TRY(cudaStreamDestroy(work));
  TRY(cudaStreamDestroy(copy));
  TRY(cudaFreeHost(mapped));
  TRY(cudaFreeHost(pinned));
  printf("async_pool: max error %g: %s\n", worst, worst == 0 ? "PASS" : "FAIL");
  return worst == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
