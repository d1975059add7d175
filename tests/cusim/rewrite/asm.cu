// SPDX-License-Identifier: MIT
__global__ void k(int *x) {
  unsigned lane;
  asm("mov.u32 %0, %laneid;\n" "tcgen05.fence::before_thread_sync;" : "=r"(lane));
  x[lane] = 1;
}
