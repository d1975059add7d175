// SPDX-License-Identifier: MIT
// The matrices on the GPU. None of this is timed: the lesson compares products, not copies (lesson 08 does).
#include "gemm_gpu.h"
#include "heddle/device.h"

static size_t matrix_bytes(const hd_case *c) {
  return (size_t)c->size * (size_t)c->size * sizeof(float);
}

static float *upload(const float *from, size_t bytes) {
  float *to = NULL;
  HD_CUDA(cudaMalloc((void **)&to, bytes));
  HD_CUDA(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice));
  return to;
}

// C is uploaded too: the harness has poisoned it, so an element that a kernel leaves out is found.
void place_matrices(hd_case *c) {
  gemm_case *m = (gemm_case *)c->state;
  m->device_a = upload(m->a, matrix_bytes(c));
  m->device_b = upload(m->b, matrix_bytes(c));
  m->device_c = upload(m->c, matrix_bytes(c));
}

void collect_matrices(hd_case *c) {
  const gemm_case *m = (const gemm_case *)c->state;
  HD_CUDA(cudaMemcpy(m->c, m->device_c, matrix_bytes(c), cudaMemcpyDeviceToHost));
}

void release_matrices(hd_case *c) {
  gemm_case *m = (gemm_case *)c->state;
  HD_CUDA(cudaFree(m->device_a));
  HD_CUDA(cudaFree(m->device_b));
  HD_CUDA(cudaFree(m->device_c));
  m->device_a = m->device_b = m->device_c = NULL;
}
