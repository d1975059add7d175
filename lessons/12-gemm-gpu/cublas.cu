// SPDX-License-Identifier: MIT
// The yardstick: the vendor's library, in true single precision.
#include <cublas_v2.h>

#include "gemm_gpu.h"
#include "heddle/device.h"
#include "heddle/error.h"

// Made once and kept: the first call pays for loading the library's kernels and is never a timed one.
static cublasHandle_t library(void) {
  static cublasHandle_t handle;
  if (!handle && cublasCreate(&handle) != CUBLAS_STATUS_SUCCESS)
    hd_fail(HD_EXIT_FAILURE, "cublasCreate failed: cuBLAS cannot use this GPU");
  return handle;
}

// cuBLAS stores matrices by columns, so it sees our row-major A, B, C as their transposes. Cᵀ = Bᵀ · Aᵀ:
// exchange A and B, and no matrix has to be transposed. Its default mode keeps all 24 bits (no TF32).
void run_cublas(hd_case *c) {
  const gemm_case *m = (const gemm_case *)c->state;
  const int n = (int)c->size;
  if (n == 0) return;
  const float one = 1, zero = 0;
  const cublasStatus_t status = cublasSgemm(library(), CUBLAS_OP_N, CUBLAS_OP_N, n, n, n, &one, m->device_b,
                                            n, m->device_a, n, &zero, m->device_c, n);
  if (status != CUBLAS_STATUS_SUCCESS)
    hd_fail(HD_EXIT_FAILURE, "cublasSgemm failed with status %d at n = %d", (int)status, n);
}
