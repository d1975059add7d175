// SPDX-License-Identifier: MIT
// The GPU has memory of its own, and the CPU's vectors are not in it: copy them there, launch, copy the
// result back.
#include <string.h>

#include "heddle/device.h"
#include "saxpy.h"

static size_t bytes_of(const hd_case *c) {
  return (size_t)c->size * sizeof(float);
}

static void allocate(hd_case *c) {
  saxpy_case *s = (saxpy_case *)c->state;
  restore_y(c);
  HD_CUDA(cudaMalloc((void **)&s->device_x, bytes_of(c)));
  HD_CUDA(cudaMalloc((void **)&s->device_y, bytes_of(c)));
}

static void release(hd_case *c) {
  saxpy_case *s = (saxpy_case *)c->state;
  HD_CUDA(cudaFree(s->device_x));
  HD_CUDA(cudaFree(s->device_y));
}

// x and y there, y back: 12 bytes over the link for each element, for two operations.
static void there_and_back(const hd_case *c, const float *x, float *y) {
  const saxpy_case *s = (const saxpy_case *)c->state;
  HD_CUDA(cudaMemcpy(s->device_x, x, bytes_of(c), cudaMemcpyHostToDevice));
  HD_CUDA(cudaMemcpy(s->device_y, y, bytes_of(c), cudaMemcpyHostToDevice));
  launch_saxpy(c->size, SAXPY_A, s->device_x, s->device_y);
  HD_CUDA(
      cudaMemcpy(y, s->device_y, bytes_of(c), cudaMemcpyDeviceToHost));  // waits for the kernel, then copies
}

// The vectors as malloc gave them: *pageable*, the operating system may move them at any time, so the GPU's
// copy engine cannot read them. The driver copies piece by piece into a buffer of its own, and from there.
//
// Prediction: each byte is moved twice, so about half of what the link can do, and far slower than the CPU
// alone.
void run_pageable(hd_case *c) {
  const saxpy_case *s = (const saxpy_case *)c->state;
  there_and_back(c, s->x, s->y);
}
extern "C" const hd_place by_copies = {allocate, NULL, release};

// ---------------------------------------------------------------- pinned

static void allocate_pinned(hd_case *c) {
  saxpy_case *s = (saxpy_case *)c->state;
  allocate(c);
  HD_CUDA(cudaMallocHost((void **)&s->shared_x, bytes_of(c)));
  HD_CUDA(cudaMallocHost((void **)&s->shared_y, bytes_of(c)));
  if (c->size == 0) return;
  memcpy(s->shared_x, s->x, bytes_of(c));
  memcpy(s->shared_y, s->y0, bytes_of(c));
}

static void collect_pinned(hd_case *c) {
  const saxpy_case *s = (const saxpy_case *)c->state;
  if (c->size > 0) memcpy(s->y, s->shared_y, bytes_of(c));
}

static void release_pinned(hd_case *c) {
  saxpy_case *s = (saxpy_case *)c->state;
  HD_CUDA(cudaFreeHost(s->shared_x));
  HD_CUDA(cudaFreeHost(s->shared_y));
  release(c);
}

// Idea: ask for memory that stays where it is (cudaMallocHost): *pinned*. Now the copy engine reads it by
// itself.
//
// Prediction: the link's full speed, 12n / B plus three times α. Still slower than the CPU where its memory
// is faster than the link. Pinning costs time and takes memory from everybody else: once, for buffers that
// are used again.
void run_pinned(hd_case *c) {
  const saxpy_case *s = (const saxpy_case *)c->state;
  there_and_back(c, s->shared_x, s->shared_y);
}
extern "C" const hd_place by_pinned_copies = {allocate_pinned, collect_pinned, release_pinned};
