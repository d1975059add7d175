// SPDX-License-Identifier: MIT
// Inside cuBLAS: the handle, and what every call does around its work.
#ifndef CUSIM_CUBLAS_H
#define CUSIM_CUBLAS_H
#include "check.h"
#include "cublas_v2.h"
#include "exec.h"
#include "graph.h"
#include "stream.h"

struct cublasContext {
  cudaStream_t stream;
  cublasMath_t math;
  cublasPointerMode_t pointers;
};

// Matrices are column-major here: what cblas.h calls these.
enum { COLUMN_MAJOR = 102, NO_TRANSPOSE = 111, TRANSPOSE = 112 };

static inline int sim_blas_largest(int a, int b) {
  return a > b ? a : b;
}

// May a kernel touch it?
static inline bool sim_blas_on_device(const void *p) {
  sim_allocation a;
  return sim_memory_find(p, &a);
}

// Calls that do their work at once, behind what their stream holds, begin with this; false: the stream is
// none, or records a graph, of which such a call cannot be a node. (cublas.c)
bool sim_blas_at_once(cudaStream_t stream);

// They end as a kernel that moves these bytes through memory. (cublas.c)
cublasStatus_t sim_blas_finish(cublasHandle_t handle, const char *name, double bytes);

// One element of a matrix of that type, and its bytes; 0: of no type that cusim has. (cublas_gemm.c)
size_t sim_blas_bytes(cudaDataType type);
double sim_blas_get(cudaDataType type, const void *base, size_t i);
void sim_blas_put(cudaDataType type, void *base, size_t i, double x);

// c = alpha * op(a) * op(b) + beta * c, on the BLAS that was found or by plain loops. (cublas_gemm.c)
void sim_blas_sgemm(bool ta, bool tb, int m, int n, int k, float alpha, const float *a, int lda,
                    const float *b, int ldb, float beta, float *c, int ldc);
void sim_blas_dgemm(bool ta, bool tb, int m, int n, int k, double alpha, const double *a, int lda,
                    const double *b, int ldb, double beta, double *c, int ldc);
#endif
