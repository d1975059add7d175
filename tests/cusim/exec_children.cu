// SPDX-License-Identifier: MIT
// Kernels that launch kernels: each runs when the grid that launched it has ended, with copies of its
// arguments; several generations, many children of one grid, templates, launches that a device refuses.
#include "exec_check.h"

enum { CHILDREN = 40, WIDTH = 33, DEPTH = 5 };

template <class T>
__global__ void fill(T *out, T value) {
  __shared__ T copy[WIDTH];
  const int i = (int)threadIdx.x;
  copy[i] = value;
  __syncthreads();
  out[i] = copy[WIDTH - 1 - i] + (T)i;
}

// Every thread launches a child for its row; the variable that its argument came from changes behind it.
__global__ void parent(int *rows, int *marks) {
  int row = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (row >= CHILDREN) return;
  fill<int><<<1, WIDTH>>>(rows + row * WIDTH, 100 * row);
  row = -1;
  atomicAdd(marks, 1);
}

// A tree: each block halves its range and launches itself for both halves.
__global__ void split(int *x, int from, int to, int depth) {
  if (threadIdx.x == 0) {
    if (depth == 0) {
      for (int i = from; i < to; i++) x[i] += i;
    } else {
      const int middle = (from + to) / 2;
      split<<<1, 32>>>(x, from, middle, depth - 1);
      split<<<1, 32>>>(x, middle, to, depth - 1);
    }
  }
}

// The order of one thread's children is that of their launches.
__global__ void times_ten_plus(int *x, int digit) {
  *x = *x * 10 + digit;
}
__global__ void in_order(int *x) {
  for (int digit = 1; digit <= 4; digit++) times_ten_plus<<<1, 1>>>(x, digit);
  times_ten_plus<<<1, 2000>>>(x, 9);  // too many threads: refused
}

__global__ void endless(int *x) {
  atomicAdd(x, 1);
  endless<<<1, 1>>>(x);
}

// Memory of the device's own heap, by the runtime's names.
__global__ void own_memory(int *out) {
  int *mine = NULL;
  out[threadIdx.x] = cudaMalloc(&mine, 2 * sizeof *mine) == cudaSuccess && mine ? 0 : 1000;
  mine[1] = (int)threadIdx.x;
  out[threadIdx.x] += mine[1];
  cudaFree(mine);
}
static void test_own_memory() {
  int *out, got[64];
  CHECK(cudaMalloc(&out, sizeof got));
  own_memory<<<1, 64>>>(out);
  CHECK(cudaMemcpy(got, out, sizeof got, cudaMemcpyDeviceToHost));
  EXPECT(got[0] == 0 && got[63] == 63, "%d %d", got[0], got[63]);
  CHECK(cudaFree(out));
}

int main(void) {
  int *rows, *marks, host[CHILDREN * WIDTH], count = 0, value = 0;
  CHECK(cudaMalloc(&rows, sizeof host));
  CHECK(cudaMalloc(&marks, sizeof *marks));
  CHECK(cudaMemset(marks, 0, sizeof *marks));
  parent<<<5, 8>>>(rows, marks);
  CHECK(cudaGetLastError());
  CHECK(cudaMemcpy(host, rows, sizeof host, cudaMemcpyDeviceToHost));
  CHECK(cudaMemcpy(&count, marks, sizeof count, cudaMemcpyDeviceToHost));
  EXPECT(count == CHILDREN, "%d", count);
  for (int i = 0; i < CHILDREN * WIDTH; i++)
    EXPECT(host[i] == 100 * (i / WIDTH) + i % WIDTH, "[%d] is %d", i, host[i]);

  const int n = 1 << 2 * DEPTH;
  int *tree, *back = (int *)malloc(sizeof *back * (size_t)n);
  CHECK(cudaMalloc(&tree, sizeof *tree * (size_t)n));
  CHECK(cudaMemset(tree, 0, sizeof *tree * (size_t)n));
  split<<<1, 32>>>(tree, 0, n, DEPTH);
  CHECK(cudaMemcpy(back, tree, sizeof *back * (size_t)n, cudaMemcpyDeviceToHost));
  for (int i = 0; i < n; i++) EXPECT(back[i] == i, "[%d] is %d", i, back[i]);

  CHECK(cudaMemset(marks, 0, sizeof *marks));
  in_order<<<1, 1>>>(marks);
  CHECK(cudaMemcpy(&value, marks, sizeof value, cudaMemcpyDeviceToHost));
  EXPECT(value == 1234, "%d", value);

  CHECK(cudaMemset(marks, 0, sizeof *marks));
  endless<<<1, 1>>>(marks);  // as deep as a device allows
  CHECK(cudaMemcpy(&value, marks, sizeof value, cudaMemcpyDeviceToHost));
  EXPECT(value == 25, "%d", value);

  free(back);
  CHECK(cudaFree(rows));
  CHECK(cudaFree(marks));
  CHECK(cudaFree(tree));
  test_own_memory();
  FINISH();
}
