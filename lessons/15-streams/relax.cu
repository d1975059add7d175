// SPDX-License-Identifier: MIT
// The kernel of all three parts: a thread keeps EACH elements in registers through all steps.
#include "relax.h"

#include "heddle/device.h"

// Neighbours in a warp read neighbours in memory; a thread's own elements lie a block's width apart.
__global__ void __launch_bounds__(BLOCK) relax(const float *x, float *y, long n, int steps) {
  const long first = (long)blockIdx.x * (BLOCK * EACH) + threadIdx.x;
  float v[EACH];
#pragma unroll
  for (int j = 0; j < EACH; j++) v[j] = first + j * BLOCK < n ? x[first + j * BLOCK] : 0.0f;
  for (int s = 0; s < steps; s++) {
#pragma unroll
    for (int j = 0; j < EACH; j++) v[j] = fmaf(RELAX_KEEP, v[j], RELAX_REST);
  }
#pragma unroll
  for (int j = 0; j < EACH; j++)
    if (first + j * BLOCK < n) y[first + j * BLOCK] = v[j];
}

static long blocks_of(long n) {
  return (n + BLOCK * EACH - 1) / (BLOCK * EACH);
}

void relax_on(void *stream, const float *x, float *y, long n, int steps) {
  if (n == 0) return;
  relax<<<(unsigned)blocks_of(n), BLOCK, 0, (cudaStream_t)stream>>>(x, y, n, steps);
  HD_LAUNCHED();
}

const void *relax_function(void) {
  return (const void *)relax;
}

double relax_share(long n) {
  int device, sms;
  HD_CUDA(cudaGetDevice(&device));
  HD_CUDA(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, device));
  const double share = (double)blocks_of(n) / sms;
  return share < 1 ? share : 1;
}
