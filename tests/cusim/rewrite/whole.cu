// SPDX-License-Identifier: MIT
#include "part.h"
static __global__ void k(int *x) { x[0] = 7; }
int main() {
  int *x, host = 0;
  if (cudaMalloc(&x, sizeof *x) != cudaSuccess) return 1;
  k<<<1, 1>>>(x);
  if (cudaMemcpy(&host, x, sizeof host, cudaMemcpyDeviceToHost) != cudaSuccess) return 1;
  return host * part(x);
}
