// SPDX-License-Identifier: MIT
// Cheapest path down a grid: several rows per launch, the block's halo shrinking row by row (ghost zones).
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#define BLOCK_SIZE 128
#define MIN(a, b) ((a) <= (b) ? (a) : (b))

__global__ void dynproc_kernel(int rows, const int *wall, const int *src, int *dst, int cols, int start_row) {
  __shared__ int prev[BLOCK_SIZE], result[BLOCK_SIZE];
  const int tx = threadIdx.x, inner = BLOCK_SIZE - 2 * rows;
  const int x = (int)blockIdx.x * inner - rows + tx;
  const bool valid = x >= 0 && x < cols;
  prev[tx] = valid ? src[x] : 0;
  __syncthreads();
  for (int i = 0; i < rows; i++) {
    const bool computed = tx > i && tx < BLOCK_SIZE - 1 - i && valid;
    if (computed) {
      const int left = prev[x == 0 ? tx : tx - 1], up = prev[tx], right = prev[x == cols - 1 ? tx : tx + 1];
      result[tx] = MIN(MIN(left, up), right) + wall[(start_row + i) * cols + x];
    }
    __syncthreads();
    if (computed) prev[tx] = result[tx];
    __syncthreads();
  }
  if (tx >= rows && tx < BLOCK_SIZE - rows && valid) dst[x] = prev[tx];
}

int main(int argc, char **argv) {
  const int cols = argc > 1 ? std::atoi(argv[1]) : 1009, rows = 50, pyramid = 6;
  std::vector<int> wall(rows * cols), best, next(cols), found(cols);
  std::srand(7);
  for (int &cell : wall) cell = std::rand() % 10;
  int *d_wall, *d_result[2];
  cudaMalloc(&d_wall, wall.size() * sizeof(int));
  for (auto &d : d_result) cudaMalloc(&d, cols * sizeof(int));
  cudaMemcpy(d_wall, wall.data(), wall.size() * sizeof(int), cudaMemcpyHostToDevice);
  cudaMemcpy(d_result[0], wall.data(), cols * sizeof(int), cudaMemcpyHostToDevice);
  int now = 0;
  for (int row = 1; row < rows; row += pyramid, now ^= 1) {
    const int count = MIN(pyramid, rows - row), inner = BLOCK_SIZE - 2 * count;
    dynproc_kernel<<<(cols + inner - 1) / inner, BLOCK_SIZE>>>(count, d_wall, d_result[now],
                                                               d_result[now ^ 1], cols, row);
  }
  cudaMemcpy(found.data(), d_result[now], cols * sizeof(int), cudaMemcpyDeviceToHost);
  best.assign(wall.begin(), wall.begin() + cols);
  for (int y = 1; y < rows; y++, best = next)
    for (int x = 0; x < cols; x++)
      next[x] =
          wall[y * cols + x] + std::min({best[x], best[std::max(x - 1, 0)], best[std::min(x + 1, cols - 1)]});
  int wrong = cudaGetLastError() != cudaSuccess;
  for (int x = 0; x < cols; x++) wrong += best[x] != found[x];
  cudaFree(d_wall);
  cudaFree(d_result[0]);
  cudaFree(d_result[1]);
  std::printf("pathfinder: %d wrong: %s\n", wrong, wrong ? "FAIL" : "PASS");
  return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
