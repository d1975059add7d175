// SPDX-License-Identifier: MIT
// The vectors are on the GPU already, because something else has put them there or will need them next.
#include "heddle/device.h"
#include "saxpy.h"

static size_t bytes_of(const hd_case *c) {
  return (size_t)c->size * sizeof(float);
}

static void upload(hd_case *c) {
  saxpy_case *s = (saxpy_case *)c->state;
  restore_y(c);
  HD_CUDA(cudaMalloc((void **)&s->device_x, bytes_of(c)));
  HD_CUDA(cudaMalloc((void **)&s->device_y, bytes_of(c)));
  HD_CUDA(cudaMemcpy(s->device_x, s->x, bytes_of(c), cudaMemcpyHostToDevice));
  HD_CUDA(cudaMemcpy(s->device_y, s->y0, bytes_of(c), cudaMemcpyHostToDevice));
}

static void download(hd_case *c) {
  const saxpy_case *s = (const saxpy_case *)c->state;
  HD_CUDA(cudaMemcpy(s->y, s->device_y, bytes_of(c), cudaMemcpyDeviceToHost));
}

static void release(hd_case *c) {
  saxpy_case *s = (saxpy_case *)c->state;
  HD_CUDA(cudaFree(s->device_x));
  HD_CUDA(cudaFree(s->device_y));
}

// Idea: nothing moves but what the kernel itself reads and writes.
//
// Prediction: the GPU's own memory, 12n bytes at about 90 % of its nominal rate: ten and more times any CPU.
// For short vectors the launch, a few µs, whatever n is.
void run_resident(hd_case *c) {
  const saxpy_case *s = (const saxpy_case *)c->state;
  launch_saxpy(c->size, SAXPY_A, s->device_x, s->device_y);
}

// Four elements a thread, two loads and a store of 16 bytes. cudaMalloc's addresses are multiples of 256; the
// elements behind the last four go one by one.
static __global__ void saxpy_by_four(long n, float a, const float *x, float *y) {
  const long i = (long)blockIdx.x * blockDim.x + threadIdx.x, first = 4 * i;
  if (first + 3 < n) {
    const float4 u = ((const float4 *)x)[i];
    float4 v = ((const float4 *)y)[i];
    v.x = a * u.x + v.x;
    v.y = a * u.y + v.y;
    v.z = a * u.z + v.z;
    v.w = a * u.w + v.w;
    ((float4 *)y)[i] = v;
  } else {
    for (long k = first; k < n; k++) y[k] = a * x[k] + y[k];
  }
}

// Idea: 16 bytes per access: a quarter of the threads have the same bytes under way.
//
// Prediction: the same bytes, so the same roof; a few per cent nearer to it, as fewer instructions ask for
// them.
void run_vectorized(hd_case *c) {
  const saxpy_case *s = (const saxpy_case *)c->state;
  const long threads = 256, each = 4 * threads, blocks = c->size > 0 ? (c->size + each - 1) / each : 1;
  saxpy_by_four<<<(unsigned)blocks, (unsigned)threads>>>(c->size, SAXPY_A, s->device_x, s->device_y);
  HD_LAUNCHED();
}
extern "C" const hd_place on_gpu = {upload, download, release};

// ---------------------------------------------------------------- what goes wrong

static __global__ void saxpy_in_one_block(int n, float a, const float *x, float *y) {
  const int i = (int)threadIdx.x;
  if (i < n) y[i] = a * x[i] + y[i];
}

// "A thread per element, so n threads": a block has at most 1024. The launch is refused, the kernel never
// runs, and as nobody asks cudaGetLastError(), the program goes on with what was in y before.
void run_unasked(hd_case *c) {
  const saxpy_case *s = (const saxpy_case *)c->state;
  saxpy_in_one_block<<<1, (unsigned)(c->size < 2048 ? 2048 : c->size)>>>((int)c->size, SAXPY_A, s->device_x,
                                                                         s->device_y);
}

// The mistake must not be found by the next rung, which does ask.
static void download_and_forget(hd_case *c) {
  download(c);
  cudaGetLastError();
}
extern "C" const hd_place on_gpu_unasked = {upload, download_and_forget, release};
