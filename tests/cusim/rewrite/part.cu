// SPDX-License-Identifier: MIT
#include "part.h"
static __global__ void k(int *x) { x[0] = PART_VALUE; }
int part(int *x) {
  int host = -1;
  k<<<1, 1>>>(x);
  return cudaMemcpy(&host, x, sizeof host, cudaMemcpyDeviceToHost) == cudaSuccess ? host : -1;
}
