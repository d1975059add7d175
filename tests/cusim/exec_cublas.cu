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

int main(void) {
  cublasHandle_t handle;
  const float one = 1, zero = 0;
  CHECK_BLAS(cublasCreate(&handle));
  test_product(handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 0);
  test_product(handle, CUBLAS_OP_T, CUBLAS_OP_N, 2, 1);
  test_product(handle, CUBLAS_OP_N, CUBLAS_OP_T, -1, 3);
  test_product(handle, CUBLAS_OP_T, CUBLAS_OP_T, 0.5f, 0);
  test_batch(handle);
  EXPECT(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, -1, 1, 1, &one, NULL, 1, NULL, 1, &zero, NULL, 1) ==
             CUBLAS_STATUS_INVALID_VALUE,
         "a negative size");
  EXPECT(cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, 0, 0, 0, &one, NULL, 1, NULL, 1, &zero, NULL, 1) ==
             CUBLAS_STATUS_SUCCESS,
         "nothing to do");
  CHECK_BLAS(cublasDestroy(handle));
  FINISH();
}
