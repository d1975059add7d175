// SPDX-License-Identifier: MIT
// Fast Fourier transform, Stockham's order: no bit reversal, two arrays that change roles; then back again.
#include <cmath>
#include <cstdio>
#include <vector>

__host__ __device__ inline float2 operator+(float2 a, float2 b) {
  return make_float2(a.x + b.x, a.y + b.y);
}
__host__ __device__ inline float2 operator-(float2 a, float2 b) {
  return make_float2(a.x - b.x, a.y - b.y);
}
__host__ __device__ inline float2 operator*(float2 a, float2 b) {
  return make_float2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

enum class Direction { forward = -1, inverse = 1 };

template <Direction D>
__global__ void butterfly(const float2 *__restrict__ in, float2 *__restrict__ out, int n, int length) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n / 2) return;
  const int k = i % length;
  float2 twiddle;
  sincospif(static_cast<float>(D) * static_cast<float>(k) / static_cast<float>(length), &twiddle.y,
            &twiddle.x);
  const float2 a = in[i], b = in[i + n / 2] * twiddle;
  const int at = (i - k) * 2 + k;
  out[at] = a + b;
  out[at + length] = a - b;
}

template <Direction D>
static float2 *transform(float2 *a, float2 *b, int n) {
  for (int length = 1; length < n; length *= 2) {
    butterfly<D><<<(n / 2 + 63) / 64, 64>>>(a, b, n, length);
    float2 *t = a;
    a = b;
    b = t;
  }
  return a;
}

int main() {
  double worst = 0;
  for (int n : {2, 64, 512}) {
    std::vector<float2> in(n), out(n), back(n);
    for (int i = 0; i < n; i++)
      in[i] = make_float2(static_cast<float>(i % 7) - 3, static_cast<float>(i * i % 11) / 11);
    float2 *a, *b;
    cudaMalloc(&a, n * sizeof(float2));
    cudaMalloc(&b, n * sizeof(float2));
    cudaMemcpy(a, in.data(), n * sizeof(float2), cudaMemcpyHostToDevice);
    float2 *result = transform<Direction::forward>(a, b, n);
    cudaMemcpy(out.data(), result, n * sizeof(float2), cudaMemcpyDeviceToHost);
    result = transform<Direction::inverse>(result, result == a ? b : a, n);
    cudaMemcpy(back.data(), result, n * sizeof(float2), cudaMemcpyDeviceToHost);
    if (cudaGetLastError() != cudaSuccess) worst = INFINITY;
    for (int k = 0; k < n; k++) {
      double re = 0, im = 0;
      for (int i = 0; i < n; i++) {
        const double angle = -2 * 3.14159265358979323846 * (static_cast<long>(i) * k % n) / n;
        re += in[i].x * std::cos(angle) - in[i].y * std::sin(angle);
        im += in[i].x * std::sin(angle) + in[i].y * std::cos(angle);
      }
      const double errors[] = {std::hypot(out[k].x - re, out[k].y - im) / n,
                               std::hypot(back[k].x / n - in[k].x, back[k].y / n - in[k].y)};
      for (double error : errors)
        if (!(error <= worst)) worst = error;
    }
    cudaFree(a);
    cudaFree(b);
  }
  std::printf("fft_stockham: max error %g: %s\n", worst, worst < 1e-5 ? "PASS" : "FAIL");
  return worst < 1e-5 ? 0 : 1;
}
