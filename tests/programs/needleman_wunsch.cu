// SPDX-License-Identifier: MIT
// Sequence alignment: tiles along anti-diagonals, inside each tile a wavefront of threads in shared memory.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define TILE 16
#define GAP 3

__host__ __device__ static int score(char a, char b) {
  return a == b ? 5 : -4;
}
__host__ __device__ static int max3(int a, int b, int c) {
  return a > b ? (a > c ? a : c) : (b > c ? b : c);
}

__constant__ char first_sequence[256], second_sequence[256];

__global__ void align(int *table, int width, int diagonal, int first_tile) {
  __shared__ int s[TILE + 1][TILE + 1];
  const int tile_x = first_tile + blockIdx.x, tile_y = diagonal - tile_x, t = threadIdx.x;
  int *corner = table + tile_y * TILE * width + tile_x * TILE;
  s[0][t + 1] = corner[t + 1];
  s[t + 1][0] = corner[(t + 1) * width];
  if (t == 0) s[0][0] = corner[0];
  __syncthreads();
  for (int wave = 0; wave < 2 * TILE - 1; wave++) {
    const int x = t + 1, y = wave - t + 1;
    if (y >= 1 && y <= TILE) {
      const char a = first_sequence[tile_y * TILE + y - 1], b = second_sequence[tile_x * TILE + x - 1];
      s[y][x] = max3(s[y - 1][x - 1] + score(a, b), s[y - 1][x] - GAP, s[y][x - 1] - GAP);
    }
    __syncthreads();
  }
  for (int y = 1; y <= TILE; y++) corner[y * width + t + 1] = s[y][t + 1];
}

int main() {
  const int tiles_x = 9, tiles_y = 5, nx = tiles_x * TILE, ny = tiles_y * TILE, width = nx + 1;
  char a[256] = "", b[256] = "";
  for (int i = 0; i < ny; i++) a[i] = "ACGT"[i * i % 7 % 4];
  for (int i = 0; i < nx; i++) b[i] = "ACGT"[(i * 3 + i / 5) % 4];
  const size_t bytes = sizeof(int) * width * (ny + 1);
  int *exact = (int *)malloc(bytes), *found = (int *)malloc(bytes), *d_table;
  memset(exact, 0, bytes);
  for (int x = 0; x <= nx; x++) exact[x] = -GAP * x;
  for (int y = 0; y <= ny; y++) exact[y * width] = -GAP * y;
  cudaMalloc((void **)&d_table, bytes);
  cudaMemcpy(d_table, exact, bytes, cudaMemcpyHostToDevice);
  cudaMemcpyToSymbol(first_sequence, a, sizeof a);
  cudaMemcpyToSymbol(second_sequence, b, sizeof b);
  for (int diagonal = 0; diagonal < tiles_x + tiles_y - 1; diagonal++) {
    const int first = diagonal < tiles_y ? 0 : diagonal - tiles_y + 1;
    const int last = diagonal < tiles_x ? diagonal : tiles_x - 1;
    align<<<last - first + 1, TILE>>>(d_table, width, diagonal, first);
  }
  int wrong = cudaMemcpy(found, d_table, bytes, cudaMemcpyDeviceToHost) != cudaSuccess;
  for (int y = 1; y <= ny; y++)
    for (int x = 1; x <= nx; x++)
      exact[y * width + x] = max3(exact[(y - 1) * width + x - 1] + score(a[y - 1], b[x - 1]),
                                  exact[(y - 1) * width + x] - GAP, exact[y * width + x - 1] - GAP);
  for (int i = 0; i < width * (ny + 1); i++) wrong += exact[i] != found[i];
  printf("needleman_wunsch: score %d, %d wrong: %s\n", found[width * (ny + 1) - 1], wrong,
         wrong ? "FAIL" : "PASS");
  cudaFree(d_table);
  free(exact);
  free(found);
  return wrong != 0;
}
