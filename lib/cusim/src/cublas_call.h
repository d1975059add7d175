// SPDX-License-Identifier: MIT
// The frame of cuBLAS's calls that are written once for several types.
#ifndef CUSIM_CUBLAS_CALL_H
#define CUSIM_CUBLAS_CALL_H
#include "cublas.h"

// What every call on elements of a type T does before and after its work.
#define BEGIN(bad)                                                           \
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;                         \
  if (bad) return CUBLAS_STATUS_INVALID_VALUE;                               \
  if (!sim_blas_at_once(handle->stream)) return CUBLAS_STATUS_NOT_SUPPORTED; \
  const sim_check_stream checked = sim_stream_checked(handle->stream);       \
  const unsigned op = sim_check_op_begin(&checked, __func__, false)
#define END(elements)   \
  sim_check_op_end(op); \
  return sim_blas_finish(handle, __func__, (double)(elements) * (double)sizeof(T))
#endif
