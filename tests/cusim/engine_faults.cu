// SPDX-License-Identifier: MIT
// Kernels that go wrong end with CUDA's error, which stays; the program goes on. usage: engine_faults WHAT
#include "exec_check.h"

#include <string.h>
#include <sys/resource.h>

__global__ void wild(int *x) {
  if (blockIdx.x == 2 && threadIdx.x == 5) *(volatile int *)(x + ((size_t)1 << 44)) = 1;
}
__global__ void null_pointer(int *x, int *none) {
  x[threadIdx.x] = none[threadIdx.x];
}
__device__ __attribute__((noinline)) int down(int depth, volatile int *x) {
  volatile int frame[64];
  frame[depth % 64] = x[0];
  return depth == 0 ? frame[0] : down(depth - 1, frame) + frame[depth % 64];
}
__global__ void recursion(int *x, int depth) {
  x[threadIdx.x] = down(depth, x) + (int)threadIdx.x;
}
__global__ void large_frame(int *x, int n) {
  volatile char local[1 << 20];
  for (int i = 0; i < n; i++) local[i] = (char)x[i];
  x[0] = local[n / 2];
}
__global__ void divide(int *x) {
  x[0] = x[2] / x[1];
}
__global__ void end_here(int *x) {
  if (x[threadIdx.x] == 0) __trap();
}
__global__ void endless(volatile int *x) {
  while (x[0] == 0) {
  }
}
__global__ void nothing(void) {}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  int *x, depth = 1000;
  CHECK(cudaMalloc(&x, 1024 * sizeof *x));
  CHECK(cudaMemset(x, 0, 1024 * sizeof *x));
  // Deep recursion within the limit works.
  CHECK(cudaDeviceSetLimit(cudaLimitStackSize, 512 << 10));
  size_t limit;
  CHECK(cudaDeviceGetLimit(&limit, cudaLimitStackSize));
  EXPECT(limit == 512 << 10, "%zu", limit);
  recursion<<<2, 64>>>(x, depth);
  CHECK(cudaDeviceSynchronize());
  CHECK(cudaDeviceSetLimit(cudaLimitStackSize, 4 << 10));
  CHECK(cudaMemset(x, 0, 1024 * sizeof *x));

  cudaError_t want = cudaErrorIllegalAddress;
  if (strcmp(what, "wild") == 0) wild<<<4, 64>>>(x);
  if (strcmp(what, "null") == 0) null_pointer<<<400, 64>>>(x, NULL);
  if (strcmp(what, "stack") == 0) {
    want = cudaErrorHardwareStackError;
    recursion<<<2, 64>>>(x, 1 << 20);
  }
  if (strcmp(what, "frame") == 0) {
    want = cudaErrorHardwareStackError;
    large_frame<<<2, 64>>>(x, 100);
  }
  if (strcmp(what, "divide") == 0) {
    want = cudaErrorLaunchFailure;
    divide<<<1, 1>>>(x);
  }
  if (strcmp(what, "trap") == 0) {
    want = cudaErrorLaunchFailure;
    end_here<<<1, 64>>>(x);
  }
  if (strcmp(what, "endless") == 0) {
    want = cudaErrorLaunchTimeout;
    endless<<<3, 64>>>(x);
  }
  if (strcmp(what, "memory") == 0) {  // the host has none for such stacks
    want = cudaErrorMemoryAllocation;
    const rlimit little = {(rlim_t)4 << 30, (rlim_t)4 << 30};
    EXPECT(setrlimit(RLIMIT_AS, &little) == 0, "no limit");
    CHECK(cudaDeviceSetLimit(cudaLimitStackSize, 16 << 20));
    recursion<<<2, 64>>>(x, 1);
  }
  if (strcmp(what, "outside") == 0) {  // not a kernel's fault: the program ends as ever
    nothing<<<1, 1>>>();
    CHECK(cudaDeviceSynchronize());
    int *volatile wild_pointer = (int *)(size_t)argc;
    *wild_pointer = 1;
  }
  const cudaError_t error = cudaDeviceSynchronize();
  EXPECT(error == want, "%s, not %s", cudaGetErrorName(error), cudaGetErrorName(want));
  EXPECT(cudaGetLastError() == want, "the error stays");
  nothing<<<1, 1>>>();
  EXPECT(cudaGetLastError() == want, "no launch any more");
  FINISH();
}
