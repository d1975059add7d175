// SPDX-License-Identifier: MIT
// The grids on the GPU, which is not timed, and the first rung: a launch for each sweep.
#include <cuda_runtime.h>

#include "heddle/device.h"
#include "kernels/jacobi/jacobi.h"
#include "stencil.h"

static float *upload(const float *from, size_t bytes) {
  float *to = NULL;
  HD_CUDA(cudaMalloc((void **)&to, bytes));
  HD_CUDA(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice));
  return to;
}

void place_on_gpu(hd_case *c) {
  stencil *s = (stencil *)c->state;
  s->gpu_now = upload(s->initial, s->count * sizeof(float));
  s->gpu_next = upload(s->initial, s->count * sizeof(float));  // for the border, which no sweep writes
}

void collect_from_gpu(hd_case *c) {
  const stencil *s = (const stencil *)c->state;
  HD_CUDA(cudaMemcpy(s->now, s->gpu_now, s->count * sizeof(float), cudaMemcpyDeviceToHost));
}

void release_gpu(hd_case *c) {
  stencil *s = (stencil *)c->state;
  HD_CUDA(cudaFree(s->gpu_now));
  HD_CUDA(cudaFree(s->gpu_next));
  s->gpu_now = s->gpu_next = NULL;
}

// A thread for each cell: the kernel that lesson 19 divides among GPUs. A launch is the barrier between two
// sweeps: blocks have no other one in common.
//
// Prediction: of the five accesses to a cell's value four find its line in a cache. 8 bytes a cell at the
// memory's bandwidth, as long as a sweep takes much longer than a launch.
void run_gpu_naive(hd_case *c) {
  const stencil *s = (const stencil *)c->state;
  float *grids[2] = {s->gpu_now, s->gpu_next};
  const long at = stencil_at(s, 0, 0);
  for (int k = 0; k < SWEEPS; k++)
    hd_jacobi_block_cuda(grids[k % 2] + at, grids[(k + 1) % 2] + at, s->pitch, s->n, s->n, NULL);
}
