// SPDX-License-Identifier: MIT
// Windows over images on a GPU: one thread per value written, so nothing is ever added to by two threads.
// Neighbouring threads handle neighbouring channels, then neighbouring pixels.
#include <heddle/device.h>

#include "parts.h"

enum { BLOCK = 256, MOST_BLOCKS = 2048 };

static int blocks_for(long n) {
  const long blocks = (n + BLOCK - 1) / BLOCK;
  return blocks < MOST_BLOCKS ? (int)blocks : MOST_BLOCKS;
}

static cudaStream_t stream_of(hd_ops *o) {
  return (cudaStream_t)o->stream;
}

__global__ static void unfold_kernel(const float *x, float *columns, long count, long down, long across,
                                     hd_windows w) {
  for (long i = blockIdx.x * (long)BLOCK + threadIdx.x; i < count; i += (long)gridDim.x * BLOCK) {
    const long c = i % w.channels, cell = i / w.channels % ((long)w.size * w.size);
    const long window = i / w.channels / ((long)w.size * w.size);
    const long row = window / across % down * w.stride - w.padding + cell / w.size;
    const long column = window % across * w.stride - w.padding + cell % w.size;
    const bool inside = row >= 0 && row < w.height && column >= 0 && column < w.width;
    const long image = window / across / down;
    columns[i] = inside ? x[((image * w.height + row) * w.width + column) * w.channels + c] : 0;
  }
}

// The windows that hold coordinate p of one direction: w·stride - padding + offset = p, 0 ≤ offset < size.
__device__ static long first_window(long p, hd_windows w) {
  const long past = p + w.padding - w.size;
  return past < 0 ? 0 : past / w.stride + 1;
}
__device__ static long last_window(long p, hd_windows w, long windows) {
  const long last = (p + w.padding) / w.stride;
  return last < windows ? last : windows - 1;
}

__global__ static void fold_kernel(const float *columns, float *x, long count, long down, long across,
                                   hd_windows w) {
  for (long i = blockIdx.x * (long)BLOCK + threadIdx.x; i < count; i += (long)gridDim.x * BLOCK) {
    const long c = i % w.channels, pixel = i / w.channels;
    const long column = pixel % w.width, row = pixel / w.width % w.height, image = pixel / w.width / w.height;
    float sum = 0;
    for (long d = first_window(row, w); d <= last_window(row, w, down); d++)
      for (long a = first_window(column, w); a <= last_window(column, w, across); a++) {
        const long cell = (row + w.padding - d * w.stride) * w.size + column + w.padding - a * w.stride;
        const long window = (image * down + d) * across + a;
        sum += columns[(window * w.size * w.size + cell) * w.channels + c];
      }
    x[i] = sum;
  }
}

__global__ static void max_pool_kernel(const float *x, float *y, int32_t *chosen, long count, long down,
                                       long across, hd_windows w) {
  for (long i = blockIdx.x * (long)BLOCK + threadIdx.x; i < count; i += (long)gridDim.x * BLOCK) {
    const long c = i % w.channels, window = i / w.channels, image = window / across / down;
    const long top = window / across % down * w.stride - w.padding,
               left = window % across * w.stride - w.padding;
    float best = 0;
    int32_t place = -1;
    for (int cell = 0; cell < w.size * w.size; cell++) {
      const long row = top + cell / w.size, column = left + cell % w.size;
      if (row < 0 || row >= w.height || column < 0 || column >= w.width) continue;
      const float value = x[((image * w.height + row) * w.width + column) * w.channels + c];
      if (place < 0 || value > best) {
        best = value;
        place = cell;
      }
    }
    y[i] = best;
    chosen[i] = place;
  }
}

__global__ static void max_pool_backward_kernel(const float *dy, const int32_t *chosen, float *d_x,
                                                long count, long down, long across, hd_windows w) {
  for (long i = blockIdx.x * (long)BLOCK + threadIdx.x; i < count; i += (long)gridDim.x * BLOCK) {
    const long c = i % w.channels, pixel = i / w.channels;
    const long column = pixel % w.width, row = pixel / w.width % w.height, image = pixel / w.width / w.height;
    float sum = 0;
    for (long d = first_window(row, w); d <= last_window(row, w, down); d++)
      for (long a = first_window(column, w); a <= last_window(column, w, across); a++) {
        const long cell = (row + w.padding - d * w.stride) * w.size + column + w.padding - a * w.stride;
        const long window = ((image * down + d) * across + a) * w.channels + c;
        if (chosen[window] == cell) sum += dy[window];
      }
    d_x[i] = sum;
  }
}

static void cuda_unfold(hd_ops *o, const float *x, float *columns, long images, hd_windows w) {
  const long down = hd_windows_down(w), across = hd_windows_across(w);
  const long count = images * down * across * w.size * w.size * w.channels;
  if (count == 0) return;
  unfold_kernel<<<blocks_for(count), BLOCK, 0, stream_of(o)>>>(x, columns, count, down, across, w);
  HD_LAUNCHED();
}

static void cuda_fold(hd_ops *o, const float *columns, float *x, long images, hd_windows w) {
  const long count = images * w.height * w.width * w.channels;
  if (count == 0) return;
  fold_kernel<<<blocks_for(count), BLOCK, 0, stream_of(o)>>>(columns, x, count, hd_windows_down(w),
                                                             hd_windows_across(w), w);
  HD_LAUNCHED();
}

static void cuda_max_pool(hd_ops *o, const float *x, float *y, int32_t *chosen, long images, hd_windows w) {
  const long down = hd_windows_down(w), across = hd_windows_across(w);
  const long count = images * down * across * w.channels;
  if (count == 0) return;
  max_pool_kernel<<<blocks_for(count), BLOCK, 0, stream_of(o)>>>(x, y, chosen, count, down, across, w);
  HD_LAUNCHED();
}

static void cuda_max_pool_backward(hd_ops *o, const float *dy, const int32_t *chosen, float *d_x, long images,
                                   hd_windows w) {
  const long count = images * w.height * w.width * w.channels;
  if (count == 0) return;
  max_pool_backward_kernel<<<blocks_for(count), BLOCK, 0, stream_of(o)>>>(
      dy, chosen, d_x, count, hd_windows_down(w), hd_windows_across(w), w);
  HD_LAUNCHED();
}

void hd_cuda_image_operations(hd_ops *o) {
  o->unfold = cuda_unfold;
  o->fold = cuda_fold;
  o->convolve = NULL;
  o->convolve_images = NULL;
  o->convolve_filters = NULL;
  o->max_pool = cuda_max_pool;
  o->max_pool_backward = cuda_max_pool_backward;
}
