// SPDX-License-Identifier: MIT
// CUDA's makers of what describes boxes of memory.
#ifndef CUSIM_DRIVER_FUNCTIONS_H
#define CUSIM_DRIVER_FUNCTIONS_H
#include "driver_types.h"

static inline cudaPitchedPtr make_cudaPitchedPtr(void *pointer, size_t pitch, size_t xsize, size_t ysize) {
  cudaPitchedPtr p;
  p.ptr = pointer;
  p.pitch = pitch;
  p.xsize = xsize;
  p.ysize = ysize;
  return p;
}
static inline cudaPos make_cudaPos(size_t x, size_t y, size_t z) {
  cudaPos p;
  p.x = x;
  p.y = y;
  p.z = z;
  return p;
}
static inline cudaExtent make_cudaExtent(size_t width, size_t height, size_t depth) {
  cudaExtent e;
  e.width = width;
  e.height = height;
  e.depth = depth;
  return e;
}
#endif
