// SPDX-License-Identifier: MIT
// The yardstick in each format; fp32 is lesson 12's.
#include <cublas_v2.h>

#include "heddle/device.h"
#include "heddle/error.h"
#include "tensor.h"

static cublasHandle_t library(void) {
  static cublasHandle_t handle;
  if (!handle && cublasCreate(&handle) != CUBLAS_STATUS_SUCCESS)
    hd_fail(HD_EXIT_FAILURE, "cublasCreate failed: cuBLAS cannot use this GPU");
  return handle;
}

static void check(cublasStatus_t status, const char *call, int n) {
  if (status != CUBLAS_STATUS_SUCCESS)
    hd_fail(HD_EXIT_FAILURE, "%s failed with status %d at n = %d", call, (int)status, n);
}

// cuBLAS counts by columns: it sees our A by rows as Aᵀ and our C as Cᵀ = Bᵀ · Aᵀ. Our B lies by columns
// already, so it asks for Bᵀ as the transpose of what lies there, and for Aᵀ as it lies.
void run_library(hd_case *c) {
  const tensor_case *m = (const tensor_case *)c->state;
  const int n = (int)c->size, side = m->side;
  if (n == 0) return;
  const float one = 1, zero = 0;
  const bool tf32 = m->format == HD_TF32;
  const cudaDataType type = tf32 ? CUDA_R_32F : m->format == HD_BF16 ? CUDA_R_16BF : CUDA_R_16F;
  check(cublasGemmEx(library(), CUBLAS_OP_T, CUBLAS_OP_N, n, n, n, &one, m->b, type, side, m->a, type, side,
                     &zero, m->c, CUDA_R_32F, side, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F,
                     CUBLAS_GEMM_DEFAULT),
        "cublasGemmEx", n);
}

// What goes wrong: a switch somewhere else in the program, and a product in "single precision" has 11 bits.
void run_silent_tf32(hd_case *c) {
  const gemm_case *m = (const gemm_case *)c->state;
  const int n = (int)c->size;
  if (n == 0) return;
  const float one = 1, zero = 0;
  check(cublasSetMathMode(library(), CUBLAS_TF32_TENSOR_OP_MATH), "cublasSetMathMode", n);
  check(cublasSgemm(library(), CUBLAS_OP_N, CUBLAS_OP_N, n, n, n, &one, m->device_b, n, m->device_a, n, &zero,
                    m->device_c, n),
        "cublasSgemm", n);
  check(cublasSetMathMode(library(), CUBLAS_DEFAULT_MATH), "cublasSetMathMode", n);
}
