// SPDX-License-Identifier: MIT
// The arrays on the GPU; none of this is timed.
#include "heddle/device.h"
#include "scan.h"
#include "sum.h"

static void *upload(const void *from, size_t bytes) {
  void *to = NULL;
  HD_CUDA(cudaMalloc(&to, bytes ? bytes : 1));
  HD_CUDA(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice));
  return to;
}

static void *zeros(size_t bytes) {
  void *to = NULL;
  HD_CUDA(cudaMalloc(&to, bytes));
  HD_CUDA(cudaMemset(to, 0, bytes));
  return to;
}

// The sum is uploaded too: the harness has poisoned it, so a rung that leaves it out is found.
void place_sum(hd_case *c) {
  sum_case *s = (sum_case *)c->state;
  const size_t n = (size_t)c->size;
  s->most_blocks = sum_resident_blocks();
  s->device_x = (float *)upload(s->x, n * sizeof(float));
  s->device_sum = (float *)upload(&s->sum, sizeof(float));
  s->partial[0] = (float *)zeros((sum_blocks(n) + s->most_blocks) * sizeof(float));
  s->partial[1] = (float *)zeros(sum_blocks(sum_blocks(n)) * sizeof(float));
  s->counter = (unsigned *)zeros(sizeof(unsigned));
  s->storage_bytes = sum_cub_storage(n);
  HD_CUDA(cudaMalloc(&s->storage, s->storage_bytes));
}

void collect_sum(hd_case *c) {
  sum_case *s = (sum_case *)c->state;
  HD_CUDA(cudaMemcpy(&s->sum, s->device_sum, sizeof(float), cudaMemcpyDeviceToHost));
}

void release_sum(hd_case *c) {
  sum_case *s = (sum_case *)c->state;
  HD_CUDA(cudaFree(s->device_x));
  HD_CUDA(cudaFree(s->device_sum));
  HD_CUDA(cudaFree(s->partial[0]));
  HD_CUDA(cudaFree(s->partial[1]));
  HD_CUDA(cudaFree(s->counter));
  HD_CUDA(cudaFree(s->storage));
}

// All levels of sums of blocks, of the smallest blocks that a rung has: n / 256 + n / 256² + …, each up to a
// multiple of 4.
static size_t most_totals(size_t n) {
  size_t sum = 0;
  do {
    n = scan_pieces(n, SCAN_FEW);
    sum += n + 3;
  } while (n > 1);
  return sum;
}

void place_scan(hd_case *c) {
  scan_case *s = (scan_case *)c->state;
  const size_t n = (size_t)c->size;
  s->device_k = (int *)upload(s->k, n * sizeof(int));
  s->device_y = (int *)upload(s->y, n * sizeof(int));
  s->totals = (int *)zeros(most_totals(n) * sizeof(int));
  s->state = (unsigned long long *)zeros((scan_pieces(n, SCAN_TILE) + 1) * sizeof(unsigned long long));
  s->storage_bytes = scan_cub_storage(n);
  HD_CUDA(cudaMalloc(&s->storage, s->storage_bytes));
}

void collect_scan(hd_case *c) {
  const scan_case *s = (const scan_case *)c->state;
  HD_CUDA(cudaMemcpy(s->y, s->device_y, (size_t)c->size * sizeof(int), cudaMemcpyDeviceToHost));
}

void release_scan(hd_case *c) {
  const scan_case *s = (const scan_case *)c->state;
  HD_CUDA(cudaFree(s->device_k));
  HD_CUDA(cudaFree(s->device_y));
  HD_CUDA(cudaFree(s->totals));
  HD_CUDA(cudaFree(s->state));
  HD_CUDA(cudaFree(s->storage));
}
