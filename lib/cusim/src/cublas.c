// SPDX-License-Identifier: MIT
// cuBLAS's matrix products on whichever CBLAS was found, loaded at run time; a plain loop where there is
// none. Times come from the card's measured library fraction, not from the CPU.
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

#include "cublas_v2.h"
#include "check.h"
#include "exec.h"
#include "stream.h"

struct cublasContext {
  cudaStream_t stream;
  cublasMath_t math;
};

typedef void cblas_sgemm_t(int order, int transa, int transb, int m, int n, int k, float alpha,
                           const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);
enum { COLUMN_MAJOR = 102, NO_TRANSPOSE = 111, TRANSPOSE = 112 };

static cblas_sgemm_t *library_sgemm;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) {
  static const char *const files[] = {
#if HD_HAVE_OPENBLAS
    HD_OPENBLAS_PATH,
#endif
#if HD_HAVE_BLIS
    HD_BLIS_PATH,
#endif
    NULL
  };
  for (int i = 0; files[i] && !library_sgemm; i++) {
    void *library = dlopen(files[i], RTLD_NOW | RTLD_LOCAL);
    if (library) library_sgemm = (cblas_sgemm_t *)(uintptr_t)dlsym(library, "cblas_sgemm");
  }
}

static void plain_sgemm(bool ta, bool tb, int m, int n, int k, float alpha, const float *a, int lda,
                        const float *b, int ldb, float beta, float *c, int ldc) {
#pragma omp parallel for
  for (int j = 0; j < n; j++) {
    float *column = c + (size_t)j * ldc;
    for (int i = 0; i < m; i++) column[i] = beta == 0 ? 0 : beta * column[i];
    for (int p = 0; p < k; p++) {
      const float x = alpha * (tb ? b[j + (size_t)p * ldb] : b[p + (size_t)j * ldb]);
      for (int i = 0; i < m; i++) column[i] += x * (ta ? a[p + (size_t)i * lda] : a[i + (size_t)p * lda]);
    }
  }
}

cublasStatus_t cublasCreate(cublasHandle_t *handle) {
  if (!handle) return CUBLAS_STATUS_INVALID_VALUE;
  pthread_once(&once, load);
  *handle = calloc(1, sizeof **handle);
  return *handle ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_ALLOC_FAILED;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
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
  (void)mode;  // host and device pointers are read alike here
  return handle ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void *workspace, size_t bytes) {
  (void)workspace, (void)bytes;  // the CPU's library has its own
  return handle ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
}

const char *cublasGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "the cuBLAS library completed successfully";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "the cuBLAS library was not initialized";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "the resource allocation failed";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "an invalid value was passed as an argument";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "the GPU program failed to execute";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "the functionality is not supported";
  }
  return "unknown status";
}

static bool on_device(const void *p) {
  sim_allocation a;
  return sim_memory_find(p, &a);
}

static int largest(int a, int b) {
  return a > b ? a : b;
}

cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t transa,
                                         cublasOperation_t transb, int m, int n, int k, const float *alpha,
                                         const float *a, int lda, long long stridea, const float *b, int ldb,
                                         long long strideb, const float *beta, float *c, int ldc,
                                         long long stridec, int batch) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  const bool ta = transa != CUBLAS_OP_N, tb = transb != CUBLAS_OP_N;
  if (m < 0 || n < 0 || k < 0 || batch < 0 || !alpha || !beta) return CUBLAS_STATUS_INVALID_VALUE;
  if (lda < largest(1, ta ? k : m) || ldb < largest(1, tb ? n : k) || ldc < largest(1, m))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (m == 0 || n == 0 || batch == 0) return CUBLAS_STATUS_SUCCESS;
  if (!on_device(c) || (k > 0 && (!on_device(a) || !on_device(b)))) return CUBLAS_STATUS_EXECUTION_FAILED;
  const sim_check_stream checked = sim_stream_checked(handle->stream);
  const unsigned op = sim_check_op_begin(&checked, "cublasSgemm", false);
  for (int i = 0; i < batch && !sim_only_sampled(); i++) {
    const float *ai = a + i * stridea, *bi = b + i * strideb;
    float *ci = c + i * stridec;
    const size_t word = sizeof *a;
    sim_check_rows(op, ai, word * (size_t)(ta ? k : m), word * (size_t)lda, (size_t)(ta ? m : k), false);
    sim_check_rows(op, bi, word * (size_t)(tb ? n : k), word * (size_t)ldb, (size_t)(tb ? k : n), false);
    sim_check_rows(op, ci, word * (size_t)m, word * (size_t)ldc, (size_t)n, true);
    if (library_sgemm)
      library_sgemm(COLUMN_MAJOR, ta ? TRANSPOSE : NO_TRANSPOSE, tb ? TRANSPOSE : NO_TRANSPOSE, m, n, k,
                    *alpha, ai, lda, bi, ldb, *beta, ci, ldc);
    else
      plain_sgemm(ta, tb, m, n, k, *alpha, ai, lda, bi, ldb, *beta, ci, ldc);
  }
  sim_check_op_end(op);
  const bool tensor = handle->math == CUBLAS_TF32_TENSOR_OP_MATH;
  const sim_estimate e = sim_observe_gemm("cublasSgemm", m, (int64_t)n * batch, k, 4, tensor);
  sim_stream_push(handle->stream, SIM_COMPUTE, e.seconds, 1, "cublasSgemm");
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSgemm(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m,
                           int n, int k, const float *alpha, const float *a, int lda, const float *b, int ldb,
                           const float *beta, float *c, int ldc) {
  return cublasSgemmStridedBatched(handle, transa, transb, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc,
                                   0, 1);
}
