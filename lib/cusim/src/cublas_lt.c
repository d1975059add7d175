// SPDX-License-Identifier: MIT
// cuBLASLt: cuBLAS's product, and what follows it, element by element. The product is rounded to the result's
// type before that, where the device rounds once behind it.
#include "cublasLt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cublas.h"

struct cublasLtContext {
  char unused;
};
struct cublasLtMatmulPreference {
  char unused;
};

struct cublasLtMatmulDesc {
  cublasComputeType_t compute;
  cudaDataType scale, bias_type, aux_type;  // the latter two: below 0 for the result's
  cublasOperation_t transa, transb;
  cublasLtPointerMode_t pointers;
  cublasLtEpilogue_t epilogue;
  void *bias, *aux;
  int64_t aux_leading;
  signed char fast;
};

struct cublasLtMatrixLayout {
  cudaDataType type;
  cublasLtOrder_t order;
  uint64_t rows, columns;
  int64_t leading, stride;
  int count;
};

static cublasStatus_t make(void **object, size_t bytes) {
  if (!object) return CUBLAS_STATUS_INVALID_VALUE;
  *object = calloc(1, bytes);
  return *object ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_ALLOC_FAILED;
}

static cublasStatus_t not_supported(const char *what, int value) {
  fprintf(stderr, "cusim: cublasLt: cusim does not support %s %d\n", what, value);
  return CUBLAS_STATUS_NOT_SUPPORTED;
}

static cublasStatus_t set(void *member, size_t size, const void *value, size_t bytes) {
  if (!value || bytes != size) return CUBLAS_STATUS_INVALID_VALUE;
  memcpy(member, value, size);
  return CUBLAS_STATUS_SUCCESS;
}
#define SET(member) set(&(member), sizeof(member), value, bytes)

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle) {
  return make((void **)handle, sizeof **handle);
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  free(handle);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *description, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  const cublasStatus_t status = make((void **)description, sizeof **description);
  if (status) return status;
  **description =
      (struct cublasLtMatmulDesc){.compute = compute, .scale = scale, .epilogue = CUBLASLT_EPILOGUE_DEFAULT};
  (*description)->bias_type = (*description)->aux_type = (cudaDataType)-1;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t description) {
  free(description);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t description,
                                              cublasLtMatmulDescAttributes_t attribute, const void *value,
                                              size_t bytes) {
  struct cublasLtMatmulDesc *const d = description;
  if (!d) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_COMPUTE_TYPE:
      return SET(d->compute);
    case CUBLASLT_MATMUL_DESC_SCALE_TYPE:
      return SET(d->scale);
    case CUBLASLT_MATMUL_DESC_POINTER_MODE:
      return SET(d->pointers);
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return SET(d->transa);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return SET(d->transb);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return SET(d->epilogue);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return SET(d->bias);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER:
      return SET(d->aux);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD:
      return SET(d->aux_leading);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_DATA_TYPE:
      return SET(d->aux_type);
    case CUBLASLT_MATMUL_DESC_FAST_ACCUM:
      return SET(d->fast);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
      return SET(d->bias_type);
  }
  return not_supported("attribute of a product", (int)attribute);
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t leading) {
  const cublasStatus_t status = make((void **)layout, sizeof **layout);
  if (status) return status;
  **layout = (struct cublasLtMatrixLayout){.type = type,
                                           .order = CUBLASLT_ORDER_COL,
                                           .rows = rows,
                                           .columns = columns,
                                           .leading = leading,
                                           .count = 1};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  free(layout);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute, const void *value,
                                                size_t bytes) {
  if (!layout) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
    case CUBLASLT_MATRIX_LAYOUT_TYPE:
      return SET(layout->type);
    case CUBLASLT_MATRIX_LAYOUT_ORDER:
      return SET(layout->order);
    case CUBLASLT_MATRIX_LAYOUT_ROWS:
      return SET(layout->rows);
    case CUBLASLT_MATRIX_LAYOUT_COLS:
      return SET(layout->columns);
    case CUBLASLT_MATRIX_LAYOUT_LD:
      return SET(layout->leading);
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT:
      return SET(layout->count);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET:
      return SET(layout->stride);
  }
  return not_supported("attribute of a layout", (int)attribute);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference) {
  return make((void **)preference, sizeof **preference);
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  free(preference);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void *value, size_t bytes) {
  (void)attribute, (void)bytes;
  return preference && value ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t description,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[], int *found) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!description || !a || !b || !c || !d || !preference || wanted < 1 || !results || !found)
    return CUBLAS_STATUS_INVALID_VALUE;
  results[0] = (cublasLtMatmulHeuristicResult_t){.state = CUBLAS_STATUS_SUCCESS, .wavesCount = 1};
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

// ---------------------------------------------------------------- the product

// The activation that most networks compute: with tanh.
static const double gelu_scale = 0.79788456080286535588, gelu_cube = 0.044715;
static double gelu(double x) {
  return 0.5 * x * (1 + tanh(gelu_scale * (x + gelu_cube * x * x * x)));
}
static double gelu_slope(double x) {
  const double t = tanh(gelu_scale * (x + gelu_cube * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * gelu_scale * (1 + 3 * gelu_cube * x * x);
}

static void finish_column(const struct cublasLtMatmulDesc *p, cudaDataType type, void *d, size_t from,
                          size_t rows, size_t aux_from) {
  const unsigned after = (unsigned)p->epilogue;
  const cudaDataType aux_type = (int)p->aux_type < 0 ? type : p->aux_type;
  for (size_t i = 0; i < rows; i++) {
    double x = sim_blas_get(type, d, from + i);
    if (after & CUBLASLT_EPILOGUE_BIAS)
      x += sim_blas_get((int)p->bias_type < 0 ? type : p->bias_type, p->bias, i);
    if (p->epilogue == CUBLASLT_EPILOGUE_DGELU) x *= gelu_slope(sim_blas_get(aux_type, p->aux, aux_from + i));
    if (p->epilogue == CUBLASLT_EPILOGUE_GELU_AUX || p->epilogue == CUBLASLT_EPILOGUE_GELU_AUX_BIAS)
      sim_blas_put(aux_type, p->aux, aux_from + i, x);
    if (after & CUBLASLT_EPILOGUE_RELU) x = x > 0 || isnan(x) ? x : 0;
    if (after & CUBLASLT_EPILOGUE_GELU) x = gelu(x);
    sim_blas_put(type, d, from + i, x);
  }
}

static bool known_epilogue(cublasLtEpilogue_t epilogue) {
  switch (epilogue) {
    case CUBLASLT_EPILOGUE_DEFAULT:
    case CUBLASLT_EPILOGUE_RELU:
    case CUBLASLT_EPILOGUE_BIAS:
    case CUBLASLT_EPILOGUE_RELU_BIAS:
    case CUBLASLT_EPILOGUE_GELU:
    case CUBLASLT_EPILOGUE_GELU_BIAS:
    case CUBLASLT_EPILOGUE_GELU_AUX:
    case CUBLASLT_EPILOGUE_GELU_AUX_BIAS:
    case CUBLASLT_EPILOGUE_DGELU:
      return true;
    default:
      return false;
  }
}

// Copies c into d, so that the product can be added to it in place.
static void take_over(const struct cublasLtMatrixLayout *from, const void *c,
                      const struct cublasLtMatrixLayout *to, void *d) {
  for (int b = 0; b < to->count; b++)
    for (uint64_t j = 0; j < to->columns; j++)
      for (uint64_t i = 0; i < to->rows; i++)
        sim_blas_put(to->type, d, (size_t)(b * to->stride) + i + j * (size_t)to->leading,
                     sim_blas_get(from->type, c, (size_t)(b * from->stride) + i + j * (size_t)from->leading));
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t description, const void *alpha,
                              const void *a, cublasLtMatrixLayout_t alayout, const void *b,
                              cublasLtMatrixLayout_t blayout, const void *beta, const void *c,
                              cublasLtMatrixLayout_t clayout, void *d, cublasLtMatrixLayout_t dlayout,
                              const cublasLtMatmulAlgo_t *algorithm, void *workspace, size_t workspace_bytes,
                              cudaStream_t stream) {
  (void)algorithm, (void)workspace, (void)workspace_bytes;
  const struct cublasLtMatmulDesc *const p = description;
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!p || !alpha || !alayout || !blayout || !beta || !clayout || !dlayout || !d)
    return CUBLAS_STATUS_INVALID_VALUE;
  if (!known_epilogue(p->epilogue)) return not_supported("epilogue", (int)p->epilogue);
  if (alayout->order || blayout->order || clayout->order || dlayout->order)
    return not_supported("matrix order", 1);
  if (((unsigned)p->epilogue & CUBLASLT_EPILOGUE_BIAS && !p->bias) ||
      (p->epilogue >= CUBLASLT_EPILOGUE_GELU_AUX && (!p->aux || p->aux_leading < (int64_t)dlayout->rows)))
    return CUBLAS_STATUS_INVALID_VALUE;
  const uint64_t inner = p->transa == CUBLAS_OP_N ? alayout->columns : alayout->rows;
  const uint64_t m = p->transa == CUBLAS_OP_N ? alayout->rows : alayout->columns;
  const uint64_t n = p->transb == CUBLAS_OP_N ? blayout->columns : blayout->rows;
  const uint64_t inner_b = p->transb == CUBLAS_OP_N ? blayout->rows : blayout->columns;
  if (inner != inner_b || m != dlayout->rows || n != dlayout->columns) return CUBLAS_STATUS_INVALID_VALUE;
  struct cublasContext context = {.stream = stream};
  if (!sim_blas_at_once(stream)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (c != d && sim_blas_get(p->scale, beta, 0) != 0 && !sim_only_sampled())
    take_over(clayout, c, dlayout, d);
  const cublasStatus_t status = cublasGemmStridedBatchedEx(
      &context, p->transa, p->transb, (int)m, (int)n, (int)inner, alpha, a, alayout->type,
      (int)alayout->leading, alayout->stride, b, blayout->type, (int)blayout->leading, blayout->stride, beta,
      d, dlayout->type, (int)dlayout->leading, dlayout->stride, dlayout->count, p->compute,
      CUBLAS_GEMM_DEFAULT);
  if (status || p->epilogue == CUBLASLT_EPILOGUE_DEFAULT || sim_only_sampled()) return status;
  sim_stream_reach(stream);  // the product
  for (int i = 0; i < dlayout->count; i++)
    for (uint64_t j = 0; j < n; j++)
      finish_column(p, dlayout->type, d, (size_t)(i * dlayout->stride) + j * (size_t)dlayout->leading, m,
                    j * (size_t)p->aux_leading);
  return CUBLAS_STATUS_SUCCESS;
}
