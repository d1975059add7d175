// SPDX-License-Identifier: MIT
// Conway's game on a torus; tiles with their halo in dynamic shared memory of bytes.
#include <cstdio>
#include <vector>

using Cell = unsigned char;
extern __shared__ Cell tile[];

__global__ void generation(const Cell *now, Cell *next, int width, int height) {
  const int tw = blockDim.x + 2, th = blockDim.y + 2;
  const int x0 = blockIdx.x * blockDim.x, y0 = blockIdx.y * blockDim.y;
  for (int i = threadIdx.y * blockDim.x + threadIdx.x; i < tw * th; i += blockDim.x * blockDim.y) {
    const int x = (x0 + i % tw - 1 + width) % width, y = (y0 + i / tw - 1 + height) % height;
    tile[i] = now[y * width + x];
  }
  __syncthreads();
  const int x = x0 + threadIdx.x, y = y0 + threadIdx.y;
  if (x >= width || y >= height) return;
  int alive = 0;
  for (int dy = 0; dy < 3; dy++)
    for (int dx = 0; dx < 3; dx++)
      if (dx != 1 || dy != 1) alive += tile[(threadIdx.y + dy) * tw + threadIdx.x + dx];
  const Cell self = tile[(threadIdx.y + 1) * tw + threadIdx.x + 1];
  next[y * width + x] = alive == 3 || (alive == 2 && self);
}

int main() {
  const int width = 75, height = 50, generations = 12;
  std::vector<Cell> world(width * height), other(world.size()), found(world.size());
  for (size_t i = 0; i < world.size(); i++) world[i] = (i * 2654435761u >> 7) % 3 == 0;
  Cell *d_now, *d_next;
  cudaMalloc(&d_now, world.size());
  cudaMalloc(&d_next, world.size());
  cudaMemcpy(d_now, world.data(), world.size(), cudaMemcpyHostToDevice);
  const dim3 block(16, 8), grid((width + 15) / 16, (height + 7) / 8);
  const size_t shared = (block.x + 2) * (block.y + 2) * sizeof(Cell);
  for (int g = 0; g < generations; g++) {
    generation<<<grid, block, shared>>>(d_now, d_next, width, height);
    std::swap(d_now, d_next);
    for (int y = 0; y < height; y++)
      for (int x = 0; x < width; x++) {
        int alive = 0;
        for (int dy = -1; dy <= 1; dy++)
          for (int dx = -1; dx <= 1; dx++)
            if (dx || dy) alive += world[(y + dy + height) % height * width + (x + dx + width) % width];
        other[y * width + x] = alive == 3 || (alive == 2 && world[y * width + x]);
      }
    world.swap(other);
  }
  int wrong = cudaMemcpy(found.data(), d_now, found.size(), cudaMemcpyDeviceToHost) != cudaSuccess, alive = 0;
  for (size_t i = 0; i < world.size(); i++) wrong += world[i] != found[i], alive += world[i];
  cudaFree(d_now);
  cudaFree(d_next);
  wrong += alive == 0;
  std::printf("game_of_life: %d alive, %d wrong: %s\n", alive, wrong, wrong ? "FAIL" : "PASS");
  return wrong ? 1 : 0;
}
