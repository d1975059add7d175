// SPDX-License-Identifier: MIT
// cuRAND: Philox's published vectors, XORWOW's jumps against single steps, moments; NVTX's depths.
#include <curand.h>
#include <curand_kernel.h>
#include <math.h>
#include <nvtx3/nvToolsExt.h>

#include "exec_check.h"

enum { N = 20000, THREADS = 200, EACH = N / THREADS };

__global__ void philox_words(unsigned *out) {
  curandStatePhilox4_32_10_t s;
  curand_init(0, 0, 0, &s);
  for (int i = 0; i < 8; i++) out[i] = curand(&s);
  curand_init(0, 0, 5, &s);
  out[8] = curand(&s);
  curand_init(0, 1, 0, &s);
  out[9] = curand(&s);
}

// Both ways to the same place of XORWOW.
__global__ void jumps(unsigned *out) {
  curandState a, b;
  curand_init(1234, 3, 0, &a);
  curand_init(1234, 3, 1000, &b);
  for (int i = 0; i < 1000; i++) curand(&a);
  for (int i = 0; i < 4; i++) out[i] = curand(&a) ^ curand(&b);
  curand_init(1234, 0, 0, &a);
  curand_init(1234, 1, 0, &b);
  out[4] = curand(&a) != curand(&b);
}

template <class State>
__global__ void draw(float *uniform, float *normal, float *poisson) {
  const int t = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  State s;
  curand_init(42, (unsigned long long)t, 0, &s);
  for (int i = 0; i < EACH; i++) {
    uniform[t * EACH + i] = curand_uniform(&s);
    normal[t * EACH + i] = curand_normal(&s);
    poisson[t * EACH + i] = (float)curand_poisson(&s, 4.0);
  }
}

static void moments(const char *name, const float *device, double mean, double variance) {
  static float x[N];
  double sum = 0, squares = 0;
  CHECK(cudaMemcpy(x, device, sizeof x, cudaMemcpyDeviceToHost));
  for (int i = 0; i < N; i++) sum += x[i];
  for (int i = 0; i < N; i++) squares += (x[i] - sum / N) * (x[i] - sum / N);
  EXPECT(fabs(sum / N - mean) < 5 * sqrt(variance / N), "%s: mean %g", name, sum / N);
  EXPECT(fabs(squares / N / variance - 1) < 0.06, "%s: variance %g", name, squares / N);
}

int main(void) {
  unsigned words[10], *device_words;
  float *x, *y, *z;
  CHECK(cudaMalloc(&device_words, sizeof words));
  CHECK(cudaMalloc(&x, N * sizeof *x));
  CHECK(cudaMalloc(&y, N * sizeof *y));
  CHECK(cudaMalloc(&z, N * sizeof *z));
  philox_words<<<1, 1>>>(device_words);
  CHECK(cudaMemcpy(words, device_words, sizeof words, cudaMemcpyDeviceToHost));
  const unsigned known[4] = {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u};
  for (int i = 0; i < 4; i++) EXPECT(words[i] == known[i], "word %d: %08x", i, words[i]);
  EXPECT(words[8] == words[5] && words[9] != words[0], "offset %08x", words[8]);
  jumps<<<1, 1>>>(device_words);
  CHECK(cudaMemcpy(words, device_words, sizeof words, cudaMemcpyDeviceToHost));
  EXPECT(!words[0] && !words[1] && !words[2] && !words[3] && words[4] == 1, "jumps");

  draw<curandState><<<2, THREADS / 2>>>(x, y, z);
  moments("XORWOW uniform", x, 0.5, 1.0 / 12);
  moments("XORWOW normal", y, 0, 1);
  moments("XORWOW poisson", z, 4, 4);
  draw<curandStatePhilox4_32_10_t><<<2, THREADS / 2>>>(x, y, z);
  moments("Philox uniform", x, 0.5, 1.0 / 12);
  moments("Philox normal", y, 0, 1);

  curandGenerator_t generator;
  EXPECT(curandCreateGenerator(&generator, CURAND_RNG_PSEUDO_DEFAULT) == CURAND_STATUS_SUCCESS, "create");
  EXPECT(curandSetPseudoRandomGeneratorSeed(generator, 7) == CURAND_STATUS_SUCCESS, "seed");
  EXPECT(curandGenerateUniform(generator, x, N) == CURAND_STATUS_SUCCESS, "uniform");
  EXPECT(curandGenerateNormal(generator, y, N, 3.0f, 2.0f) == CURAND_STATUS_SUCCESS, "normal");
  EXPECT(curandGenerateNormal(generator, y, 3, 0.0f, 1.0f) == CURAND_STATUS_LENGTH_NOT_MULTIPLE, "odd");
  EXPECT(curandDestroyGenerator(generator) == CURAND_STATUS_SUCCESS, "destroy");
  moments("host uniform", x, 0.5, 1.0 / 12);
  moments("host normal", y, 3, 4);

  EXPECT(nvtxRangePushA("outer") == 0 && nvtxRangePushA("inner") == 1, "depth");
  nvtxMarkA("mark");
  nvtxRangeEnd(nvtxRangeStartA("range"));
  EXPECT(nvtxRangePop() == 1 && nvtxRangePop() == 0, "depth");
  FINISH();
}
