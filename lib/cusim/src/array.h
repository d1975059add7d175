// SPDX-License-Identifier: MIT
// CUDA arrays: rows and slices of elements in device memory. Layers are slices.
#ifndef CUSIM_ARRAY_H
#define CUSIM_ARRAY_H
#include "cusim/texture_types.h"

struct cudaArray {
  unsigned char *data;
  struct cudaChannelFormatDesc format;
  struct cudaExtent extent;  // in elements, as asked for: 0 for dimensions that it has not
  unsigned flags;
  size_t element, pitch, slice;  // bytes
};

size_t sim_element_bytes(struct cudaChannelFormatDesc format);  // 0: no format of CUDA's
#endif
