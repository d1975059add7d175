// SPDX-License-Identifier: MIT
// Queens on a board: the first rows fix a thread's start, the rest is a recursive device function over bit
// masks.
#include <stdio.h>

#define ROWS 9

__host__ __device__ unsigned place(unsigned columns, unsigned left, unsigned right, int row) {
  if (row == ROWS) return 1;
  unsigned solutions = 0;
  for (unsigned free = ~(columns | left | right) & ((1u << ROWS) - 1); free; free &= free - 1) {
    const unsigned bit = free & (0u - free);
    solutions += place(columns | bit, (left | bit) << 1, (right | bit) >> 1, row + 1);
  }
  return solutions;
}

__global__ void queens(unsigned *total) {
  const unsigned start = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned mine = 0;
  if (start < ROWS * ROWS) {
    const unsigned a = 1u << start / ROWS, b = 1u << start % ROWS;
    const unsigned columns = a, left = a << 1, right = a >> 1;
    if (!(b & (columns | left | right))) mine = place(columns | b, (left | b) << 1, (right | b) >> 1, 2);
  }
  if (mine) atomicAdd(total, mine);
}

int main(void) {
  unsigned *d_total, found = 0;
  size_t stack = 0;
  cudaDeviceSetLimit(cudaLimitStackSize, 8192);
  cudaDeviceGetLimit(&stack, cudaLimitStackSize);
  cudaMalloc(&d_total, sizeof(unsigned));
  cudaMemset(d_total, 0, sizeof(unsigned));
  queens<<<3, 32>>>(d_total);
  cudaError_t status = cudaMemcpy(&found, d_total, sizeof found, cudaMemcpyDeviceToHost);
  cudaFree(d_total);
  const unsigned exact = place(0, 0, 0, 0);
  int good = status == cudaSuccess && found == exact && exact == 352 && stack >= 8192;
  printf("nqueens: %u solutions: %s\n", found, good ? "PASS" : "FAIL");
  return !good;
}
