// SPDX-License-Identifier: MIT
// What is refused, with CUDA's own error numbers. With an argument: an error that ends the context.
// usage: exec_errors [barrier|warp]
#include "exec_check.h"

#include <string.h>

__global__ void nothing(void) {}
__global__ void need_shared(int *x) {
  extern __shared__ int memory[];
  memory[threadIdx.x] = 1;
  x[threadIdx.x] = memory[threadIdx.x];
}
__global__ void half_at_barrier(int *x) {
  if (threadIdx.x % 2) __syncthreads();
  __syncwarp();
  x[threadIdx.x] = 1;
}
__global__ void wait_for_absent_lane(int *x) {
  if (threadIdx.x == 0)
    __syncthreads();
  else
    x[threadIdx.x] = __shfl_sync(0xffffffffu, x[threadIdx.x], 0);
}

#define REFUSED(call, expected)                                                     \
  do {                                                                              \
    const cudaError_t got_ = (call);                                                \
    EXPECT(got_ == (expected), "%s gave %s, not %s", #call, cudaGetErrorName(got_), \
           cudaGetErrorName(expected));                                             \
    (void)cudaGetLastError();                                                       \
  } while (0)
#define REFUSED_LAUNCH(launch, expected)      \
  do {                                        \
    launch;                                   \
    REFUSED(cudaPeekAtLastError(), expected); \
    REFUSED(cudaGetLastError(), cudaSuccess); \
  } while (0)

static int ended_context(const char *how) {
  int *x;
  CHECK(cudaMalloc(&x, 64 * sizeof *x));
  CHECK(cudaMemset(x, 0, 64 * sizeof *x));
  if (strcmp(how, "barrier") == 0)
    half_at_barrier<<<3, 64>>>(x);
  else
    wait_for_absent_lane<<<3, 64>>>(x);
  const cudaError_t error = cudaDeviceSynchronize();
  EXPECT(error == cudaErrorLaunchFailure, "%s", cudaGetErrorName(error));
  EXPECT(cudaGetLastError() == cudaErrorLaunchFailure, "the error stays");
  EXPECT(cudaMemset(x, 0, 4) == cudaErrorLaunchFailure, "nothing works any more");
  nothing<<<1, 1>>>();
  EXPECT(cudaGetLastError() == cudaErrorLaunchFailure, "no launch either");
  FINISH();
}

int main(int argc, char **argv) {
  if (argc > 1) return ended_context(argv[1]);
  int devices = 0, host[16] = {0}, *x = NULL, value = 0;
  CHECK(cudaGetDeviceCount(&devices));
  CHECK(cudaMalloc(&x, sizeof host));

  REFUSED_LAUNCH((nothing<<<0, 1>>>()), cudaErrorInvalidConfiguration);
  REFUSED_LAUNCH((nothing<<<1, 0>>>()), cudaErrorInvalidConfiguration);
  REFUSED_LAUNCH((nothing<<<1, 1025>>>()), cudaErrorInvalidConfiguration);
  REFUSED_LAUNCH((nothing<<<1, dim3(32, 33)>>>()), cudaErrorInvalidConfiguration);
  REFUSED_LAUNCH((nothing<<<1, dim3(1, 1, 65)>>>()), cudaErrorInvalidConfiguration);
  REFUSED_LAUNCH((nothing<<<dim3(1, 65536), 1>>>()), cudaErrorInvalidConfiguration);
  REFUSED_LAUNCH((nothing<<<dim3(1, 1, 65536), 1>>>()), cudaErrorInvalidConfiguration);
  REFUSED_LAUNCH((nothing<<<(unsigned)-1, 1>>>()), cudaErrorInvalidConfiguration);
  REFUSED_LAUNCH((need_shared<<<1, 1, 100 << 20>>>(x)), cudaErrorInvalidValue);
  CHECK(cudaFuncSetAttribute(need_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, 60 << 10));
  REFUSED_LAUNCH((need_shared<<<1, 1, 60 << 10>>>(x)), cudaSuccess);
  REFUSED(cudaFuncSetAttribute(need_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, 100 << 20),
          cudaErrorInvalidValue);
  REFUSED_LAUNCH((nothing<<<1, 1024>>>()), cudaSuccess);

  REFUSED(cudaSetDevice(-1), cudaErrorInvalidDevice);
  REFUSED(cudaSetDevice(devices), cudaErrorInvalidDevice);
  cudaDeviceProp properties;
  REFUSED(cudaGetDeviceProperties(&properties, devices), cudaErrorInvalidDevice);
  REFUSED(cudaDeviceGetAttribute(&value, cudaDevAttrWarpSize, -1), cudaErrorInvalidDevice);
  REFUSED(cudaDeviceGetAttribute(&value, (cudaDeviceAttr)9999, 0), cudaErrorInvalidValue);
  REFUSED(cudaDeviceEnablePeerAccess(0, 0), cudaErrorInvalidDevice);

  void *p = &value;
  REFUSED(cudaMalloc(&p, (size_t)1 << 50), cudaErrorMemoryAllocation);
  REFUSED(cudaMalloc(&p, (size_t)-1), cudaErrorMemoryAllocation);
  size_t before, after, total;
  CHECK(cudaMemGetInfo(&before, &total));
  CHECK(cudaMalloc(&p, 3 << 20));
  CHECK(cudaMemGetInfo(&after, &total));
  EXPECT(before - after >= 3 << 20 && before <= total, "%zu before, %zu after, of %zu", before, after, total);
  CHECK(cudaFree(p));
  CHECK(cudaMemGetInfo(&after, &total));
  EXPECT(before == after, "%zu before, %zu after", before, after);
  CHECK(cudaMalloc(&p, 0));
  CHECK(cudaFree(p));
  CHECK(cudaFree(NULL));

  REFUSED(cudaFree(host), cudaErrorInvalidValue);
  REFUSED(cudaFree(x + 1), cudaErrorInvalidValue);
  REFUSED(cudaFreeHost(host), cudaErrorInvalidValue);
  REFUSED(cudaHostUnregister(host), cudaErrorHostMemoryNotRegistered);
  REFUSED(cudaMemcpy(x, host, sizeof host + 1, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  REFUSED(cudaMemcpy(x + 1, host, sizeof host, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  REFUSED(cudaMemcpy(host, x + 15, 8, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  REFUSED(cudaMemcpy(x, host, 4, (cudaMemcpyKind)77), cudaErrorInvalidMemcpyDirection);
  REFUSED(cudaMemcpy(x, NULL, 4, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  REFUSED(cudaMemset(x, 0, sizeof host + 4), cudaErrorInvalidValue);
  REFUSED(cudaMemcpy2D(x, 2, host, 4, 4, 2, cudaMemcpyHostToDevice), cudaErrorInvalidPitchValue);
  REFUSED(cudaMemcpy(x, NULL, 0, cudaMemcpyHostToDevice), cudaSuccess);
  REFUSED(cudaMemcpyToSymbol((const void *)host, host, 4), cudaErrorInvalidSymbol);

  cudaEvent_t from, to;
  float ms;
  CHECK(cudaEventCreate(&from));
  CHECK(cudaEventCreate(&to));
  REFUSED(cudaEventElapsedTime(&ms, from, to), cudaErrorInvalidResourceHandle);
  CHECK(cudaEventRecord(from));
  REFUSED(cudaEventElapsedTime(&ms, from, to), cudaErrorInvalidResourceHandle);
  REFUSED(cudaStreamCreateWithFlags((cudaStream_t *)NULL, 0), cudaErrorInvalidValue);
  cudaEvent_t untimed;
  REFUSED(cudaEventCreateWithFlags(&untimed, 8), cudaErrorInvalidValue);
  REFUSED(cudaEventCreateWithFlags(&untimed, cudaEventInterprocess), cudaErrorInvalidValue);
  CHECK(cudaEventCreateWithFlags(&untimed, cudaEventDisableTiming));
  CHECK(cudaEventRecord(untimed));
  CHECK(cudaEventSynchronize(untimed));
  REFUSED(cudaEventElapsedTime(&ms, from, untimed), cudaErrorInvalidResourceHandle);
  CHECK(cudaEventDestroy(from));
  CHECK(cudaEventDestroy(to));
  CHECK(cudaEventDestroy(untimed));

#ifdef CUSIM_CUDA_RUNTIME_API_H  // nvcc 13 has taken these forms away
  int *managed;
  CHECK(cudaMallocManaged(&managed, 64));
  CHECK(cudaMemPrefetchAsync(managed, 64, 0));
  CHECK(cudaMemPrefetchAsync(managed, 64, cudaCpuDeviceId, NULL));
  CHECK(cudaMemAdvise(managed, 64, cudaMemAdviseSetReadMostly, 0));
  REFUSED(cudaMemPrefetchAsync(x, 64, 0), cudaErrorInvalidValue);
  REFUSED(cudaMemPrefetchAsync(managed, 128, 0, 0), cudaErrorInvalidValue);
  CHECK(cudaFree(managed));
#endif

  // A failure leaves nothing behind: the device still works.
  CHECK(cudaFree(x));
  REFUSED(cudaFree(x), cudaErrorInvalidValue);
  EXPECT(strcmp(cudaGetErrorName(cudaErrorInvalidConfiguration), "cudaErrorInvalidConfiguration") == 0,
         "its name");
  EXPECT(strcmp(cudaGetErrorString(cudaErrorMemoryAllocation), "out of memory") == 0, "its text");
  EXPECT((int)cudaErrorInvalidConfiguration == 9 && (int)cudaErrorLaunchFailure == 719, "their numbers");
  nothing<<<1, 1>>>();
  CHECK(cudaDeviceSynchronize());
  FINISH();
}
