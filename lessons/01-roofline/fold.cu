// SPDX-License-Identifier: MIT
#include "fold.h"
#include "gpu.h"
#include "heddle/device.h"

// One thread for each element, written like fold_scalar. The 32 threads of a warp are the lanes of a vector,
// and where the CPU needed CHAINS vectors to fill its pipeline, the GPU takes other warps: nothing to unroll
// by hand.
__global__ void fold_gpu(float *a, const float *b, const float *c, long n, long k) {
  const long i = (long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float v = b[i];
  const float add = c[i];
  for (long j = 0; j < k; j++) v = v * FOLD_RATIO + add;
  a[i] = v;
}

static void place(hd_case *c) {
  fold_state *s = (fold_state *)c->state;
  const size_t bytes = (size_t)s->n * sizeof(float);
  HD_CUDA(cudaMalloc(&s->gpu_a, bytes));
  HD_CUDA(cudaMalloc(&s->gpu_b, bytes));
  HD_CUDA(cudaMalloc(&s->gpu_c, bytes));
  HD_CUDA(cudaMemcpy(s->gpu_a, s->a, bytes, cudaMemcpyHostToDevice));  // the poison
  HD_CUDA(cudaMemcpy(s->gpu_b, s->b, bytes, cudaMemcpyHostToDevice));
  HD_CUDA(cudaMemcpy(s->gpu_c, s->c, bytes, cudaMemcpyHostToDevice));
}

static void collect(hd_case *c) {
  fold_state *s = (fold_state *)c->state;
  HD_CUDA(cudaMemcpy(s->a, s->gpu_a, (size_t)s->n * sizeof(float), cudaMemcpyDeviceToHost));
}

static void release(hd_case *c) {
  fold_state *s = (fold_state *)c->state;
  HD_CUDA(cudaFree(s->gpu_a));
  HD_CUDA(cudaFree(s->gpu_b));
  HD_CUDA(cudaFree(s->gpu_c));
}

void run_gpu(hd_case *c) {
  const fold_state *s = (const fold_state *)c->state;
  const unsigned threads = 256, blocks = (unsigned)((s->n + threads - 1) / threads);
  fold_gpu<<<blocks, threads>>>(s->gpu_a, s->gpu_b, s->gpu_c, s->n, c->size);
  HD_LAUNCHED();
}

extern "C" const hd_place at_gpu = {place, collect, release};
