// SPDX-License-Identifier: MIT
// The backends that a test of the communicator goes through: threads, and what is here besides.
#ifndef HEDDLE_TEST_BACKENDS_H
#define HEDDLE_TEST_BACKENDS_H
#include <heddle/comm.h>
#include <heddle/device.h>
#include <stdbool.h>
#include <stdlib.h>

static enum hd_backend backends[3] = {HD_COMM_THREADS};
static size_t backend_count = 1;

// nccl: also that, which wants a GPU for each of eight ranks.
static inline void find_backends(bool nccl) {
#if HD_HAVE_CUDA
  setenv("CUSIM_DEVICES", "8", 0);
  if (hd_device_count() > 0) backends[backend_count++] = HD_COMM_CUDA;
#endif
#if HD_HAVE_CUDA && HD_HAVE_NCCL
  if (nccl && hd_device_count() >= 8) backends[backend_count++] = HD_COMM_NCCL;
#else
  (void)nccl;
#endif
}
#endif
