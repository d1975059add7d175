// SPDX-License-Identifier: MIT
// Asynchronous copies by single threads.
#ifndef CUSIM_CUDA_PIPELINE_H
#define CUSIM_CUDA_PIPELINE_H
#include "cusim/async.h"

// Copies size - zeros bytes (size is 4, 8 or 16) and fills the rest with zeros.
inline void __pipeline_memcpy_async(void *to, const void *from, std::size_t size, std::size_t zeros = 0) {
  cusim::copy_async(to, from, size, size - zeros);
}
inline void __pipeline_commit() {
  cusim::commit_copies();
}
inline void __pipeline_wait_prior(std::size_t prior) {
  cusim::await_copies((unsigned)prior);
}
#endif
