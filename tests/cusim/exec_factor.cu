// SPDX-License-Identifier: MIT
// cuBLAS's factorizations of batches, and its vectors of types that are arguments, with known answers.
#include <cublas_v2.h>
#include <cuda_fp16.h>
#include <math.h>

#include "exec_check.h"

#define CHECK_BLAS(call) EXPECT((call) == CUBLAS_STATUS_SUCCESS, "%s", #call)

enum { N = 3, COUNT = 2 };

static bool close_to(double a, double b) {
  return fabs(a - b) <= 1e-12 * fmax(1, fabs(b));
}

// Memory that host and device share.
template <class T>
static T *shared_memory(size_t count) {
  T *p = NULL;
  CHECK(cudaMallocManaged(&p, count * sizeof *p));
  return p;
}

static void test_factors(cublasHandle_t handle) {
  // By columns. The second one is singular: its second column is twice its first.
  static const double matrices[COUNT][N * N] = {{2, 4, 8, 1, 3, 7, 1, 3, 9}, {4, 2, 1, 8, 4, 2, 1, 1, 3}};
  double *values = shared_memory<double>(COUNT * N * N), *inverse = shared_memory<double>(COUNT * N * N);
  double *right = shared_memory<double>(COUNT * N), **a = shared_memory<double *>(COUNT);
  double **c = shared_memory<double *>(COUNT), **b = shared_memory<double *>(COUNT);
  int *pivots = shared_memory<int>(COUNT * N), *info = shared_memory<int>(COUNT), of_host = 7;
  for (int k = 0; k < COUNT; k++) {
    a[k] = values + k * N * N;
    c[k] = inverse + k * N * N;
    b[k] = right + k * N;
    for (int i = 0; i < N * N; i++) a[k][i] = matrices[k][i];
  }
  for (int i = 0; i < N; i++) right[i] = matrices[0][i] + 2 * matrices[0][N + i] - matrices[0][2 * N + i];
  CHECK_BLAS(cublasDgetrfBatched(handle, N, a, N, pivots, info, COUNT));
  CHECK(cudaDeviceSynchronize());
  EXPECT(info[0] == 0 && info[1] == 2 && pivots[0] == 3, "%d %d %d", info[0], info[1], pivots[0]);
  EXPECT(close_to(a[0][0], 8) && close_to(fabs(a[0][0] * a[0][4] * a[0][8]), 4), "the determinant");
  CHECK_BLAS(cublasDgetriBatched(handle, N, a, N, pivots, c, N, info, COUNT));
  CHECK_BLAS(cublasDgetrsBatched(handle, CUBLAS_OP_N, N, 1, a, N, pivots, b, N, &of_host, 1));
  CHECK(cudaDeviceSynchronize());
  EXPECT(info[0] == 0 && info[1] == 2 && of_host == 0, "%d %d %d", info[0], info[1], of_host);
  EXPECT(close_to(right[0], 1) && close_to(right[1], 2) && close_to(right[2], -1), "%g %g %g", right[0],
         right[1], right[2]);
  int wrong = 0;
  for (int j = 0; j < N; j++)
    for (int i = 0; i < N; i++) {
      double sum = 0;
      for (int k = 0; k < N; k++) sum += matrices[0][k * N + i] * c[0][j * N + k];
      wrong += !close_to(sum, i == j);
    }
  EXPECT(wrong == 0, "the inverse: %d elements", wrong);
  // The transpose, and the inverse at once.
  for (int i = 0; i < N; i++)
    right[i] = matrices[0][i * N] - matrices[0][i * N + 1] + 3 * matrices[0][i * N + 2];
  CHECK_BLAS(cublasDgetrsBatched(handle, CUBLAS_OP_T, N, 1, a, N, pivots, b, N, &of_host, 1));
  for (int i = 0; i < N * N; i++) a[0][i] = matrices[0][i];
  CHECK_BLAS(cublasDmatinvBatched(handle, N, a, N, c, N, info, 1));
  CHECK(cudaDeviceSynchronize());
  EXPECT(close_to(right[0], 1) && close_to(right[1], -1) && close_to(right[2], 3), "%g %g %g", right[0],
         right[1], right[2]);
  EXPECT(close_to(c[0][0], 1.5) && a[0][0] == 2 && info[0] == 0, "%g %g", c[0][0], a[0][0]);
  EXPECT(cublasDgetrfBatched(handle, N, a, N - 1, pivots, info, 1) == CUBLAS_STATUS_INVALID_VALUE,
         "a short column");
  EXPECT(cublasDgetrfBatched(NULL, N, a, N, pivots, info, 1) == CUBLAS_STATUS_NOT_INITIALIZED, "no handle");
  for (void *p : {(void *)values, (void *)inverse, (void *)right, (void *)a, (void *)c, (void *)b,
                  (void *)pivots, (void *)info})
    CHECK(cudaFree(p));
}

// The line through (0, 1), (1, 3), (2, 5), (3, 7), and a = Q R with R' R = a' a.
static void test_least_squares(cublasHandle_t handle) {
  enum { ROWS = 4, COLUMNS = 2 };
  float *a = shared_memory<float>(2 * ROWS * COLUMNS), *c = shared_memory<float>(ROWS),
        *tau = shared_memory<float>(2);
  float **to_a = shared_memory<float *>(2), **to_c = shared_memory<float *>(1);
  int info = -1, *each = shared_memory<int>(1);
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < ROWS; i++) {
      a[k * ROWS * COLUMNS + i] = 1;
      a[k * ROWS * COLUMNS + ROWS + i] = (float)i;
      c[i] = (float)(2 * i + 1);
    }
  to_a[0] = a;
  to_a[1] = a + ROWS * COLUMNS;
  *to_c = c;
  CHECK_BLAS(
      cublasSgelsBatched(handle, CUBLAS_OP_N, ROWS, COLUMNS, 1, to_a, ROWS, to_c, ROWS, &info, each, 1));
  CHECK(cudaDeviceSynchronize());
  EXPECT(fabsf(c[0] - 1) < 1e-5f && fabsf(c[1] - 2) < 1e-5f && info == 0 && *each == 0, "%g %g", c[0], c[1]);
  to_a[0] = to_a[1];
  *to_c = tau;
  CHECK_BLAS(cublasSgeqrfBatched(handle, ROWS, COLUMNS, to_a, ROWS, to_c, &info, 1));
  CHECK(cudaDeviceSynchronize());
  const float *r = to_a[0];
  EXPECT(fabsf(r[0] * r[0] - 4) < 1e-4f && fabsf(r[0] * r[ROWS] - 6) < 1e-4f &&
             fabsf(r[ROWS] * r[ROWS] + r[ROWS + 1] * r[ROWS + 1] - 14) < 1e-4f,
         "%g %g %g", r[0], r[ROWS], r[ROWS + 1]);
  for (void *p : {(void *)a, (void *)c, (void *)tau, (void *)to_a, (void *)to_c, (void *)each})
    CHECK(cudaFree(p));
}

static void test_types(cublasHandle_t handle) {
  __half *x = shared_memory<__half>(4), *y = shared_memory<__half>(4), result = __float2half(0),
         *on_device = x;
  float scale = 2;
  int place = 0;
  for (int i = 0; i < 4; i++) {
    x[i] = __float2half((float)(i + 1));
    y[i] = __float2half(i == 2 ? -8.0f : 1.0f);
  }
  CHECK_BLAS(cublasDotEx(handle, 4, x, CUDA_R_16F, 1, y, CUDA_R_16F, 1, &result, CUDA_R_16F, CUDA_R_32F));
  EXPECT(__half2float(result) == 1 + 2 - 24 + 4, "%g", __half2float(result));
  CHECK_BLAS(cublasIamaxEx(handle, 4, y, CUDA_R_16F, 1, &place));
  EXPECT(place == 3, "%d", place);
  CHECK_BLAS(cublasAxpyEx(handle, 4, &scale, CUDA_R_32F, x, CUDA_R_16F, 1, y, CUDA_R_16F, 1, CUDA_R_32F));
  CHECK_BLAS(cublasScalEx(handle, 2, &scale, CUDA_R_32F, y, CUDA_R_16F, 2, CUDA_R_32F));
  CHECK(cudaDeviceSynchronize());
  EXPECT(__half2float(y[0]) == 6 && __half2float(y[1]) == 5 && __half2float(y[2]) == -4 &&
             __half2float(y[3]) == 9,
         "%g %g %g %g", __half2float(y[0]), __half2float(y[1]), __half2float(y[2]), __half2float(y[3]));
  // A result on the device.
  CHECK_BLAS(cublasSetPointerMode(handle, CUBLAS_POINTER_MODE_DEVICE));
  CHECK_BLAS(cublasNrm2Ex(handle, 2, x + 2, CUDA_R_16F, 1, on_device, CUDA_R_16F, CUDA_R_32F));
  CHECK(cudaDeviceSynchronize());
  CHECK_BLAS(cublasSetPointerMode(handle, CUBLAS_POINTER_MODE_HOST));
  EXPECT(__half2float(x[0]) == 5, "%g", __half2float(x[0]));
  float stray[4] = {1, 2, 3, 4}, sum;
  EXPECT(cublasDotEx(handle, 4, stray, CUDA_R_32F, 1, stray, CUDA_R_32F, 1, &sum, CUDA_R_32F, CUDA_R_32F) ==
             CUBLAS_STATUS_EXECUTION_FAILED,
         "memory of the host");
  CHECK(cudaFree(x));
  CHECK(cudaFree(y));
}

int main() {
  cublasHandle_t handle;
  CHECK_BLAS(cublasCreate_v2(&handle));
  test_factors(handle);
  test_least_squares(handle);
  test_types(handle);
  CHECK_BLAS(cublasDestroy(handle));
  FINISH();
}
