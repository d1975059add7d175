// SPDX-License-Identifier: MIT
// European options by the closed formula: a structure of arrays, one function for device and host in two
// precisions.
#include <cuda_runtime.h>

#include <cmath>
#include <cstdio>

template <typename Real>
__host__ __device__ inline Real normal_cdf(Real d) {
  return Real(0.5) * erfc(-d * Real(0.70710678118654752440));
}

template <typename Real>
__host__ __device__ inline void price(Real s, Real x, Real t, Real r, Real v, Real &call, Real &put) {
  const Real root = sqrt(t), d1 = (log(s / x) + (r + Real(0.5) * v * v) * t) / (v * root), d2 = d1 - v * root;
  const Real discounted = x * exp(-r * t);
  call = s * normal_cdf(d1) - discounted * normal_cdf(d2);
  put = discounted * normal_cdf(-d2) - s * normal_cdf(-d1);
}

struct Options {
  float *price, *strike, *years, *call, *put;
  int count;
};

__launch_bounds__(128) __global__ void black_scholes(Options o, float rate, float volatility) {
  for (int i = blockDim.x * blockIdx.x + threadIdx.x; i < o.count; i += blockDim.x * gridDim.x)
    price(o.price[i], o.strike[i], o.years[i], rate, volatility, o.call[i], o.put[i]);
}

int main() {
  Options o = {};
  o.count = 5003;
  for (float **field : {&o.price, &o.strike, &o.years, &o.call, &o.put})
    if (cudaMallocManaged(field, o.count * sizeof(float)) != cudaSuccess) return 2;
  for (int i = 0; i < o.count; i++) {
    o.price[i] = 5.f + static_cast<float>(i % 251) * 0.1f;
    o.strike[i] = 1.f + static_cast<float>(i % 997) * 0.1f;
    o.years[i] = 0.25f + static_cast<float>(i % 39) * 0.25f;
    o.call[i] = o.put[i] = NAN;
  }
  const float rate = 0.02f, volatility = 0.30f;
  black_scholes<<<16, 128>>>(o, rate, volatility);
  const cudaError_t status = cudaDeviceSynchronize();
  double worst = 0;
  for (int i = 0; i < o.count; i++) {
    double call, put;
    price<double>(o.price[i], o.strike[i], o.years[i], rate, volatility, call, put);
    for (double error : {std::fabs(call - o.call[i]), std::fabs(put - o.put[i])})
      if (!(error <= worst)) worst = error;
  }
  for (float *field : {o.price, o.strike, o.years, o.call, o.put}) cudaFree(field);
  const bool good = status == cudaSuccess && worst < 1e-4;
  std::printf("black_scholes: max error %g: %s\n", worst, good ? "PASS" : "FAIL");
  return good ? 0 : 1;
}
