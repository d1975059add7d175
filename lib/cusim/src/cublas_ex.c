// SPDX-License-Identifier: MIT
// cuBLAS's calls on vectors whose type is an argument. Sums in double; their time is that of moving the
// operands.
#include <math.h>
#include <string.h>

#include "cublas.h"

// A vector of n elements of a type. A negative stride starts at its end, as BLAS has it.
typedef struct vector {
  char *base;
  cudaDataType type;
  int n, stride;
} vector;

static vector of(const void *base, cudaDataType type, int n, int stride) {
  return (vector){(char *)(uintptr_t)base, type, n, stride};
}
static size_t place(const vector *v, int i) {
  const long long from = v->stride < 0 ? (long long)(1 - v->n) * v->stride : 0;
  return (size_t)(from + (long long)i * v->stride);
}
static double get(const vector *v, int i) {
  return sim_blas_get(v->type, v->base, place(v, i));
}
static void put(const vector *v, int i, double x) {
  sim_blas_put(v->type, v->base, place(v, i), x);
}
static void tell(unsigned op, const vector *v, bool write) {
  const size_t bytes = sim_blas_bytes(v->type), step = (size_t)(v->stride < 0 ? -v->stride : v->stride);
  if (v->n > 0 && step) sim_check_rows(op, v->base, bytes, step * bytes, (size_t)v->n, write);
}

// What every call does before and after its work.
static cublasStatus_t begin(cublasHandle_t handle, const vector *x, const vector *y, bool bad) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (bad || x->n < 0) return CUBLAS_STATUS_INVALID_VALUE;
  if (!sim_blas_bytes(x->type) || (y && !sim_blas_bytes(y->type))) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (x->n > 0 && (!sim_blas_on_device(x->base) || (y && !sim_blas_on_device(y->base))))
    return CUBLAS_STATUS_EXECUTION_FAILED;
  return sim_blas_at_once(handle->stream) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}
#define BEGIN(y, bad)                                                  \
  const cublasStatus_t status = begin(handle, &v, y, bad);             \
  if (status) return status;                                           \
  const sim_check_stream checked = sim_stream_checked(handle->stream); \
  const unsigned op = sim_check_op_begin(&checked, __func__, false)

static cublasStatus_t finish(cublasHandle_t handle, unsigned op, const char *name, double bytes) {
  sim_check_op_end(op);
  return sim_blas_finish(handle, name, bytes);
}
static double bytes_of(const vector *v) {
  return (double)v->n * (double)sim_blas_bytes(v->type);
}

// A result on the host is there when the call returns: the host waits for the stream.
static cublasStatus_t finish_result(cublasHandle_t handle, unsigned op, const char *name, double bytes,
                                    void *to, cudaDataType type, double result) {
  const size_t size = sim_blas_bytes(type);
  if (handle->pointers == CUBLAS_POINTER_MODE_DEVICE) sim_check_rows(op, to, size, size, 1, true);
  sim_blas_put(type, to, 0, result);
  finish(handle, op, name, bytes);
  if (handle->pointers == CUBLAS_POINTER_MODE_DEVICE) return CUBLAS_STATUS_SUCCESS;
  return cudaStreamSynchronize(handle->stream) ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDotEx(cublasHandle_t handle, int n, const void *x, cudaDataType xtype, int incx,
                           const void *y, cudaDataType ytype, int incy, void *result, cudaDataType type,
                           cudaDataType sums) {
  const vector v = of(x, xtype, n, incx), w = of(y, ytype, n, incy);
  (void)sums;
  BEGIN(&w, !result || !sim_blas_bytes(type));
  tell(op, &v, false);
  tell(op, &w, false);
  double sum = 0;
  for (int i = 0; i < n; i++) sum += get(&v, i) * get(&w, i);
  return finish_result(handle, op, __func__, bytes_of(&v) + bytes_of(&w), result, type, sum);
}
cublasStatus_t cublasDotcEx(cublasHandle_t handle, int n, const void *x, cudaDataType xtype, int incx,
                            const void *y, cudaDataType ytype, int incy, void *result, cudaDataType type,
                            cudaDataType sums) {
  return cublasDotEx(handle, n, x, xtype, incx, y, ytype, incy, result, type, sums);
}
cublasStatus_t cublasNrm2Ex(cublasHandle_t handle, int n, const void *x, cudaDataType xtype, int incx,
                            void *result, cudaDataType type, cudaDataType sums) {
  const vector v = of(x, xtype, n, incx);
  (void)sums;
  BEGIN(NULL, !result || !sim_blas_bytes(type));
  tell(op, &v, false);
  double most = 0, sum = 0;
  for (int i = 0; i < n && incx > 0; i++) most = fmax(most, fabs(get(&v, i)));
  for (int i = 0; i < n && most > 0; i++) sum += get(&v, i) / most * (get(&v, i) / most);
  return finish_result(handle, op, __func__, bytes_of(&v), result, type, most * sqrt(sum));
}
cublasStatus_t cublasAsumEx(cublasHandle_t handle, int n, const void *x, cudaDataType xtype, int incx,
                            void *result, cudaDataType type, cudaDataType sums) {
  const vector v = of(x, xtype, n, incx);
  (void)sums;
  BEGIN(NULL, !result || !sim_blas_bytes(type));
  tell(op, &v, false);
  double sum = 0;
  for (int i = 0; i < n && incx > 0; i++) sum += fabs(get(&v, i));
  return finish_result(handle, op, __func__, bytes_of(&v), result, type, sum);
}
// Places count from 1; 0 where there is none.
static cublasStatus_t extreme(cublasHandle_t handle, int n, const void *x, cudaDataType xtype, int incx,
                              int *result, double sign, const char *name) {
  const vector v = of(x, xtype, n, incx);
  BEGIN(NULL, !result);
  tell(op, &v, false);
  int best = n > 0 && incx > 0 ? 1 : 0;
  for (int i = 1; i < n && incx > 0; i++)
    if (sign * fabs(get(&v, i)) > sign * fabs(get(&v, best - 1))) best = i + 1;
  return finish_result(handle, op, name, bytes_of(&v), result, CUDA_R_32I, best);
}
cublasStatus_t cublasIamaxEx(cublasHandle_t handle, int n, const void *x, cudaDataType xtype, int incx,
                             int *result) {
  return extreme(handle, n, x, xtype, incx, result, 1, __func__);
}
cublasStatus_t cublasIaminEx(cublasHandle_t handle, int n, const void *x, cudaDataType xtype, int incx,
                             int *result) {
  return extreme(handle, n, x, xtype, incx, result, -1, __func__);
}

cublasStatus_t cublasAxpyEx(cublasHandle_t handle, int n, const void *alpha, cudaDataType alphatype,
                            const void *x, cudaDataType xtype, int incx, void *y, cudaDataType ytype,
                            int incy, cudaDataType sums) {
  const vector v = of(x, xtype, n, incx), w = of(y, ytype, n, incy);
  (void)sums;
  BEGIN(&w, !alpha || !sim_blas_bytes(alphatype));
  tell(op, &v, false);
  tell(op, &w, true);
  const double a = sim_blas_get(alphatype, alpha, 0);
  for (int i = 0; i < n; i++) put(&w, i, a * get(&v, i) + get(&w, i));
  return finish(handle, op, __func__, bytes_of(&v) + 2 * bytes_of(&w));
}
cublasStatus_t cublasScalEx(cublasHandle_t handle, int n, const void *alpha, cudaDataType alphatype, void *x,
                            cudaDataType xtype, int incx, cudaDataType sums) {
  const vector v = of(x, xtype, n, incx);
  (void)sums;
  BEGIN(NULL, !alpha || !sim_blas_bytes(alphatype));
  tell(op, &v, true);
  const double a = sim_blas_get(alphatype, alpha, 0);
  for (int i = 0; i < n && incx > 0; i++) put(&v, i, a * get(&v, i));
  return finish(handle, op, __func__, 2 * bytes_of(&v));
}
cublasStatus_t cublasCopyEx(cublasHandle_t handle, int n, const void *x, cudaDataType xtype, int incx,
                            void *y, cudaDataType ytype, int incy) {
  const vector v = of(x, xtype, n, incx), w = of(y, ytype, n, incy);
  BEGIN(&w, xtype != ytype);
  tell(op, &v, false);
  tell(op, &w, true);
  for (int i = 0; i < n; i++) put(&w, i, get(&v, i));
  return finish(handle, op, __func__, bytes_of(&v) + bytes_of(&w));
}
