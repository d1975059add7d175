// SPDX-License-Identifier: MIT
// The library beside our own: CUB's sum, a two-launch reduction tuned per card, and its scan, a decoupled
// look-back, too. In a file of their own, because they take seconds to compile.
#include <heddle/device.h>

#include <cub/device/device_reduce.cuh>
#include <cub/device/device_scan.cuh>

#include "scan.h"
#include "sum.h"

size_t sum_cub_storage(size_t n) {
  size_t bytes = 0;
  const float *in = NULL;
  float *out = NULL;
  HD_CUDA(cub::DeviceReduce::Sum(NULL, bytes, in, out, (long long)n));
  return bytes;
}

size_t scan_cub_storage(size_t n) {
  size_t bytes = 0;
  const int *in = NULL;
  int *out = NULL;
  HD_CUDA(cub::DeviceScan::InclusiveSum(NULL, bytes, in, out, (long long)n));
  return bytes;
}

void run_sum_cub(hd_case *c) {
  const sum_case *s = (const sum_case *)c->state;
  size_t bytes = s->storage_bytes;
  const float *in = s->device_x;
  HD_CUDA(cub::DeviceReduce::Sum(s->storage, bytes, in, s->device_sum, (long long)c->size));
}

void run_scan_cub(hd_case *c) {
  const scan_case *s = (const scan_case *)c->state;
  size_t bytes = s->storage_bytes;
  const int *in = s->device_k;
  HD_CUDA(cub::DeviceScan::InclusiveSum(s->storage, bytes, in, s->device_y, (long long)c->size));
}
