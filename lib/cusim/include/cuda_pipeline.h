// SPDX-License-Identifier: MIT
// Asynchronous copies by single threads. Copied at once: the model knows no overlap inside a block.
#ifndef CUSIM_CUDA_PIPELINE_H
#define CUSIM_CUDA_PIPELINE_H
#include <cstring>

#include "cuda_runtime.h"

// Copies size - zeros bytes (size is 4, 8 or 16) and fills the rest with zeros.
inline void __pipeline_memcpy_async(void *to, const void *from, std::size_t size, std::size_t zeros = 0) {
  if (zeros == 0 && size == 16)
    *static_cast<int4 *>(to) = *static_cast<const int4 *>(from);
  else if (zeros == 0 && size == 8)
    *static_cast<long long *>(to) = *static_cast<const long long *>(from);
  else if (zeros == 0 && size == 4)
    *static_cast<int *>(to) = *static_cast<const int *>(from);
  else {
    std::memcpy(to, from, size - zeros);
    std::memset(static_cast<char *>(to) + (size - zeros), 0, zeros);
  }
}
inline void __pipeline_commit() {}
inline void __pipeline_wait_prior(std::size_t) {}
#endif
