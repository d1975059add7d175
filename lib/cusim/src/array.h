// SPDX-License-Identifier: MIT
// CUDA arrays: rows and slices of elements in device memory. Layers are slices.
#ifndef CUSIM_ARRAY_H
#define CUSIM_ARRAY_H
#include <stdbool.h>

#include "cusim/texture_types.h"

struct cudaArray {
  unsigned char *data;
  struct cudaChannelFormatDesc format;
  struct cudaExtent extent;  // in elements, as asked for: 0 for dimensions that it has not
  unsigned flags;
  size_t element, pitch, slice;  // bytes
};

// One side of a copy of a volume, an array or memory: an array becomes memory, its position bytes. False: it
// is neither or both.
bool sim_array_side(cudaArray_const_t array, struct cudaPitchedPtr *memory, struct cudaPos *position);
size_t sim_element_bytes(struct cudaChannelFormatDesc format);  // 0: no format of CUDA's
#endif
