// SPDX-License-Identifier: MIT
// cuBLAS's levels 1 and 2 and the smaller calls of level 3, for float and double.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cublas_call.h"

static cublasStatus_t finish_product(cublasHandle_t handle, const char *name, int m, int n, int k,
                                     size_t bytes) {
  if (m > 0 && n > 0) {
    const sim_estimate e = sim_observe_gemm(name, m, n, k, (int)bytes, false);
    sim_stream_push(handle->stream, SIM_COMPUTE, e.seconds, 1, name);
  }
  return CUBLAS_STATUS_SUCCESS;
}

// A result: on the device it is memory that the call writes.
static void give(cublasHandle_t handle, unsigned op, void *to, const void *from, size_t bytes) {
  if (handle->pointers == CUBLAS_POINTER_MODE_DEVICE) sim_check_rows(op, to, bytes, bytes, 1, true);
  memcpy(to, from, bytes);
}

// A result on the host is there when the call returns: the host waits for the stream.
static cublasStatus_t finish_result(cublasHandle_t handle, const char *name, double bytes) {
  sim_blas_finish(handle, name, bytes);
  if (handle->pointers == CUBLAS_POINTER_MODE_DEVICE) return CUBLAS_STATUS_SUCCESS;
  return cudaStreamSynchronize(handle->stream) ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}

#define T float
#define NAME(call) cublasS##call
#define INDEX_NAME(call) cublasIs##call
#define GEMM sim_blas_sgemm
#include "cublas_real.h"
#undef T
#undef NAME
#undef INDEX_NAME
#undef GEMM

#define T double
#define NAME(call) cublasD##call
#define INDEX_NAME(call) cublasId##call
#define GEMM sim_blas_dgemm
#include "cublas_real.h"
