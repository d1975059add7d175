// SPDX-License-Identifier: MIT
// The matrices on the GPU; none of this is timed.
#include "heddle/device.h"
#include "transpose.h"

static size_t matrix_bytes(const hd_case *c) {
  return (size_t)c->size * (size_t)c->size * sizeof(float);
}

static float *upload(const float *from, size_t bytes) {
  float *to = NULL;
  HD_CUDA(cudaMalloc((void **)&to, bytes));
  HD_CUDA(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice));
  return to;
}

// B is uploaded too: the harness has poisoned it, so an element that a kernel leaves out is found.
void place_matrices(hd_case *c) {
  transpose_case *t = (transpose_case *)c->state;
  t->device_a = upload(t->a, matrix_bytes(c));
  t->device_b = upload(t->b, matrix_bytes(c));
  t->copied = false;
}

// The copy is the yardstick of the others, no transpose: what it wrote is transposed here, so that it is
// checked like them.
void collect_matrices(hd_case *c) {
  const transpose_case *t = (const transpose_case *)c->state;
  HD_CUDA(cudaMemcpy(t->b, t->device_b, matrix_bytes(c), cudaMemcpyDeviceToHost));
  if (!t->copied) return;
#pragma omp parallel for schedule(dynamic, 16)
  for (long i = 0; i < c->size; i++)
    for (long j = 0; j < i; j++) {
      const float upper = t->b[j * c->size + i];
      t->b[j * c->size + i] = t->b[i * c->size + j];
      t->b[i * c->size + j] = upper;
    }
}

void release_matrices(hd_case *c) {
  transpose_case *t = (transpose_case *)c->state;
  HD_CUDA(cudaFree(t->device_a));
  HD_CUDA(cudaFree(t->device_b));
  t->device_a = t->device_b = NULL;
}
