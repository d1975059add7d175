// SPDX-License-Identifier: MIT
// cuBLAS's matrix products, column by column, against loops.
#include "exec_check.h"

#include <cublasLt.h>
#include <cublas_v2.h>

#define CHECK_BLAS(call) EXPECT((call) == CUBLAS_STATUS_SUCCESS, "%s", #call)

enum { M = 33, N = 17, K = 65, BATCH = 3 };

static float value_of(const float *x, int leading, cublasOperation_t op, int row, int column) {
  return op == CUBLAS_OP_N ? x[column * leading + row] : x[row * leading + column];
}

static void test_product(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, float alpha,
                         float beta) {
  static float a[M * K], b[K * N], c[M * N], back[M * N];
  const int lda = op_a == CUBLAS_OP_N ? M : K, ldb = op_b == CUBLAS_OP_N ? K : N;
  float *d_a, *d_b, *d_c;
  for (int i = 0; i < M * K; i++) a[i] = (float)(i % 7 - 3);
  for (int i = 0; i < K * N; i++) b[i] = (float)(i % 5 - 2);
  for (int i = 0; i < M * N; i++) c[i] = (float)(i % 3);
  CHECK(cudaMalloc(&d_a, sizeof a));
  CHECK(cudaMalloc(&d_b, sizeof b));
  CHECK(cudaMalloc(&d_c, sizeof c));
  CHECK(cudaMemcpy(d_a, a, sizeof a, cudaMemcpyHostToDevice));
  CHECK(cudaMemcpy(d_b, b, sizeof b, cudaMemcpyHostToDevice));
  CHECK(cudaMemcpy(d_c, c, sizeof c, cudaMemcpyHostToDevice));
  CHECK_BLAS(cublasSgemm(handle, op_a, op_b, M, N, K, &alpha, d_a, lda, d_b, ldb, &beta, d_c, M));
  CHECK(cudaMemcpy(back, d_c, sizeof back, cudaMemcpyDeviceToHost));
  int wrong = 0;
  for (int j = 0; j < N; j++)
    for (int i = 0; i < M; i++) {
      float sum = 0;  // small whole numbers: exact in any order
      for (int k = 0; k < K; k++) sum += value_of(a, lda, op_a, i, k) * value_of(b, ldb, op_b, k, j);
      wrong += !(back[j * M + i] == alpha * sum + beta * c[j * M + i]);
    }
  EXPECT(wrong == 0, "operations %d %d, %d wrong", (int)op_a, (int)op_b, wrong);
  CHECK(cudaFree(d_a));
  CHECK(cudaFree(d_b));
  CHECK(cudaFree(d_c));
}

static void test_batch(cublasHandle_t handle) {
  enum { SIDE = 8, SIZE = SIDE * SIDE };
  float host[BATCH * SIZE], back[BATCH * SIZE], *x, *y;
  const float one = 1, zero = 0;
  for (int i = 0; i < BATCH * SIZE; i++) host[i] = (float)(i % 11);
  CHECK(cudaMalloc(&x, sizeof host));
  CHECK(cudaMalloc(&y, sizeof host));
  CHECK(cudaMemcpy(x, host, sizeof host, cudaMemcpyHostToDevice));
  // Not-a-number in the result must not matter where beta is 0.
  CHECK(cudaMemset(y, 0xff, sizeof host));
  CHECK_BLAS(cublasSgemmStridedBatched(handle, CUBLAS_OP_N, CUBLAS_OP_N, SIDE, SIDE, SIDE, &one, x, SIDE,
                                       SIZE, x, SIDE, SIZE, &zero, y, SIDE, SIZE, BATCH));
  CHECK(cudaMemcpy(back, y, sizeof back, cudaMemcpyDeviceToHost));
  int wrong = 0;
  for (int m = 0; m < BATCH; m++)
    for (int j = 0; j < SIDE; j++)
      for (int i = 0; i < SIDE; i++) {
        float sum = 0;
        for (int k = 0; k < SIDE; k++) sum += host[m * SIZE + k * SIDE + i] * host[m * SIZE + j * SIDE + k];
        wrong += !(back[m * SIZE + j * SIDE + i] == sum);
      }
  EXPECT(wrong == 0, "%d wrong", wrong);
  CHECK(cudaFree(x));
  CHECK(cudaFree(y));
}

// Vectors, triangles and small types against known answers.
static void test_levels(cublasHandle_t handle) {
  const float x[4] = {1, -2, 3, -4}, a[9] = {2, 1, 4, 0, 3, 5, 0, 0, 6};  // lower triangle by columns
  float got[9], sum, *dx, *dy, *da, *device_sum;
  const float two = 2, one = 1, zero = 0;
  int place;
  CHECK(cudaMalloc(&dx, sizeof x));
  CHECK(cudaMalloc(&dy, sizeof x));
  CHECK(cudaMalloc(&da, sizeof a));
  CHECK(cudaMalloc(&device_sum, sizeof sum));
  CHECK_BLAS(cublasSetVector(4, sizeof *x, x, 1, dx, 1));
  CHECK_BLAS(cublasSetMatrix(3, 3, sizeof *a, a, 3, da, 3));
  CHECK_BLAS(cublasScopy(handle, 4, dx, 1, dy, 1));
  CHECK_BLAS(cublasSaxpy(handle, 4, &two, dx, 1, dy, 1));
  CHECK_BLAS(cublasSdot(handle, 4, dx, 1, dy, 1, &sum));
  EXPECT(sum == 90, "dot %g", sum);
  CHECK_BLAS(cublasSasum(handle, 4, dx, 1, &sum));
  EXPECT(sum == 10, "asum %g", sum);
  CHECK_BLAS(cublasSnrm2(handle, 2, dx + 2, 1, &sum));
  EXPECT(sum == 5, "nrm2 %g", sum);
  CHECK_BLAS(cublasIsamax(handle, 4, dx, 1, &place));
  EXPECT(place == 4, "amax %d", place);
  CHECK_BLAS(cublasIsamin(handle, 4, dx, 1, &place));
  EXPECT(place == 1, "amin %d", place);
  // In device mode results and scalars live on the device.
  CHECK_BLAS(cublasSetPointerMode(handle, CUBLAS_POINTER_MODE_DEVICE));
  CHECK_BLAS(cublasSdot(handle, 4, dx, 1, dx, 1, device_sum));
  CHECK_BLAS(cublasSscal(handle, 4, device_sum, dy, 1));
  CHECK_BLAS(cublasSetPointerMode(handle, CUBLAS_POINTER_MODE_HOST));
  CHECK_BLAS(cublasGetVector(4, sizeof *x, dy, 1, got, 1));
  EXPECT(got[0] == 90 && got[3] == -360, "scal %g %g", got[0], got[3]);

  CHECK_BLAS(cublasSgemv(handle, CUBLAS_OP_T, 3, 3, &one, da, 3, dx, 1, &zero, dy, 1));
  CHECK_BLAS(cublasGetVector(3, sizeof *x, dy, 1, got, 1));
  EXPECT(got[0] == 12 && got[1] == 9 && got[2] == 18, "gemv %g %g %g", got[0], got[1], got[2]);
  // A triangle times a vector, and back again.
  CHECK_BLAS(cublasSetVector(3, sizeof *x, x, 1, dy, 1));
  const cublasOperation_t turns[] = {CUBLAS_OP_N, CUBLAS_OP_T};
  for (cublasOperation_t turn : turns) {
    CHECK_BLAS(cublasStrmv(handle, CUBLAS_FILL_MODE_LOWER, turn, CUBLAS_DIAG_NON_UNIT, 3, da, 3, dy, 1));
    CHECK_BLAS(cublasStrsv(handle, CUBLAS_FILL_MODE_LOWER, turn, CUBLAS_DIAG_NON_UNIT, 3, da, 3, dy, 1));
    CHECK_BLAS(cublasGetVector(3, sizeof *x, dy, 1, got, 1));
    EXPECT(got[0] == 1 && got[1] == -2 && got[2] == 3, "trsv %g %g %g", got[0], got[1], got[2]);
  }
  // b = a a', then a^-1 b is a' again.
  float *db;
  CHECK(cudaMalloc(&db, sizeof a));
  CHECK_BLAS(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_T, 3, 3, 3, &one, da, 3, da, 3, &zero, db, 3));
  CHECK_BLAS(cublasStrsm(handle, CUBLAS_SIDE_LEFT, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_N, CUBLAS_DIAG_NON_UNIT,
                         3, 3, &one, da, 3, db, 3));
  CHECK_BLAS(cublasGetMatrix(3, 3, sizeof *a, db, 3, got, 3));
  for (int i = 0; i < 9; i++) EXPECT(got[i] == a[i % 3 * 3 + i / 3], "trsm %d: %g", i, got[i]);
  CHECK_BLAS(cublasSgeam(handle, CUBLAS_OP_T, CUBLAS_OP_N, 3, 3, &one, da, 3, &two, da, 3, db, 3));
  CHECK_BLAS(cublasGetMatrix(3, 3, sizeof *a, db, 3, got, 3));
  for (int i = 0; i < 9; i++) EXPECT(got[i] == a[i % 3 * 3 + i / 3] + 2 * a[i], "geam %d: %g", i, got[i]);
  CHECK_BLAS(cublasSsyrk(handle, CUBLAS_FILL_MODE_UPPER, CUBLAS_OP_T, 3, 3, &one, da, 3, &zero, db, 3));
  CHECK_BLAS(cublasGetMatrix(3, 3, sizeof *a, db, 3, got, 3));
  EXPECT(got[0] == 21 && got[3] == 23 && got[6] == 24 && got[8] == 36, "syrk %g %g", got[0], got[3]);
  CHECK(cudaFree(dx));
  CHECK(cudaFree(dy));
  CHECK(cudaFree(da));
  CHECK(cudaFree(db));
  CHECK(cudaFree(device_sum));
}

static void test_types(cublasHandle_t handle) {
  enum { SIDE = 16 };
  __half half_in[SIDE * SIDE], half_out[SIDE * SIDE], *h, *ho;
  signed char byte_in[SIDE * SIDE], *b;
  float *f, float_out[SIDE * SIDE];
  int *whole, int_out[SIDE * SIDE];
  for (int i = 0; i < SIDE * SIDE; i++) {
    byte_in[i] = (signed char)(i * 7 % 11 - 5);
    half_in[i] = __float2half((float)byte_in[i]);
  }
  CHECK(cudaMalloc(&h, sizeof half_in));
  CHECK(cudaMalloc(&ho, sizeof half_out));
  CHECK(cudaMalloc(&b, sizeof byte_in));
  CHECK(cudaMalloc(&f, sizeof float_out));
  CHECK(cudaMalloc(&whole, sizeof int_out));
  CHECK(cudaMemcpy(h, half_in, sizeof half_in, cudaMemcpyHostToDevice));
  CHECK(cudaMemcpy(b, byte_in, sizeof byte_in, cudaMemcpyHostToDevice));
  const float one = 1, zero = 0;
  const int int_one = 1, int_zero = 0;
  const __half half_one = __float2half(1.0f), half_zero = __float2half(0.0f);
  CHECK_BLAS(cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, SIDE, SIDE, SIDE, &one, h, CUDA_R_16F, SIDE, h,
                          CUDA_R_16F, SIDE, &zero, f, CUDA_R_32F, SIDE, CUBLAS_COMPUTE_32F,
                          CUBLAS_GEMM_DEFAULT));
  CHECK_BLAS(cublasHgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, SIDE, SIDE, SIDE, &half_one, h, SIDE, h, SIDE,
                         &half_zero, ho, SIDE));
  CHECK_BLAS(cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, SIDE, SIDE, SIDE, &int_one, b, CUDA_R_8I, SIDE, b,
                          CUDA_R_8I, SIDE, &int_zero, whole, CUDA_R_32I, SIDE, CUBLAS_COMPUTE_32I,
                          CUBLAS_GEMM_DEFAULT));
  CHECK(cudaMemcpy(float_out, f, sizeof float_out, cudaMemcpyDeviceToHost));
  CHECK(cudaMemcpy(half_out, ho, sizeof half_out, cudaMemcpyDeviceToHost));
  CHECK(cudaMemcpy(int_out, whole, sizeof int_out, cudaMemcpyDeviceToHost));
  int wrong = 0;
  for (int j = 0; j < SIDE; j++)
    for (int i = 0; i < SIDE; i++) {
      int sum = 0;
      for (int k = 0; k < SIDE; k++) sum += byte_in[k * SIDE + i] * byte_in[j * SIDE + k];
      wrong += float_out[j * SIDE + i] != (float)sum || __half2float(half_out[j * SIDE + i]) != (float)sum ||
               int_out[j * SIDE + i] != sum;
    }
  EXPECT(wrong == 0, "%d wrong", wrong);
  CHECK(cudaFree(h));
  CHECK(cudaFree(ho));
  CHECK(cudaFree(b));
  CHECK(cudaFree(f));
  CHECK(cudaFree(whole));
}

// d = gelu(2 * at * b + 3 * c + bias), what goes into gelu kept, in two batches; then its derivative.
static void test_lt(void) {
  enum { ROWS = 3, COLUMNS = 2, INNER = 4, TWO = 2 };
  float *a, *b, *c, *d, *bias, *aux;
  CHECK(cudaMallocManaged(&a, TWO * ROWS * INNER * sizeof *a));
  CHECK(cudaMallocManaged(&b, TWO * INNER * COLUMNS * sizeof *b));
  CHECK(cudaMallocManaged(&c, TWO * ROWS * COLUMNS * sizeof *c));
  CHECK(cudaMallocManaged(&d, TWO * ROWS * COLUMNS * sizeof *d));
  CHECK(cudaMallocManaged(&bias, ROWS * sizeof *bias));
  CHECK(cudaMallocManaged(&aux, ROWS * COLUMNS * sizeof *aux));
  for (int i = 0; i < TWO * ROWS * INNER; i++) a[i] = (float)(i % 5 - 2) / 8;
  for (int i = 0; i < TWO * INNER * COLUMNS; i++) b[i] = (float)(i % 3 - 1);
  for (int i = 0; i < TWO * ROWS * COLUMNS; i++) c[i] = (float)(i % 4) / 4;
  for (int i = 0; i < ROWS; i++) bias[i] = (float)i;

  cublasLtHandle_t handle;
  cublasLtMatmulDesc_t product;
  cublasLtMatrixLayout_t la, lb, lc;
  const cublasOperation_t transposed = CUBLAS_OP_T;
  const float two = 2, three = 3, one = 1, zero = 0;
  const int batch = TWO;
  const int64_t sa = ROWS * INNER, sb = INNER * COLUMNS, sc = ROWS * COLUMNS, aux_leading = ROWS;
  CHECK_BLAS(cublasLtCreate(&handle));
  CHECK_BLAS(cublasLtMatmulDescCreate(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  CHECK_BLAS(
      cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed));
  EXPECT(cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, 1) ==
             CUBLAS_STATUS_INVALID_VALUE,
         "an attribute of another size");
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
  CHECK_BLAS(
      cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue));
  CHECK_BLAS(cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias));
  CHECK_BLAS(cublasLtMatrixLayoutCreate(&la, CUDA_R_32F, INNER, ROWS, INNER));
  CHECK_BLAS(cublasLtMatrixLayoutCreate(&lb, CUDA_R_32F, INNER, COLUMNS, INNER));
  CHECK_BLAS(cublasLtMatrixLayoutCreate(&lc, CUDA_R_32F, ROWS, COLUMNS, ROWS));
  cublasLtMatrixLayout_t layouts[] = {la, lb, lc};
  const int64_t strides[] = {sa, sb, sc};
  for (int i = 0; i < 3; i++) {
    CHECK_BLAS(cublasLtMatrixLayoutSetAttribute(layouts[i], CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch,
                                                sizeof batch));
    CHECK_BLAS(cublasLtMatrixLayoutSetAttribute(layouts[i], CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                                &strides[i], sizeof strides[i]));
  }
  cublasLtMatmulPreference_t preference;
  cublasLtMatmulHeuristicResult_t result;
  int found = 0;
  CHECK_BLAS(cublasLtMatmulPreferenceCreate(&preference));
  CHECK_BLAS(cublasLtMatmulAlgoGetHeuristic(handle, product, la, lb, lc, lc, preference, 1, &result, &found));
  EXPECT(found == 1 && result.state == CUBLAS_STATUS_SUCCESS, "%d found", found);
  CHECK_BLAS(
      cublasLtMatmul(handle, product, &two, a, la, b, lb, &three, c, lc, d, lc, &result.algo, NULL, 0, 0));
  CHECK(cudaDeviceSynchronize());
  for (int m = 0; m < TWO; m++)
    for (int i = 0; i < sc; i++) {
      float sum = 3 * c[m * sc + i] + bias[i % ROWS];
      for (int k = 0; k < INNER; k++)
        sum += 2 * a[m * sa + i % ROWS * INNER + k] * b[m * sb + i / ROWS * INNER + k];
      EXPECT(d[m * sc + i] == sum, "batch %d, %d: %f, not %f", m, i, d[m * sc + i], sum);
    }

  // Forward with what goes into the activation kept, backward from it: the slope, by a difference.
  const int alone = 1;
  for (int i = 0; i < 3; i++)
    CHECK_BLAS(cublasLtMatrixLayoutSetAttribute(layouts[i], CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &alone,
                                                sizeof alone));
  CHECK_BLAS(
      cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, &aux, sizeof aux));
  CHECK_BLAS(cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, &aux_leading,
                                            sizeof aux_leading));
  epilogue = CUBLASLT_EPILOGUE_GELU_AUX;
  CHECK_BLAS(
      cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue));
  CHECK_BLAS(cublasLtMatmul(handle, product, &one, a, la, b, lb, &zero, d, lc, d, lc, NULL, NULL, 0, 0));
  CHECK(cudaDeviceSynchronize());
  for (int i = 0; i < sc; i++) {
    const float x = aux[i], expected = 0.5f * x * (1 + tanhf(0.7978845608f * (x + 0.044715f * x * x * x)));
    EXPECT(fabsf(d[i] - expected) < 1e-6f, "%d: %f, not %f", i, d[i], expected);
  }
  for (int i = 0; i < sc; i++) aux[i] = (float)(i - 2) / 2;
  epilogue = CUBLASLT_EPILOGUE_DGELU;
  CHECK_BLAS(
      cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue));
  CHECK_BLAS(cublasLtMatmul(handle, product, &one, a, la, b, lb, &zero, d, lc, d, lc, NULL, NULL, 0, 0));
  CHECK(cudaDeviceSynchronize());
  for (int i = 0; i < sc; i++) {
    double product_i = 0, value[2];
    for (int k = 0; k < INNER; k++) product_i += a[i % ROWS * INNER + k] * b[i / ROWS * INNER + k];
    for (int side = 0; side < 2; side++) {
      const double x = aux[i] + (side ? 1e-4 : -1e-4);
      value[side] = 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    }
    const double expected = product_i * (value[1] - value[0]) / 2e-4;
    EXPECT(fabs(d[i] - expected) < 1e-6, "%d: %f, not %f", i, d[i], expected);
  }
  epilogue = CUBLASLT_EPILOGUE_BGRADA;
  CHECK_BLAS(
      cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue));
  EXPECT(cublasLtMatmul(handle, product, &one, a, la, b, lb, &zero, d, lc, d, lc, NULL, NULL, 0, 0) != 0,
         "an epilogue that is missing must not be ignored");
  CHECK_BLAS(cublasLtMatmulPreferenceDestroy(preference));
  CHECK_BLAS(cublasLtMatmulDescDestroy(product));
  for (int i = 0; i < 3; i++) CHECK_BLAS(cublasLtMatrixLayoutDestroy(layouts[i]));
  CHECK_BLAS(cublasLtDestroy(handle));
  float *const all[] = {a, b, c, d, bias, aux};
  for (int i = 0; i < 6; i++) CHECK(cudaFree(all[i]));
}

// A product is a node of the graph that its stream records, with the scalars as they were.
static void test_captured(void) {
  const float ones[4] = {1, 2, 3, 4};
  float alpha = 2, beta = 1, got[4] = {0, 0, 0, 0}, *a, *c;
  cublasHandle_t handle;
  cudaStream_t stream;
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  CHECK(cudaMalloc(&a, sizeof ones));
  CHECK(cudaMalloc(&c, sizeof ones));
  CHECK(cudaMemcpy(a, ones, sizeof ones, cudaMemcpyHostToDevice));
  CHECK(cudaMemset(c, 0, sizeof ones));
  CHECK(cudaStreamCreate(&stream));
  EXPECT(cublasCreate(&handle) == CUBLAS_STATUS_SUCCESS &&
             cublasSetStream(handle, stream) == CUBLAS_STATUS_SUCCESS,
         "a handle");
  CHECK(cudaDeviceSynchronize());
  CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  EXPECT(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 2, &alpha, a, 2, a, 2, &beta, c, 2) ==
             CUBLAS_STATUS_SUCCESS,
         "recorded");
  CHECK(cudaStreamEndCapture(stream, &graph));
  alpha = 100;
  CHECK(cudaMemcpy(got, c, sizeof got, cudaMemcpyDeviceToHost));
  EXPECT(got[0] == 0, "%f", got[0]);
  CHECK(cudaGraphInstantiate(&exec, graph, 0));
  for (int i = 0; i < 3; i++) CHECK(cudaGraphLaunch(exec, stream));
  CHECK(cudaStreamSynchronize(stream));
  CHECK(cudaMemcpy(got, c, sizeof got, cudaMemcpyDeviceToHost));
  EXPECT(got[0] == 42 && got[3] == 132, "%f %f", got[0], got[3]);
  CHECK(cudaGraphExecDestroy(exec));
  CHECK(cudaGraphDestroy(graph));
  EXPECT(cublasDestroy(handle) == CUBLAS_STATUS_SUCCESS, "the handle");
  CHECK(cudaStreamDestroy(stream));
  CHECK(cudaFree(a));
  CHECK(cudaFree(c));
}

// 1 + 2^-11 + 2^-20 lies between two numbers of tf32 and fp16, nearer to the upper one; bf16 has only 1
// there.
static void test_rounded(cublasHandle_t handle) {
  const float x = 1 + 0x1p-11f + 0x1p-20f, one = 1, zero = 0;
  float *d, result;
  CHECK(cudaMalloc(&d, 2 * sizeof *d));
  CHECK(cudaMemcpy(d, &x, sizeof x, cudaMemcpyHostToDevice));
  const struct {
    cublasMath_t mode;
    cublasComputeType_t compute;
    float root;
  } cases[] = {{CUBLAS_DEFAULT_MATH, CUBLAS_COMPUTE_32F, x},
               {CUBLAS_TF32_TENSOR_OP_MATH, CUBLAS_COMPUTE_32F, 1 + 0x1p-10f},
               {CUBLAS_DEFAULT_MATH, CUBLAS_COMPUTE_32F_FAST_TF32, 1 + 0x1p-10f},
               {CUBLAS_DEFAULT_MATH, CUBLAS_COMPUTE_32F_FAST_16F, 1 + 0x1p-10f},
               {CUBLAS_DEFAULT_MATH, CUBLAS_COMPUTE_32F_FAST_16BF, 1}};
  for (const auto &c : cases) {
    CHECK_BLAS(cublasSetMathMode(handle, c.mode));
    CHECK_BLAS(cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, d, CUDA_R_32F, 1, d, CUDA_R_32F,
                            1, &zero, d + 1, CUDA_R_32F, 1, c.compute, CUBLAS_GEMM_DEFAULT));
    CHECK(cudaMemcpy(&result, d + 1, sizeof result, cudaMemcpyDeviceToHost));
    EXPECT(result == c.root * c.root, "mode %d, compute %d: %.9g, not %.9g", (int)c.mode, (int)c.compute,
           result, c.root * c.root);
  }
  CHECK_BLAS(cublasSetMathMode(handle, CUBLAS_DEFAULT_MATH));
  CHECK(cudaFree(d));
}

int main(void) {
  test_captured();
  cublasHandle_t handle;
  const float one = 1, zero = 0;
  CHECK_BLAS(cublasCreate(&handle));
  test_product(handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 0);
  test_product(handle, CUBLAS_OP_T, CUBLAS_OP_N, 2, 1);
  test_product(handle, CUBLAS_OP_N, CUBLAS_OP_T, -1, 3);
  test_product(handle, CUBLAS_OP_T, CUBLAS_OP_T, 0.5f, 0);
  test_batch(handle);
  test_levels(handle);
  test_types(handle);
  test_lt();
  test_rounded(handle);
  EXPECT(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, -1, 1, 1, &one, NULL, 1, NULL, 1, &zero, NULL, 1) ==
             CUBLAS_STATUS_INVALID_VALUE,
         "a negative size");
  EXPECT(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 0, 0, 0, &one, NULL, 1, NULL, 1, &zero, NULL, 1) ==
             CUBLAS_STATUS_SUCCESS,
         "nothing to do");
  CHECK_BLAS(cublasDestroy(handle));
  FINISH();
}
