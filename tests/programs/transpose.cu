// SPDX-License-Identifier: MIT
// Transposes: naive, through a shared tile, with a padded tile, with a swizzled one; a struct of variants and
// functors.
#include <cstdio>
#include <initializer_list>
#include <vector>

constexpr int TILE = 32, ROWS = 8;

struct Plain {
  static constexpr int width = TILE;
  __device__ static int column(int, int x) { return x; }
};
struct Padded {
  static constexpr int width = TILE + 1;
  __device__ static int column(int, int x) { return x; }
};
struct Swizzled {
  static constexpr int width = TILE;
  __device__ static int column(int y, int x) { return x ^ y; }
};

__global__ void naive(float *out, const float *in, int rows, int cols) {
  int x = blockIdx.x * TILE + threadIdx.x, y = blockIdx.y * TILE + threadIdx.y;
  for (int j = 0; j < TILE; j += ROWS)
    if (x < cols && y + j < rows) out[x * rows + y + j] = in[(y + j) * cols + x];
}

template <class Layout>
__global__ void tiled(float *out, const float *in, int rows, int cols) {
  __shared__ float tile[TILE][Layout::width];
  int x = blockIdx.x * TILE + threadIdx.x, y = blockIdx.y * TILE + threadIdx.y;
  for (int j = 0; j < TILE; j += ROWS)
    if (x < cols && y + j < rows)
      tile[threadIdx.y + j][Layout::column(threadIdx.y + j, threadIdx.x)] = in[(y + j) * cols + x];
  __syncthreads();
  x = blockIdx.y * TILE + threadIdx.x;
  y = blockIdx.x * TILE + threadIdx.y;
  for (int j = 0; j < TILE; j += ROWS)
    if (x < rows && y + j < cols)
      out[(y + j) * rows + x] = tile[threadIdx.x][Layout::column(threadIdx.x, threadIdx.y + j)];
}

struct Variant {
  const char *name;
  void (*kernel)(float *, const float *, int, int);
};

int main() {
  const Variant variants[] = {
      {"naive", naive}, {"tiled", tiled<Plain>}, {"padded", tiled<Padded>}, {"swizzled", tiled<Swizzled>}};
  int wrong = 0;
  for (auto [rows, cols] : {std::pair<int, int>{1, 1}, {32, 64}, {33, 95}, {200, 131}}) {
    const int n = rows * cols;
    std::vector<float> in(n), out(n);
    for (int i = 0; i < n; i++) in[i] = (float)i;
    float *d_in = nullptr, *d_out = nullptr;
    cudaMalloc(&d_in, sizeof(float) * n);
    cudaMalloc(&d_out, sizeof(float) * n);
    cudaMemcpy(d_in, in.data(), sizeof(float) * n, cudaMemcpyHostToDevice);
    const dim3 grid{(unsigned)(cols + TILE - 1) / TILE, (unsigned)(rows + TILE - 1) / TILE},
        block{TILE, ROWS};
    for (const Variant &variant : variants) {
      cudaMemset(d_out, 0xff, sizeof(float) * n);
      variant.kernel<<<grid, block>>>(d_out, d_in, rows, cols);
      cudaMemcpy(out.data(), d_out, sizeof(float) * n, cudaMemcpyDeviceToHost);
      int bad = 0;
      for (int y = 0; y < rows; y++)
        for (int x = 0; x < cols; x++) bad += !(out[x * rows + y] == in[y * cols + x]);
      if (bad) std::printf("  %s %dx%d: %d wrong\n", variant.name, rows, cols, bad);
      wrong += bad;
    }
    cudaFree(d_in);
    cudaFree(d_out);
  }
  if (cudaGetLastError() != cudaSuccess) wrong++;
  std::printf("transpose: %d wrong: %s\n", wrong, wrong ? "FAIL" : "PASS");
  return wrong != 0;
}
