// SPDX-License-Identifier: MIT
// Heat on a plate: two pitched arrays that change roles, hot edges, copies in two dimensions.
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

#include "cuda_runtime.h"

class Grid {  // a pitched array on the device, freed when it goes
 public:
  Grid(int width, int height) : width_(width), height_(height) {
    if (cudaMallocPitch(&data_, &pitch_, width * sizeof(float), height) != cudaSuccess) data_ = nullptr;
  }
  ~Grid() { cudaFree(data_); }
  Grid(const Grid &) = delete;
  Grid &operator=(const Grid &) = delete;
  cudaError_t put(const std::vector<float> &host) {
    return cudaMemcpy2D(data_, pitch_, host.data(), width_ * sizeof(float), width_ * sizeof(float), height_,
                        cudaMemcpyHostToDevice);
  }
  cudaError_t get(std::vector<float> &host) const {
    return cudaMemcpy2D(host.data(), width_ * sizeof(float), data_, pitch_, width_ * sizeof(float), height_,
                        cudaMemcpyDeviceToHost);
  }
  float *data() const { return data_; }
  size_t pitch() const { return pitch_; }

 private:
  int width_, height_;
  float *data_ = nullptr;
  size_t pitch_ = 0;
};

__device__ inline float &at(float *base, size_t pitch, int y, int x) {
  return reinterpret_cast<float *>(reinterpret_cast<char *>(base) + y * pitch)[x];
}

__global__ void step(float *to, float *from, size_t pitch, int width, int height, float k) {
  const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= width || y >= height) return;
  const float t = at(from, pitch, y, x);
  float next = t;
  if (x > 0 && y > 0 && x < width - 1 && y < height - 1)
    next += k * (at(from, pitch, y - 1, x) + at(from, pitch, y + 1, x) + at(from, pitch, y, x - 1) +
                 at(from, pitch, y, x + 1) - 4 * t);
  at(to, pitch, y, x) = next;
}

int main() {
  constexpr int width = 101, height = 67, steps = 40;
  constexpr float k = 0.2f;
  std::vector<float> host(width * height, 20.f);
  for (int x = 0; x < width; x++) host[x] = 100.f;
  std::vector<double> now(host.begin(), host.end()), next = now;
  Grid a(width, height), b(width, height);
  if (!a.data() || !b.data()) return 1;
  a.put(host);
  Grid *from = &a, *to = &b;
  const dim3 block(32, 4), grid((width + 31) / 32, (height + 3) / 4);
  for (int s = 0; s < steps; s++, std::swap(from, to)) {
    step<<<grid, block>>>(to->data(), from->data(), a.pitch(), width, height, k);
    for (int y = 1; y < height - 1; y++)
      for (int x = 1; x < width - 1; x++) {
        const int i = y * width + x;
        next[i] = now[i] + k * (now[i - 1] + now[i + 1] + now[i - width] + now[i + width] - 4 * now[i]);
      }
    std::swap(now, next);
  }
  std::fill(host.begin(), host.end(), NAN);
  const bool copied = from->get(host) == cudaSuccess;
  double worst = 0;
  for (int i = 0; i < width * height; i++) {
    const double error = std::fabs(host[i] - now[i]);
    if (!(error <= worst)) worst = error;
  }
  const bool good = copied && a.pitch() == b.pitch() && worst < 1e-3;
  std::printf("heat2d: max error %g: %s\n", worst, good ? "PASS" : "FAIL");
  return good ? 0 : 1;
}
