// SPDX-License-Identifier: MIT
// Rows on the GPU; none of this is timed.
#include <stdlib.h>

#include "fusion.h"
#include "heddle/device.h"
#include "heddle/error.h"
#include "kernels/nn/ops.h"

static float *upload(const float *from, size_t count) {
  float *to = NULL;
  if (!from) return to;
  HD_CUDA(cudaMalloc(&to, count * sizeof(float)));
  HD_CUDA(cudaMemcpy(to, from, count * sizeof(float), cudaMemcpyHostToDevice));
  return to;
}

// The outputs are uploaded too: the harness has poisoned them, so a rung that leaves one out is found.
static void place(rows_case *r, const float *x) {
  const size_t count = (size_t)r->rows * (size_t)r->n;
  r->on_x = upload(x, count);
  r->on_residual = upload(r->residual, count);
  r->on_h = upload(r->h, count);
  r->on_y = upload(r->y, count);
  r->on_gain = upload(r->gain, (size_t)r->n);
  r->on_bias = upload(r->bias, (size_t)r->n);
  r->ops = hd_ops_cuda(NULL);
  HD_CUDA(cudaMalloc(&r->statistics, 2 * (size_t)r->rows * sizeof(float)));
}

void place_rows(hd_case *c) {
  rows_case *r = (rows_case *)c->state;
  r->shift = 0;
  place(r, r->x);
}

void place_shifted(hd_case *c) {
  rows_case *r = (rows_case *)c->state;
  const size_t count = (size_t)r->rows * (size_t)r->n;
  float *x = (float *)hd_alloc(count, sizeof *x);
  r->shift = shift_of(r->part);
  for (size_t i = 0; i < count; i++) x[i] = r->x[i] + r->shift;
  place(r, x);
  free(x);
}

void collect_rows(hd_case *c) {
  const rows_case *r = (const rows_case *)c->state;
  const size_t count = (size_t)r->rows * (size_t)r->n;
  HD_CUDA(cudaMemcpy(r->y, r->on_y, count * sizeof(float), cudaMemcpyDeviceToHost));
  if (!r->h) return;
  HD_CUDA(cudaMemcpy(r->h, r->on_h, count * sizeof(float), cudaMemcpyDeviceToHost));
  for (size_t i = 0; i < count && r->shift != 0; i++) r->h[i] -= r->shift;
}

void release_rows(hd_case *c) {
  const rows_case *r = (const rows_case *)c->state;
  HD_CUDA(cudaFree(r->on_x));
  HD_CUDA(cudaFree(r->on_residual));
  HD_CUDA(cudaFree(r->on_h));
  HD_CUDA(cudaFree(r->on_y));
  HD_CUDA(cudaFree(r->on_gain));
  HD_CUDA(cudaFree(r->on_bias));
  HD_CUDA(cudaFree(r->statistics));
  r->ops->close(r->ops);
}
