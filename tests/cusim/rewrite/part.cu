// SPDX-License-Identifier: MIT
#include "part.h"
namespace closed {}
__device__ int behind_a_brace = PART_VALUE;
static __global__ void k(int *x) { x[0] = behind_a_brace; }
int part(int *x) {
  int host = -1;
  k<<<1, 1>>>(x);
  return cudaMemcpy(&host, x, sizeof host, cudaMemcpyDeviceToHost) == cudaSuccess ? host : -1;
}
