// SPDX-License-Identifier: MIT
// cuBLAS's handles, settings, and copies of vectors and matrices.
#include "cublas.h"
#include "handles.h"

#include <stdlib.h>

bool sim_blas_at_once(cudaStream_t stream) {
  if (!sim_stream_known(stream) || sim_capture_forbids(stream)) return false;
  sim_stream_reach(stream);
  return true;
}

cublasStatus_t sim_blas_finish(cublasHandle_t handle, const char *name, double bytes) {
  const sim_card *card = sim_machine_get()->card;
  const double seconds = card->kernel_overhead_s + bytes / (card->dram_bytes_per_s * card->dram_efficiency);
  sim_stream_push(handle->stream, SIM_COMPUTE, seconds, 1, name);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasCreate(cublasHandle_t *handle) {
  if (!handle) return CUBLAS_STATUS_INVALID_VALUE;
  cublasHandle_t made = calloc(1, sizeof *made);
  if (!made || !sim_handle_add(made)) {
    free(made);
    return CUBLAS_STATUS_ALLOC_FAILED;
  }
  *handle = made;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle) {
  if (!sim_handle_remove(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
  free(handle);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetStream(cublasHandle_t handle, cudaStream_t *stream) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  *stream = handle->stream;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  handle->math = mode;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetPointerMode(cublasHandle_t handle, cublasPointerMode_t mode) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  handle->pointers = mode;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void *workspace, size_t bytes) {
  (void)workspace, (void)bytes;  // the CPU's library has its own
  return handle ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
}

cublasStatus_t cublasGetVersion(cublasHandle_t handle, int *version) {
  (void)handle;
  if (!version) return CUBLAS_STATUS_INVALID_VALUE;
  *version = CUBLAS_VERSION;
  return CUBLAS_STATUS_SUCCESS;
}

size_t cublasGetCudartVersion(void) {
  return CUBLAS_VERSION / 10;
}

cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t *mode) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  *mode = handle->math;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetPointerMode(cublasHandle_t handle, cublasPointerMode_t *mode) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  *mode = handle->pointers;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t mode) {
  (void)mode;  // results are the same on every run
  return handle ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
}

static const struct {
  cublasStatus_t status;
  const char *name, *text;
} statuses[] = {
    {CUBLAS_STATUS_SUCCESS, "CUBLAS_STATUS_SUCCESS", "the cuBLAS library completed successfully"},
    {CUBLAS_STATUS_NOT_INITIALIZED, "CUBLAS_STATUS_NOT_INITIALIZED",
     "the cuBLAS library was not initialized"},
    {CUBLAS_STATUS_ALLOC_FAILED, "CUBLAS_STATUS_ALLOC_FAILED", "the resource allocation failed"},
    {CUBLAS_STATUS_INVALID_VALUE, "CUBLAS_STATUS_INVALID_VALUE",
     "an invalid value was passed as an argument"},
    {CUBLAS_STATUS_ARCH_MISMATCH, "CUBLAS_STATUS_ARCH_MISMATCH", "the device lacks a feature that is needed"},
    {CUBLAS_STATUS_MAPPING_ERROR, "CUBLAS_STATUS_MAPPING_ERROR", "an access to device memory failed"},
    {CUBLAS_STATUS_EXECUTION_FAILED, "CUBLAS_STATUS_EXECUTION_FAILED", "the GPU program failed to execute"},
    {CUBLAS_STATUS_INTERNAL_ERROR, "CUBLAS_STATUS_INTERNAL_ERROR", "an internal operation failed"},
    {CUBLAS_STATUS_NOT_SUPPORTED, "CUBLAS_STATUS_NOT_SUPPORTED", "the functionality is not supported"},
    {CUBLAS_STATUS_LICENSE_ERROR, "CUBLAS_STATUS_LICENSE_ERROR", "the license check failed"}};

const char *cublasGetStatusString(cublasStatus_t status) {
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    if (statuses[i].status == status) return statuses[i].text;
  return "unknown status";
}

const char *cublasGetStatusName(cublasStatus_t status) {
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    if (statuses[i].status == status) return statuses[i].name;
  return "unknown status";
}

// ---------------------------------------------------------------- copies

static cublasStatus_t copy(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
                           size_t rows, enum cudaMemcpyKind kind) {
  const cudaError_t error = cudaMemcpy2D(to, to_pitch, from, from_pitch, width, rows, kind);
  return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_MAPPING_ERROR;
}

static cublasStatus_t copy_vector(int n, int element, const void *x, int incx, void *y, int incy,
                                  enum cudaMemcpyKind kind) {
  if (n < 0 || element <= 0 || incx <= 0 || incy <= 0) return CUBLAS_STATUS_INVALID_VALUE;
  if (n == 0) return CUBLAS_STATUS_SUCCESS;
  const size_t e = (size_t)element;
  return copy(y, e * (size_t)incy, x, e * (size_t)incx, e, (size_t)n, kind);
}
cublasStatus_t cublasSetVector(int n, int element, const void *x, int incx, void *device, int incy) {
  return copy_vector(n, element, x, incx, device, incy, cudaMemcpyHostToDevice);
}
cublasStatus_t cublasGetVector(int n, int element, const void *device, int incx, void *y, int incy) {
  return copy_vector(n, element, device, incx, y, incy, cudaMemcpyDeviceToHost);
}

static cublasStatus_t copy_matrix(int rows, int columns, int element, const void *a, int lda, void *b,
                                  int ldb, enum cudaMemcpyKind kind) {
  if (rows < 0 || columns < 0 || element <= 0 || lda < rows || ldb < rows) return CUBLAS_STATUS_INVALID_VALUE;
  if (rows == 0 || columns == 0) return CUBLAS_STATUS_SUCCESS;
  const size_t e = (size_t)element;
  return copy(b, e * (size_t)ldb, a, e * (size_t)lda, e * (size_t)rows, (size_t)columns, kind);
}
cublasStatus_t cublasSetMatrix(int rows, int columns, int element, const void *a, int lda, void *device,
                               int ldb) {
  return copy_matrix(rows, columns, element, a, lda, device, ldb, cudaMemcpyHostToDevice);
}
cublasStatus_t cublasGetMatrix(int rows, int columns, int element, const void *device, int lda, void *b,
                               int ldb) {
  return copy_matrix(rows, columns, element, device, lda, b, ldb, cudaMemcpyDeviceToHost);
}

// The same in a stream's order.
static cublasStatus_t copy_async(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
                                 size_t rows, enum cudaMemcpyKind kind, cudaStream_t stream) {
  if (!width || !rows) return CUBLAS_STATUS_SUCCESS;
  const cudaError_t error = cudaMemcpy2DAsync(to, to_pitch, from, from_pitch, width, rows, kind, stream);
  return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_MAPPING_ERROR;
}
static cublasStatus_t copy_vector_async(int n, int element, const void *x, int incx, void *y, int incy,
                                        enum cudaMemcpyKind kind, cudaStream_t stream) {
  if (n < 0 || element <= 0 || incx <= 0 || incy <= 0) return CUBLAS_STATUS_INVALID_VALUE;
  const size_t e = (size_t)element;
  return copy_async(y, e * (size_t)incy, x, e * (size_t)incx, e, (size_t)n, kind, stream);
}
cublasStatus_t cublasSetVectorAsync(int n, int element, const void *x, int incx, void *device, int incy,
                                    cudaStream_t stream) {
  return copy_vector_async(n, element, x, incx, device, incy, cudaMemcpyHostToDevice, stream);
}
cublasStatus_t cublasGetVectorAsync(int n, int element, const void *device, int incx, void *y, int incy,
                                    cudaStream_t stream) {
  return copy_vector_async(n, element, device, incx, y, incy, cudaMemcpyDeviceToHost, stream);
}
static cublasStatus_t copy_matrix_async(int rows, int columns, int element, const void *a, int lda, void *b,
                                        int ldb, enum cudaMemcpyKind kind, cudaStream_t stream) {
  if (rows < 0 || columns < 0 || element <= 0 || lda < rows || ldb < rows) return CUBLAS_STATUS_INVALID_VALUE;
  const size_t e = (size_t)element;
  return copy_async(b, e * (size_t)ldb, a, e * (size_t)lda, e * (size_t)rows, (size_t)columns, kind, stream);
}
cublasStatus_t cublasSetMatrixAsync(int rows, int columns, int element, const void *a, int lda, void *device,
                                    int ldb, cudaStream_t stream) {
  return copy_matrix_async(rows, columns, element, a, lda, device, ldb, cudaMemcpyHostToDevice, stream);
}
cublasStatus_t cublasGetMatrixAsync(int rows, int columns, int element, const void *device, int lda, void *b,
                                    int ldb, cudaStream_t stream) {
  return copy_matrix_async(rows, columns, element, device, lda, b, ldb, cudaMemcpyDeviceToHost, stream);
}
