// SPDX-License-Identifier: MIT
// The yardstick: the vendor's library on resident vectors.
#include <cublas_v2.h>
#include <limits.h>

#include "heddle/device.h"
#include "heddle/error.h"
#include "saxpy.h"

// Made once and kept: the first call pays for loading the library's kernels and is never a timed one.
static cublasHandle_t library(void) {
  static cublasHandle_t handle;
  if (!handle && cublasCreate(&handle) != CUBLAS_STATUS_SUCCESS)
    hd_fail(HD_EXIT_FAILURE, "cublasCreate failed: cuBLAS cannot use this GPU");
  return handle;
}

void run_cublas(hd_case *c) {
  const saxpy_case *s = (const saxpy_case *)c->state;
  const float a = SAXPY_A;
  const int n = c->size < INT_MAX ? (int)c->size : INT_MAX;
  const cublasStatus_t status = cublasSaxpy(library(), n, &a, s->device_x, 1, s->device_y, 1);
  if (status != CUBLAS_STATUS_SUCCESS)
    hd_fail(HD_EXIT_FAILURE, "cublasSaxpy failed with status %d at n = %d", (int)status, n);
}
