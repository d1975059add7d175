// SPDX-License-Identifier: MIT
// cuBLAS's matrix products, column by column, against loops.
#include "exec_check.h"

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

int main(void) {
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
  EXPECT(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, -1, 1, 1, &one, NULL, 1, NULL, 1, &zero, NULL, 1) ==
             CUBLAS_STATUS_INVALID_VALUE,
         "a negative size");
  EXPECT(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 0, 0, 0, &one, NULL, 1, NULL, 1, &zero, NULL, 1) ==
             CUBLAS_STATUS_SUCCESS,
         "nothing to do");
  CHECK_BLAS(cublasDestroy(handle));
  FINISH();
}
