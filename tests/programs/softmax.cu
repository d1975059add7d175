// SPDX-License-Identifier: MIT
// Softmax of rows: maximum and sum in one online pass, a warp per row with a cooperative tile; layer norm
// beside it.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace cg = cooperative_groups;

__global__ void softmax(float *out, const float *in, int rows, int columns) {
  cg::thread_block block = cg::this_thread_block();
  cg::thread_block_tile<32> warp = cg::tiled_partition<32>(block);
  const int row = blockIdx.x * warp.meta_group_size() + warp.meta_group_rank();
  if (row >= rows) return;
  const float *x = in + (size_t)row * columns;
  float largest = -INFINITY, sum = 0;
  for (int i = warp.thread_rank(); i < columns; i += warp.size()) {
    const float bigger = fmaxf(largest, x[i]);
    sum = sum * expf(largest - bigger) + expf(x[i] - bigger);
    largest = bigger;
  }
  const float overall = cg::reduce(warp, largest, cg::greater<float>{});
  sum = cg::reduce(warp, largest == -INFINITY ? 0.f : sum * expf(largest - overall), cg::plus<float>{});
  for (int i = warp.thread_rank(); i < columns; i += warp.size())
    out[(size_t)row * columns + i] = expf(x[i] - overall) / sum;
}

__global__ void layer_norm(float *out, const float *in, int rows, int columns) {
  auto warp = cg::tiled_partition<32>(cg::this_thread_block());
  const int row = blockIdx.x * warp.meta_group_size() + warp.meta_group_rank();
  if (row >= rows) return;
  const float *x = in + (size_t)row * columns;
  float sum = 0, squares = 0;
  for (int i = warp.thread_rank(); i < columns; i += warp.size()) sum += x[i];
  const float mean = cg::reduce(warp, sum, cg::plus<float>()) / columns;
  for (int i = warp.thread_rank(); i < columns; i += warp.size()) squares += (x[i] - mean) * (x[i] - mean);
  const float scale = rsqrtf(cg::reduce(warp, squares, cg::plus<float>()) / columns + 1e-5f);
  for (int i = warp.thread_rank(); i < columns; i += warp.size())
    out[(size_t)row * columns + i] = (x[i] - mean) * scale;
}

int main() {
  double worst = 0;
  for (int columns : {1, 31, 33, 500}) {
    const int rows = 37, n = rows * columns;
    std::vector<float> in(n), soft(n), norm(n);
    for (int i = 0; i < n; i++) in[i] = static_cast<float>((i * 37) % 101) - 50.f;
    float *d_in, *d_out;
    cudaMalloc(&d_in, n * sizeof(float));
    cudaMalloc(&d_out, n * sizeof(float));
    cudaMemcpy(d_in, in.data(), n * sizeof(float), cudaMemcpyHostToDevice);
    softmax<<<(rows + 3) / 4, 128>>>(d_out, d_in, rows, columns);
    cudaMemcpy(soft.data(), d_out, n * sizeof(float), cudaMemcpyDeviceToHost);
    layer_norm<<<(rows + 3) / 4, 128>>>(d_out, d_in, rows, columns);
    cudaMemcpy(norm.data(), d_out, n * sizeof(float), cudaMemcpyDeviceToHost);
    if (cudaGetLastError() != cudaSuccess) return 2;
    for (int r = 0; r < rows; r++) {
      const float *x = &in[r * columns];
      double sum = 0, mean = 0, variance = 0;
      for (int i = 0; i < columns; i++) sum += std::exp((double)x[i]), mean += x[i] / (double)columns;
      for (int i = 0; i < columns; i++) variance += (x[i] - mean) * (x[i] - mean) / columns;
      for (int i = 0; i < columns; i++) {
        const double soft_error = std::fabs(soft[r * columns + i] - std::exp((double)x[i]) / sum);
        const double norm_error =
            std::fabs(norm[r * columns + i] - (x[i] - mean) / std::sqrt(variance + 1e-5));
        if (!(soft_error <= worst)) worst = soft_error;
        if (!(norm_error <= worst)) worst = norm_error;
      }
    }
    cudaFree(d_in);
    cudaFree(d_out);
  }
  std::printf("softmax: max error %g: %s\n", worst, worst < 1e-5 ? "PASS" : "FAIL");
  return worst < 1e-5 ? 0 : 1;
}
