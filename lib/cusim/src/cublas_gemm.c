// SPDX-License-Identifier: MIT
// cuBLAS's matrix products on whichever CBLAS was found, loaded at run time; plain loops where there is none.
// Times come from the card's measured library fraction, not from the CPU.
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cublas.h"
#include "element.h"

typedef void sgemm_t(int order, int transa, int transb, int m, int n, int k, float alpha, const float *a,
                     int lda, const float *b, int ldb, float beta, float *c, int ldc);
typedef void dgemm_t(int order, int transa, int transb, int m, int n, int k, double alpha, const double *a,
                     int lda, const double *b, int ldb, double beta, double *c, int ldc);
static sgemm_t *library_sgemm;
static dgemm_t *library_dgemm;
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
    if (!library) continue;
    library_sgemm = (sgemm_t *)(uintptr_t)dlsym(library, "cblas_sgemm");
    library_dgemm = (dgemm_t *)(uintptr_t)dlsym(library, "cblas_dgemm");
  }
}

#define PLAIN_GEMM(T, name)                                                                                  \
  static void name(bool ta, bool tb, int m, int n, int k, T alpha, const T *a, int lda, const T *b, int ldb, \
                   T beta, T *c, int ldc) {                                                                  \
    _Pragma("omp parallel for") for (int j = 0; j < n; j++) {                                                \
      T *column = c + (size_t)j * (size_t)ldc;                                                               \
      for (int i = 0; i < m; i++) column[i] = beta == 0 ? 0 : beta * column[i];                              \
      for (int p = 0; p < k; p++) {                                                                          \
        const T x =                                                                                          \
            alpha * (tb ? b[(size_t)j + (size_t)p * (size_t)ldb] : b[(size_t)p + (size_t)j * (size_t)ldb]);  \
        for (int i = 0; i < m; i++)                                                                          \
          column[i] +=                                                                                       \
              x * (ta ? a[(size_t)p + (size_t)i * (size_t)lda] : a[(size_t)i + (size_t)p * (size_t)lda]);    \
      }                                                                                                      \
    }                                                                                                        \
  }
PLAIN_GEMM(float, plain_sgemm)
PLAIN_GEMM(double, plain_dgemm)

void sim_blas_sgemm(bool ta, bool tb, int m, int n, int k, float alpha, const float *a, int lda,
                    const float *b, int ldb, float beta, float *c, int ldc) {
  pthread_once(&once, load);
  if (library_sgemm)
    library_sgemm(COLUMN_MAJOR, ta ? TRANSPOSE : NO_TRANSPOSE, tb ? TRANSPOSE : NO_TRANSPOSE, m, n, k, alpha,
                  a, lda, b, ldb, beta, c, ldc);
  else
    plain_sgemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void sim_blas_dgemm(bool ta, bool tb, int m, int n, int k, double alpha, const double *a, int lda,
                    const double *b, int ldb, double beta, double *c, int ldc) {
  pthread_once(&once, load);
  if (library_dgemm)
    library_dgemm(COLUMN_MAJOR, ta ? TRANSPOSE : NO_TRANSPOSE, tb ? TRANSPOSE : NO_TRANSPOSE, m, n, k, alpha,
                  a, lda, b, ldb, beta, c, ldc);
  else
    plain_dgemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

// ---------------------------------------------------------------- elements of any type

size_t sim_blas_bytes(cudaDataType type) {
  switch (type) {
    case CUDA_R_64F:
      return 8;
    case CUDA_R_32F:
    case CUDA_R_32I:
      return 4;
    case CUDA_R_16F:
    case CUDA_R_16BF:
      return 2;
    case CUDA_R_8I:
    case CUDA_R_8U:
      return 1;
    default:
      return 0;
  }
}

double sim_blas_get(cudaDataType type, const void *base, size_t i) {
  switch (type) {
    case CUDA_R_64F:
      return ((const double *)base)[i];
    case CUDA_R_32F:
      return ((const float *)base)[i];
    case CUDA_R_32I:
      return ((const int *)base)[i];
    case CUDA_R_8I:
      return ((const signed char *)base)[i];
    case CUDA_R_8U:
      return ((const unsigned char *)base)[i];
    case CUDA_R_16F:
      return sim_half_get(((const uint16_t *)base)[i]);
    default:
      return sim_bfloat_get(((const uint16_t *)base)[i]);
  }
}

void sim_blas_put(cudaDataType type, void *base, size_t i, double x) {
  switch (type) {
    case CUDA_R_64F:
      ((double *)base)[i] = x;
      break;
    case CUDA_R_32F:
      ((float *)base)[i] = (float)x;
      break;
    case CUDA_R_32I:
      ((int *)base)[i] = (int)(unsigned)(long long)x;
      break;
    case CUDA_R_8I:
      ((signed char *)base)[i] = (signed char)fmax(-128, fmin(127, nearbyint(x)));
      break;
    case CUDA_R_16F:
      ((uint16_t *)base)[i] = sim_half_put(x);
      break;
    default:
      ((uint16_t *)base)[i] = sim_bfloat_put(x);
  }
}

// ---------------------------------------------------------------- one batch

typedef struct product {
  bool ta, tb;
  int m, n, k;
  const void *alpha, *beta;
  cudaDataType scalar, atype, btype, ctype;
  int lda, ldb, ldc;
  enum { AS_THEY_ARE, TO_TF32, TO_F16, TO_BF16 } rounds;  // fp32 operands, for the tensor cores
} product;

// To nearest; tf32 (11 bits of significand, the exponents of fp32) with ties away from zero, as cvt.rna does.
static double rounded(const product *p, double x) {
  if (p->rounds == TO_F16) return sim_half_get(sim_half_put(x));
  if (p->rounds == TO_BF16) return sim_bfloat_get(sim_bfloat_put(x));
  float value = (float)x;
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7f800000) != 0x7f800000) bits = (bits + 0x1000) & 0xffffe000;
  memcpy(&value, &bits, sizeof value);
  return (double)value;
}

static double *widened(const product *p, cudaDataType type, const void *from, int rows, int columns,
                       int leading) {
  double *to = malloc(sizeof *to * (size_t)sim_blas_largest(1, rows) * (size_t)sim_blas_largest(1, columns));
  for (int j = 0; to && j < columns; j++)
    for (int i = 0; i < rows; i++) {
      const double x = sim_blas_get(type, from, (size_t)i + (size_t)j * (size_t)leading);
      to[(size_t)i + (size_t)j * (size_t)rows] = p->rounds ? rounded(p, x) : x;
    }
  return to;
}

// Small types in double: exact products, and sums better than any order of the device's.
static bool multiply_widened(const product *p, const void *a, const void *b, void *c) {
  const int rows_a = p->ta ? p->k : p->m, rows_b = p->tb ? p->n : p->k;
  double *wide_a = widened(p, p->atype, a, rows_a, p->ta ? p->m : p->k, p->lda);
  double *wide_b = widened(p, p->btype, b, rows_b, p->tb ? p->k : p->n, p->ldb);
  double *wide_c = calloc((size_t)p->m * (size_t)p->n, sizeof *wide_c);
  const bool memory = wide_a && wide_b && wide_c;
  if (memory) {
    const double beta = sim_blas_get(p->scalar, p->beta, 0);
    sim_blas_dgemm(p->ta, p->tb, p->m, p->n, p->k, sim_blas_get(p->scalar, p->alpha, 0), wide_a,
                   sim_blas_largest(1, rows_a), wide_b, sim_blas_largest(1, rows_b), 0, wide_c, p->m);
    for (int j = 0; j < p->n; j++)
      for (int i = 0; i < p->m; i++) {
        const size_t at = (size_t)i + (size_t)j * (size_t)p->ldc;
        const double old = beta == 0 ? 0 : beta * sim_blas_get(p->ctype, c, at);
        sim_blas_put(p->ctype, c, at, wide_c[(size_t)i + (size_t)j * (size_t)p->m] + old);
      }
  }
  free(wide_a);
  free(wide_b);
  free(wide_c);
  return memory;
}

static bool multiply(const product *p, const void *a, const void *b, void *c) {
  const bool same = p->atype == p->btype && p->atype == p->ctype && p->atype == p->scalar;
  if (same && p->atype == CUDA_R_32F && !p->rounds)
    sim_blas_sgemm(p->ta, p->tb, p->m, p->n, p->k, *(const float *)p->alpha, a, p->lda, b, p->ldb,
                   *(const float *)p->beta, c, p->ldc);
  else if (same && p->atype == CUDA_R_64F)
    sim_blas_dgemm(p->ta, p->tb, p->m, p->n, p->k, *(const double *)p->alpha, a, p->lda, b, p->ldb,
                   *(const double *)p->beta, c, p->ldc);
  else
    return multiply_widened(p, a, b, c);
  return true;
}

// The matrices of a batch: at a distance of each other, or by an array of addresses.
typedef struct batch {
  const void *a, *b;
  void *c;
  long long stridea, strideb, stridec;
  const void *const *each_a, *const *each_b;
  void *const *each_c;
  int count;
} batch;

// What a call of the host leaves to do for the device. Scalars of the host are copied.
typedef struct work {
  product p;
  batch s;
  double alpha[2], beta[2];  // room for a number of any type
  bool host_scalars, only_sampled;
} work;

static void do_work(const void *argument, unsigned op) {
  const work *w = argument;
  product p = w->p;
  const batch *s = &w->s;
  if (w->host_scalars) {
    p.alpha = w->alpha;
    p.beta = w->beta;
  }
  const size_t ea = sim_blas_bytes(p.atype), eb = sim_blas_bytes(p.btype), ec = sim_blas_bytes(p.ctype);
  const int rows_a = p.ta ? p.k : p.m, rows_b = p.tb ? p.n : p.k;
  for (int i = 0; i < s->count; i++) {
    const void *a = s->each_a ? s->each_a[i] : (const char *)s->a + i * s->stridea * (long long)ea;
    const void *b = s->each_b ? s->each_b[i] : (const char *)s->b + i * s->strideb * (long long)eb;
    void *c = s->each_c ? s->each_c[i] : (char *)s->c + i * s->stridec * (long long)ec;
    if (!sim_blas_on_device(c) || (p.k > 0 && (!sim_blas_on_device(a) || !sim_blas_on_device(b)))) {
      sim_sticky(cudaErrorIllegalAddress);
      return;
    }
    if (w->only_sampled) continue;
    sim_check_rows(op, a, ea * (size_t)rows_a, ea * (size_t)p.lda, (size_t)(p.ta ? p.m : p.k), false);
    sim_check_rows(op, b, eb * (size_t)rows_b, eb * (size_t)p.ldb, (size_t)(p.tb ? p.k : p.n), false);
    sim_check_rows(op, c, ec * (size_t)p.m, ec * (size_t)p.ldc, (size_t)p.n, true);
    if (!multiply(&p, a, b, c)) sim_sticky(cudaErrorMemoryAllocation);
  }
}

// Does the card multiply such operands on its tensor cores? bf16 and tf32 came with compute capability 8.
static bool on_tensor_cores(const product *p) {
  const int major = sim_machine_get()->card->major;
  if (p->atype == CUDA_R_32F) return p->rounds == TO_F16 ? major >= 7 : p->rounds && major >= 8;
  if (p->atype == CUDA_R_64F) return false;
  return major >= (p->atype == CUDA_R_16BF ? 8 : 7);
}

static cublasStatus_t run(cublasHandle_t handle, const char *name, const product *wanted, const batch *s) {
  product without = *wanted, *const p = &without;
  const bool tensor = on_tensor_cores(p);
  if (!tensor) p->rounds = AS_THEY_ARE;
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (p->m < 0 || p->n < 0 || p->k < 0 || s->count < 0 || !p->alpha || !p->beta)
    return CUBLAS_STATUS_INVALID_VALUE;
  const size_t ea = sim_blas_bytes(p->atype), eb = sim_blas_bytes(p->btype), ec = sim_blas_bytes(p->ctype);
  if (!ea || !eb || !ec || p->ctype == CUDA_R_8U) return CUBLAS_STATUS_NOT_SUPPORTED;
  const int rows_a = p->ta ? p->k : p->m, rows_b = p->tb ? p->n : p->k;
  if (p->lda < sim_blas_largest(1, rows_a) || p->ldb < sim_blas_largest(1, rows_b) ||
      p->ldc < sim_blas_largest(1, p->m))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (p->m == 0 || p->n == 0 || s->count == 0) return CUBLAS_STATUS_SUCCESS;
  if (!s->each_c &&
      (!sim_blas_on_device(s->c) || (p->k > 0 && (!sim_blas_on_device(s->a) || !sim_blas_on_device(s->b)))))
    return CUBLAS_STATUS_EXECUTION_FAILED;
  work w = {.p = *p, .s = *s, .only_sampled = sim_only_sampled()};
  w.host_scalars = handle->pointers == CUBLAS_POINTER_MODE_HOST;
  if (w.host_scalars) {
    memcpy(w.alpha, p->alpha, sim_blas_bytes(p->scalar));
    memcpy(w.beta, p->beta, sim_blas_bytes(p->scalar));
  }
  const sim_estimate e = sim_observe_gemm(name, p->m, (int64_t)p->n * s->count, p->k, (int)ea, tensor);
  const sim_library_call call = {.name = name,
                                 .work = do_work,
                                 .argument = &w,
                                 .bytes = sizeof w,
                                 .seconds = e.seconds,
                                 .share = e.share};
  return sim_library_launch(&call, handle->stream) ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}

// ---------------------------------------------------------------- the calls

#define GEMM(P, T, type, rounds)                                                                             \
  cublasStatus_t cublas##P##gemmStridedBatched(                                                              \
      cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n, int k,        \
      const T *alpha, const T *a, int lda, long long stridea, const T *b, int ldb, long long strideb,        \
      const T *beta, T *c, int ldc, long long stridec, int count) {                                          \
    const product p = {transa != CUBLAS_OP_N,                                                                \
                       transb != CUBLAS_OP_N,                                                                \
                       m,                                                                                    \
                       n,                                                                                    \
                       k,                                                                                    \
                       alpha,                                                                                \
                       beta,                                                                                 \
                       type,                                                                                 \
                       type,                                                                                 \
                       type,                                                                                 \
                       type,                                                                                 \
                       lda,                                                                                  \
                       ldb,                                                                                  \
                       ldc,                                                                                  \
                       rounds};                                                                              \
    const batch s = {a, b, c, stridea, strideb, stridec, NULL, NULL, NULL, count};                           \
    return run(handle, "cublas" #P "gemm", &p, &s);                                                          \
  }                                                                                                          \
  cublasStatus_t cublas##P##gemm(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb,  \
                                 int m, int n, int k, const T *alpha, const T *a, int lda, const T *b,       \
                                 int ldb, const T *beta, T *c, int ldc) {                                    \
    return cublas##P##gemmStridedBatched(handle, transa, transb, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, \
                                         c, ldc, 0, 1);                                                      \
  }                                                                                                          \
  cublasStatus_t cublas##P##gemmBatched(cublasHandle_t handle, cublasOperation_t transa,                     \
                                        cublasOperation_t transb, int m, int n, int k, const T *alpha,       \
                                        const T *const a[], int lda, const T *const b[], int ldb,            \
                                        const T *beta, T *const c[], int ldc, int count) {                   \
    const product p = {transa != CUBLAS_OP_N,                                                                \
                       transb != CUBLAS_OP_N,                                                                \
                       m,                                                                                    \
                       n,                                                                                    \
                       k,                                                                                    \
                       alpha,                                                                                \
                       beta,                                                                                 \
                       type,                                                                                 \
                       type,                                                                                 \
                       type,                                                                                 \
                       type,                                                                                 \
                       lda,                                                                                  \
                       ldb,                                                                                  \
                       ldc,                                                                                  \
                       rounds};                                                                              \
    const batch s = {                                                                                        \
        NULL, NULL, NULL, 0, 0, 0, (const void *const *)a, (const void *const *)b, (void *const *)c, count}; \
    if (count > 0 && (!a || !b || !c)) return CUBLAS_STATUS_INVALID_VALUE;                                   \
    return run(handle, "cublas" #P "gemmBatched", &p, &s);                                                   \
  }
GEMM(S, float, CUDA_R_32F, handle && handle->math == CUBLAS_TF32_TENSOR_OP_MATH ? TO_TF32 : AS_THEY_ARE)
GEMM(D, double, CUDA_R_64F, AS_THEY_ARE)
GEMM(H, __half, CUDA_R_16F, AS_THEY_ARE)

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t transa,
                                          cublasOperation_t transb, int m, int n, int k, const void *alpha,
                                          const void *a, cudaDataType atype, int lda, long long stridea,
                                          const void *b, cudaDataType btype, int ldb, long long strideb,
                                          const void *beta, void *c, cudaDataType ctype, int ldc,
                                          long long stridec, int count, cublasComputeType_t compute,
                                          cublasGemmAlgo_t algo) {
  (void)algo;
  cudaDataType scalar = CUDA_R_32F;
  if (compute == CUBLAS_COMPUTE_16F || compute == CUBLAS_COMPUTE_16F_PEDANTIC) scalar = CUDA_R_16F;
  if (compute == CUBLAS_COMPUTE_64F || compute == CUBLAS_COMPUTE_64F_PEDANTIC) scalar = CUDA_R_64F;
  if ((compute == CUBLAS_COMPUTE_32I || compute == CUBLAS_COMPUTE_32I_PEDANTIC) && ctype == CUDA_R_32I)
    scalar = CUDA_R_32I;
  product p = {transa != CUBLAS_OP_N,
               transb != CUBLAS_OP_N,
               m,
               n,
               k,
               alpha,
               beta,
               scalar,
               atype,
               btype,
               ctype,
               lda,
               ldb,
               ldc,
               AS_THEY_ARE};
  const batch s = {a, b, c, stridea, strideb, stridec, NULL, NULL, NULL, count};
  if (atype == CUDA_R_32F) {
    if (handle && handle->math == CUBLAS_TF32_TENSOR_OP_MATH && compute == CUBLAS_COMPUTE_32F)
      p.rounds = TO_TF32;
    if (compute == CUBLAS_COMPUTE_32F_FAST_TF32) p.rounds = TO_TF32;
    if (compute == CUBLAS_COMPUTE_32F_FAST_16F) p.rounds = TO_F16;
    if (compute == CUBLAS_COMPUTE_32F_FAST_16BF) p.rounds = TO_BF16;
  }
  return run(handle, "cublasGemmEx", &p, &s);
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m,
                            int n, int k, const void *alpha, const void *a, cudaDataType atype, int lda,
                            const void *b, cudaDataType btype, int ldb, const void *beta, void *c,
                            cudaDataType ctype, int ldc, cublasComputeType_t compute, cublasGemmAlgo_t algo) {
  return cublasGemmStridedBatchedEx(handle, transa, transb, m, n, k, alpha, a, atype, lda, 0, b, btype, ldb,
                                    0, beta, c, ctype, ldc, 0, 1, compute, algo);
}

cublasStatus_t cublasSgemmEx(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m,
                             int n, int k, const float *alpha, const void *a, cudaDataType atype, int lda,
                             const void *b, cudaDataType btype, int ldb, const float *beta, void *c,
                             cudaDataType ctype, int ldc) {
  return cublasGemmEx(handle, transa, transb, m, n, k, alpha, a, atype, lda, b, btype, ldb, beta, c, ctype,
                      ldc, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
}
