// SPDX-License-Identifier: MIT
// Attention's arrays on the GPU, in the layouts that its rungs want; none of this is timed.
#include <math.h>
#include <stdlib.h>

#include "fusion.h"
#include "heddle/device.h"
#include "heddle/error.h"
#include "kernels/nn/ops.h"

static size_t count_of(const attention_case *a) {
  return (size_t)a->heads * (size_t)a->n * WIDTH;
}

static void *allocate(size_t bytes) {
  void *to = NULL;
  HD_CUDA(cudaMalloc(&to, bytes));
  return to;
}
static void *upload(const void *from, size_t bytes) {
  void *to = allocate(bytes);
  HD_CUDA(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice));
  return to;
}

static void place_plain(attention_case *a) {
  a->on_q = (float *)upload(a->q, count_of(a) * sizeof(float));
  a->on_k = (float *)upload(a->k, count_of(a) * sizeof(float));
  a->on_v = (float *)upload(a->v, count_of(a) * sizeof(float));
  a->on_y = (float *)upload(a->y, count_of(a) * sizeof(float));  // poisoned by the harness
  a->statistics = (float *)allocate(2 * (size_t)(a->heads * a->n) * sizeof(float));
}

void place_attention(hd_case *c) {
  place_plain((attention_case *)c->state);
}

static void place_scores(attention_case *a) {
  a->scores = (float *)allocate((size_t)(a->heads * a->n) * (size_t)a->n * sizeof(float));
}

void place_matrix(hd_case *c) {
  attention_case *a = (attention_case *)c->state;
  place_plain(a);
  place_scores(a);
}

// Each head padded with zeros to a multiple of TILE rows, so that no kernel looks for its end.
static void *in_half(const attention_case *a, const float *x) {
  const size_t bytes = (size_t)(a->heads * a->padded) * WIDTH * sizeof(uint16_t);
  uint16_t *rounded = (uint16_t *)hd_alloc(bytes, 1);
  for (long head = 0; head < a->heads; head++)
    for (long i = 0; i < a->padded * WIDTH; i++)
      rounded[head * a->padded * WIDTH + i] =
          i < a->n * WIDTH ? hd_bf16_from_float(x[head * a->n * WIDTH + i]) : (uint16_t)0;
  void *to = upload(rounded, bytes);
  free(rounded);
  return to;
}

void place_half(hd_case *c) {
  attention_case *a = (attention_case *)c->state;
  a->padded = (a->n + TILE - 1) / TILE * TILE;
  a->half_q = in_half(a, a->q);
  a->half_k = in_half(a, a->k);
  a->half_v = in_half(a, a->v);
  a->on_y = (float *)upload(a->y, count_of(a) * sizeof(float));
}

// As kernels/nn has it: a row of queries, keys and values of all heads for each position; results likewise.
void place_packed(hd_case *c) {
  attention_case *a = (attention_case *)c->state;
  const long all = a->heads * WIDTH;
  float *packed = (float *)hd_alloc(3 * count_of(a), sizeof *packed);
  for (long head = 0; head < a->heads; head++)
    for (long t = 0; t < a->n; t++)
      for (long i = 0; i < WIDTH; i++) {
        const size_t from = (size_t)((head * a->n + t) * WIDTH + i),
                     to = (size_t)(t * 3 * all + head * WIDTH + i);
        packed[to] = a->q[from];
        packed[to + (size_t)all] = a->k[from];
        packed[to + 2 * (size_t)all] = a->v[from];
      }
  a->on_q = (float *)upload(packed, 3 * count_of(a) * sizeof(float));
  free(packed);
  a->ops = hd_ops_cuda(NULL);
  a->on_y = (float *)upload(a->y, count_of(a) * sizeof(float));
  place_scores(a);
}

void collect_attention(hd_case *c) {
  const attention_case *a = (const attention_case *)c->state;
  HD_CUDA(cudaMemcpy(a->y, a->on_y, count_of(a) * sizeof(float), cudaMemcpyDeviceToHost));
}

// And what its rounding made of the result, beside what was expected.
void collect_half(hd_case *c) {
  collect_attention(c);
  const hd_output *out = &c->outputs[0];
  double errors = 0, squares = 0;
  for (size_t i = 0; i < out->count; i++) {
    const double error = ((const float *)out->data)[i] - out->expected[i];
    errors += error * error;
    squares += out->expected[i] * out->expected[i];
  }
  hd_figure(c, "rms_error", sqrt(errors / squares), "");
  hd_figure(c, "rms_error_expected", HALF_ERROR, "");
}

void collect_packed(hd_case *c) {
  const attention_case *a = (const attention_case *)c->state;
  float *packed = (float *)hd_alloc(count_of(a), sizeof *packed);
  HD_CUDA(cudaMemcpy(packed, a->on_y, count_of(a) * sizeof(float), cudaMemcpyDeviceToHost));
  for (long head = 0; head < a->heads; head++)
    for (long t = 0; t < a->n; t++)
      for (long i = 0; i < WIDTH; i++)
        a->y[(head * a->n + t) * WIDTH + i] = packed[(t * a->heads + head) * WIDTH + i];
  free(packed);
}

void release_attention(hd_case *c) {
  attention_case *a = (attention_case *)c->state;
  HD_CUDA(cudaFree(a->on_q));
  HD_CUDA(cudaFree(a->on_k));
  HD_CUDA(cudaFree(a->on_v));
  HD_CUDA(cudaFree(a->on_y));
  HD_CUDA(cudaFree(a->scores));
  HD_CUDA(cudaFree(a->statistics));
  HD_CUDA(cudaFree(a->half_q));
  HD_CUDA(cudaFree(a->half_k));
  HD_CUDA(cudaFree(a->half_v));
  if (a->ops) a->ops->close(a->ops);
  a->ops = NULL;
  a->on_q = a->on_k = a->on_v = a->on_y = a->scores = a->statistics = NULL;
  a->half_q = a->half_k = a->half_v = NULL;
}
