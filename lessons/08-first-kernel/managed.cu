// SPDX-License-Identifier: MIT
// One address for both: managed memory. Pages move to who touches them.
#include <string.h>

#include "heddle/device.h"
#include "saxpy.h"

static size_t bytes_of(const hd_case *c) {
  return (size_t)c->size * sizeof(float);
}

// Asks for the pages to move, in the default stream's order. CUDA 13 says by a structure where to.
static void move_pages(float *p, size_t bytes, bool to_host) {
  int device = 0;
  HD_CUDA(cudaGetDevice(&device));
#if CUDART_VERSION >= 13000
  cudaMemLocation where;
  where.type = to_host ? cudaMemLocationTypeHost : cudaMemLocationTypeDevice;
  where.id = to_host ? 0 : device;
  HD_CUDA(cudaMemPrefetchAsync(p, bytes, where, 0, 0));
#else
  HD_CUDA(cudaMemPrefetchAsync(p, bytes, to_host ? cudaCpuDeviceId : device, 0));
#endif
}

static void allocate(hd_case *c) {
  saxpy_case *s = (saxpy_case *)c->state;
  restore_y(c);
  s->shared_x = s->shared_y = NULL;
  if (c->size == 0) return;
  HD_CUDA(cudaMallocManaged((void **)&s->shared_x, bytes_of(c), cudaMemAttachGlobal));
  HD_CUDA(cudaMallocManaged((void **)&s->shared_y, bytes_of(c), cudaMemAttachGlobal));
  memcpy(s->shared_x, s->x, bytes_of(c));
  memcpy(s->shared_y, s->y0, bytes_of(c));
}

static void collect(hd_case *c) {
  const saxpy_case *s = (const saxpy_case *)c->state;
  if (c->size == 0) return;
  HD_CUDA(cudaDeviceSynchronize());
  memcpy(s->y, s->shared_y, bytes_of(c));
}

static void release(hd_case *c) {
  saxpy_case *s = (saxpy_case *)c->state;
  HD_CUDA(cudaFree(s->shared_x));
  HD_CUDA(cudaFree(s->shared_y));
}

// In front of each timed run: the vectors are the host's again, as at the beginning.
void return_pages(hd_case *c) {
  const saxpy_case *s = (const saxpy_case *)c->state;
  if (c->size == 0) return;
  move_pages(s->shared_x, bytes_of(c), true);
  move_pages(s->shared_y, bytes_of(c), true);
  HD_CUDA(cudaDeviceSynchronize());
}

// The host looks at one word of each page of y, as it would when it goes on to use the result.
static float touch(const hd_case *c) {
  enum { STEP = 4096 / sizeof(float) };
  const saxpy_case *s = (const saxpy_case *)c->state;
  float sum = 0;
  for (long i = 0; i < c->size; i += STEP) sum += ((const volatile float *)s->shared_y)[i];
  return sum;
}

// Idea: no copies, no second pointer: the pages of x and y are on the host, and when a thread of the kernel
// touches one, the GPU faults, the driver moves it and the thread goes on.
//
// Prediction: the same bytes move, at about half the link's speed: the faults are handled by the CPU, in
// batches, and in the meantime the link is idle. What was moved stays: a second kernel finds it there.
void run_managed(hd_case *c) {
  const saxpy_case *s = (const saxpy_case *)c->state;
  launch_saxpy(c->size, SAXPY_A, s->shared_x, s->shared_y);
  HD_CUDA(cudaDeviceSynchronize());  // before that the host must not look at y
  touch(c);
}

// Idea: say in advance what will be needed where.
//
// Prediction: pinned copies' speed: the driver moves large pieces, nobody faults.
void run_prefetch(hd_case *c) {
  const saxpy_case *s = (const saxpy_case *)c->state;
  if (c->size == 0) return;
  move_pages(s->shared_x, bytes_of(c), false);
  move_pages(s->shared_y, bytes_of(c), false);
  launch_saxpy(c->size, SAXPY_A, s->shared_x, s->shared_y);
  move_pages(s->shared_y, bytes_of(c), true);
  HD_CUDA(cudaDeviceSynchronize());
}
extern "C" const hd_place in_managed = {allocate, collect, release};

// ---------------------------------------------------------------- what goes wrong

static void already_there(hd_case *c) {
  (void)c;
}

// A launch returns at once. Who reads y without waiting reads what was there before, or a mixture.
void run_no_wait(hd_case *c) {
  const saxpy_case *s = (const saxpy_case *)c->state;
  launch_saxpy(c->size, SAXPY_A, s->shared_x, s->shared_y);
  const volatile float *result = s->shared_y;
  for (long i = 0; i < c->size; i++) s->y[i] = result[i];
}
extern "C" const hd_place in_managed_once = {allocate, already_there, release};
