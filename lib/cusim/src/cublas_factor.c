// SPDX-License-Identifier: MIT
// cuBLAS's factorizations, for float and double.
#include <math.h>
#include <stdlib.h>

#include "cublas.h"

// What every call does before and after its work.
#define BEGIN(bad)                                                           \
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;                         \
  if (bad) return CUBLAS_STATUS_INVALID_VALUE;                               \
  if (!sim_blas_at_once(handle->stream)) return CUBLAS_STATUS_NOT_SUPPORTED; \
  const sim_check_stream checked = sim_stream_checked(handle->stream);       \
  const unsigned op = sim_check_op_begin(&checked, __func__, false)
#define END(elements)   \
  sim_check_op_end(op); \
  return finish(handle, __func__, (double)(elements) * (double)sizeof(T))

static cublasStatus_t finish(cublasHandle_t handle, const char *name, double bytes) {
  const sim_card *card = sim_machine_get()->card;
  sim_stream_push(handle->stream, SIM_COMPUTE,
                  card->kernel_overhead_s + bytes / (card->dram_bytes_per_s * card->dram_efficiency), 1,
                  name);
  return CUBLAS_STATUS_SUCCESS;
}

#define T float
#define NAME(call) cublasS##call
#include "cublas_factor.h"
#undef T
#undef NAME

#define T double
#define NAME(call) cublasD##call
#include "cublas_factor.h"
