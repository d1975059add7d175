// SPDX-License-Identifier: MIT
// All shortest paths, blocked: the diagonal tile, its row and column, then all others, in three kernels per
// round.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define T 16
#define FAR 1000000

__device__ __forceinline__ void relax(int (*c)[T], const int (*a)[T], const int (*b)[T], bool in_place) {
  const int x = threadIdx.x, y = threadIdx.y;
  int best = c[y][x];
  for (int k = 0; k < T; k++) {
    const int through = a[y][k] + b[k][x];
    if (through < best) best = through;
    if (in_place) {  // the tile is its own input: each step before the next
      __syncthreads();
      c[y][x] = best;
      __syncthreads();
      best = c[y][x];
    }
  }
  c[y][x] = best;
}

__global__ void diagonal(int *d, int n, int r) {
  __shared__ int c[T][T];
  const int at = (r * T + threadIdx.y) * n + r * T + threadIdx.x;
  c[threadIdx.y][threadIdx.x] = d[at];
  __syncthreads();
  relax(c, c, c, true);
  d[at] = c[threadIdx.y][threadIdx.x];
}

__global__ void cross(int *d, int n, int r) {
  if ((int)blockIdx.x == r) return;
  __shared__ int c[T][T], pivot[T][T];
  const int row = blockIdx.y == 0 ? r : blockIdx.x, col = blockIdx.y == 0 ? blockIdx.x : r;
  const int at = (row * T + threadIdx.y) * n + col * T + threadIdx.x;
  c[threadIdx.y][threadIdx.x] = d[at];
  pivot[threadIdx.y][threadIdx.x] = d[(r * T + threadIdx.y) * n + r * T + threadIdx.x];
  __syncthreads();
  if (blockIdx.y == 0)
    relax(c, pivot, c, true);
  else
    relax(c, c, pivot, true);
  d[at] = c[threadIdx.y][threadIdx.x];
}

__global__ void rest(int *d, int n, int r) {
  if ((int)blockIdx.x == r || (int)blockIdx.y == r) return;
  __shared__ int c[T][T], a[T][T], b[T][T];
  const int at = (blockIdx.y * T + threadIdx.y) * n + blockIdx.x * T + threadIdx.x;
  c[threadIdx.y][threadIdx.x] = d[at];
  a[threadIdx.y][threadIdx.x] = d[(blockIdx.y * T + threadIdx.y) * n + r * T + threadIdx.x];
  b[threadIdx.y][threadIdx.x] = d[(r * T + threadIdx.y) * n + blockIdx.x * T + threadIdx.x];
  __syncthreads();
  relax(c, a, b, false);
  d[at] = c[threadIdx.y][threadIdx.x];
}

int main() {
  const int nodes = 75, tiles = (nodes + T - 1) / T, n = tiles * T;
  const size_t bytes = sizeof(int) * n * n;
  int *exact = (int *)malloc(bytes), *found = (int *)malloc(bytes), *d;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++)
      exact[i * n + j] = i == j                                                  ? 0
                         : i < nodes && j < nodes && (i * 31 + j * 17) % 13 == 0 ? 1 + (i * 7 + j) % 29
                                                                                 : FAR;
  cudaMalloc(&d, bytes);
  cudaMemcpy(d, exact, bytes, cudaMemcpyHostToDevice);
  for (int r = 0; r < tiles; r++) {
    diagonal<<<1, dim3(T, T)>>>(d, n, r);
    cross<<<dim3(tiles, 2), dim3(T, T)>>>(d, n, r);
    rest<<<dim3(tiles, tiles), dim3(T, T)>>>(d, n, r);
  }
  int wrong = cudaMemcpy(found, d, bytes, cudaMemcpyDeviceToHost) != cudaSuccess, reached = 0;
  for (int k = 0; k < n; k++)
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++) {
        const int through = exact[i * n + k] + exact[k * n + j];
        if (through < exact[i * n + j]) exact[i * n + j] = through;
      }
  for (int i = 0; i < n * n; i++) wrong += found[i] != exact[i], reached += exact[i] < FAR;
  cudaFree(d);
  free(exact);
  free(found);
  printf("floyd_warshall: %d pairs reached, %d wrong: %s\n", reached, wrong, wrong ? "FAIL" : "PASS");
  return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
