// SPDX-License-Identifier: MIT
#include <cuda_runtime.h>

#include "exec_symbols.h"

static __device__ int shared_name = 30;

static __global__ void bump(void) {
  shared_name += 2;
}

int bump_other(void) {
  int value = -1;
  bump<<<1, 1>>>();
  return cudaMemcpyFromSymbol(&value, shared_name, sizeof value) == cudaSuccess ? value : -1;
}
