// SPDX-License-Identifier: MIT
__global__ void k(int *x) {
  unsigned lane;
  asm("mov.u32 %0, %laneid;" : "=r"(lane));
  x[lane] = 1;
}
