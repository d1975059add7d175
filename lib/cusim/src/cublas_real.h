// SPDX-License-Identifier: MIT
// cuBLAS's calls on vectors and matrices of one real type: included once per type with T, NAME(call),
// INDEX_NAME(call) and GEMM set. Plain loops; their time is that of moving the operands through memory.

// The i-th element of a vector: a negative stride starts at its end, as BLAS has it.
static size_t NAME(at)(int i, int n, int stride) {
  const long long from = stride < 0 ? (long long)(1 - n) * stride : 0;
  return (size_t)(from + (long long)i * stride);
}
#define AT(x, i) x[NAME(at)(i, n, inc##x)]
static void NAME(vector)(unsigned op, const T *x, int n, int stride, bool write) {
  const size_t step = (size_t)(stride < 0 ? -stride : stride);
  if (n > 0 && step) sim_check_rows(op, x, sizeof *x, step * sizeof *x, (size_t)n, write);
}
static void NAME(matrix)(unsigned op, const T *a, int rows, int columns, int leading, bool write) {
  if (rows > 0 && columns > 0)
    sim_check_rows(op, a, sizeof *a * (size_t)rows, sizeof *a * (size_t)leading, (size_t)columns, write);
}

#define END_RESULT(elements) \
  sim_check_op_end(op);      \
  return finish_result(handle, __func__, (double)(elements) * (double)sizeof(T))

cublasStatus_t NAME(axpy)(cublasHandle_t handle, int n, const T *alpha, const T *x, int incx, T *y,
                          int incy) {
  BEGIN(!alpha);
  NAME(vector)(op, x, n, incx, false);
  NAME(vector)(op, y, n, incy, true);
  for (int i = 0; i < n; i++) AT(y, i) += *alpha * AT(x, i);
  END(3.0 * n);
}
cublasStatus_t NAME(copy)(cublasHandle_t handle, int n, const T *x, int incx, T *y, int incy) {
  BEGIN(false);
  NAME(vector)(op, x, n, incx, false);
  NAME(vector)(op, y, n, incy, true);
  for (int i = 0; i < n; i++) AT(y, i) = AT(x, i);
  END(2.0 * n);
}
cublasStatus_t NAME(swap)(cublasHandle_t handle, int n, T *x, int incx, T *y, int incy) {
  BEGIN(false);
  NAME(vector)(op, x, n, incx, true);
  NAME(vector)(op, y, n, incy, true);
  for (int i = 0; i < n; i++) {
    const T old = AT(x, i);
    AT(x, i) = AT(y, i);
    AT(y, i) = old;
  }
  END(4.0 * n);
}
cublasStatus_t NAME(scal)(cublasHandle_t handle, int n, const T *alpha, T *x, int incx) {
  BEGIN(!alpha);
  NAME(vector)(op, x, n, incx, true);
  for (int i = 0; i < n && incx > 0; i++) AT(x, i) *= *alpha;
  END(2.0 * n);
}
cublasStatus_t NAME(rot)(cublasHandle_t handle, int n, T *x, int incx, T *y, int incy, const T *c,
                         const T *s) {
  BEGIN(!c || !s);
  NAME(vector)(op, x, n, incx, true);
  NAME(vector)(op, y, n, incy, true);
  for (int i = 0; i < n; i++) {
    const T a = AT(x, i), b = AT(y, i);
    AT(x, i) = *c * a + *s * b;
    AT(y, i) = *c * b - *s * a;
  }
  END(4.0 * n);
}

// Sums in double; a result on the host is there when the call returns.
cublasStatus_t NAME(dot)(cublasHandle_t handle, int n, const T *x, int incx, const T *y, int incy,
                         T *result) {
  BEGIN(!result);
  NAME(vector)(op, x, n, incx, false);
  NAME(vector)(op, y, n, incy, false);
  double sum = 0;
  for (int i = 0; i < n; i++) sum += (double)AT(x, i) * (double)AT(y, i);
  give(handle, op, result, &(T){(T)sum}, sizeof(T));
  END_RESULT(2.0 * n);
}
cublasStatus_t NAME(nrm2)(cublasHandle_t handle, int n, const T *x, int incx, T *result) {
  BEGIN(!result);
  NAME(vector)(op, x, n, incx, false);
  double most = 0, sum = 0;
  for (int i = 0; i < n && incx > 0; i++) most = fmax(most, fabs((double)AT(x, i)));
  for (int i = 0; i < n && incx > 0 && most > 0; i++)
    sum += (double)AT(x, i) / most * ((double)AT(x, i) / most);
  give(handle, op, result, &(T){(T)(most * sqrt(sum))}, sizeof(T));
  END_RESULT(1.0 * n);
}
cublasStatus_t NAME(asum)(cublasHandle_t handle, int n, const T *x, int incx, T *result) {
  BEGIN(!result);
  NAME(vector)(op, x, n, incx, false);
  double sum = 0;
  for (int i = 0; i < n && incx > 0; i++) sum += fabs((double)AT(x, i));
  give(handle, op, result, &(T){(T)sum}, sizeof(T));
  END_RESULT(1.0 * n);
}
// Places count from 1; 0 where there is none.
#define EXTREME(name, better)                                                                        \
  cublasStatus_t INDEX_NAME(name)(cublasHandle_t handle, int n, const T *x, int incx, int *result) { \
    BEGIN(!result);                                                                                  \
    NAME(vector)(op, x, n, incx, false);                                                             \
    int best = n > 0 && incx > 0 ? 1 : 0;                                                            \
    for (int i = 1; i < n && incx > 0; i++)                                                          \
      if (fabs((double)AT(x, i)) better fabs((double)AT(x, best - 1))) best = i + 1;                 \
    give(handle, op, result, &best, sizeof best);                                                    \
    END_RESULT(1.0 * n);                                                                             \
  }
EXTREME(amax, >)
EXTREME(amin, <)

// ---------------------------------------------------------------- a matrix and vectors

#define ELEMENT(a, i, j) a[(size_t)(i) + (size_t)(j) * (size_t)ld##a]

cublasStatus_t NAME(gemv)(cublasHandle_t handle, cublasOperation_t trans, int m, int columns, const T *alpha,
                          const T *a, int lda, const T *x, int incx, const T *beta, T *y, int incy) {
  BEGIN(m < 0 || columns < 0 || lda < sim_blas_largest(1, m) || !incx || !incy || !alpha || !beta);
  const bool turned = trans != CUBLAS_OP_N;
  const int rows = turned ? columns : m, inner = turned ? m : columns;
  NAME(matrix)(op, a, m, columns, lda, false);
  NAME(vector)(op, x, inner, incx, false);
  NAME(vector)(op, y, rows, incy, true);
  for (int i = 0; i < rows; i++) {
    double sum = 0;
    for (int j = 0; j < inner; j++)
      sum += (double)(turned ? ELEMENT(a, j, i) : ELEMENT(a, i, j)) * (double)x[NAME(at)(j, inner, incx)];
    T *out = &y[NAME(at)(i, rows, incy)];
    *out = (T)((double)*alpha * sum + (*beta == 0 ? 0 : (double)*beta * (double)*out));
  }
  END((double)m * columns + m + columns);
}
cublasStatus_t NAME(ger)(cublasHandle_t handle, int m, int n, const T *alpha, const T *x, int incx,
                         const T *y, int incy, T *a, int lda) {
  BEGIN(m < 0 || n < 0 || lda < sim_blas_largest(1, m) || !incx || !incy || !alpha);
  NAME(vector)(op, x, m, incx, false);
  NAME(vector)(op, y, n, incy, false);
  NAME(matrix)(op, a, m, n, lda, true);
  for (int j = 0; j < n; j++)
    for (int i = 0; i < m; i++) ELEMENT(a, i, j) += *alpha * x[NAME(at)(i, m, incx)] * AT(y, j);
  END(2.0 * m * n);
}
cublasStatus_t NAME(symv)(cublasHandle_t handle, cublasFillMode_t uplo, int n, const T *alpha, const T *a,
                          int lda, const T *x, int incx, const T *beta, T *y, int incy) {
  BEGIN(n < 0 || lda < sim_blas_largest(1, n) || !incx || !incy || !alpha || !beta);
  NAME(vector)(op, x, n, incx, false);
  NAME(vector)(op, y, n, incy, true);
  for (int i = 0; i < n; i++) {
    double sum = 0;
    for (int j = 0; j < n; j++) {
      const bool stored = uplo == CUBLAS_FILL_MODE_LOWER ? i >= j : i <= j;
      sum += (double)(stored ? ELEMENT(a, i, j) : ELEMENT(a, j, i)) * (double)AT(x, j);
    }
    AT(y, i) = (T)((double)*alpha * sum + (*beta == 0 ? 0 : (double)*beta * (double)AT(y, i)));
  }
  END(0.5 * n * n);
}

// op(a)[i][j] of a triangle, 0 outside it.
static T NAME(triangle)(const T *a, int lda, cublasFillMode_t uplo, cublasOperation_t trans,
                        cublasDiagType_t diag, int i, int j) {
  if (i == j && diag == CUBLAS_DIAG_UNIT) return 1;
  if (trans != CUBLAS_OP_N) {
    const int row = j;
    j = i;
    i = row;
  }
  return (uplo == CUBLAS_FILL_MODE_LOWER ? i >= j : i <= j) ? ELEMENT(a, i, j) : 0;
}
// x = op(a)^-1 x, element by element from the side where op(a) has one entry.
static void NAME(solve)(const T *a, int lda, cublasFillMode_t uplo, cublasOperation_t trans,
                        cublasDiagType_t diag, int n, T *x, long long stride) {
  const bool down = (uplo == CUBLAS_FILL_MODE_LOWER) == (trans == CUBLAS_OP_N);
  for (int step = 0; step < n; step++) {
    const int i = down ? step : n - 1 - step;
    double rest = (double)x[i * stride];
    for (int j = down ? 0 : i + 1; j < (down ? i : n); j++)
      rest -= (double)NAME(triangle)(a, lda, uplo, trans, diag, i, j) * (double)x[j * stride];
    x[i * stride] = (T)(rest / (double)NAME(triangle)(a, lda, uplo, trans, diag, i, i));
  }
}
cublasStatus_t NAME(trmv)(cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t trans,
                          cublasDiagType_t diag, int n, const T *a, int lda, T *x, int incx) {
  BEGIN(n < 0 || lda < sim_blas_largest(1, n) || !incx);
  NAME(vector)(op, x, n, incx, true);
  const bool lower = (uplo == CUBLAS_FILL_MODE_LOWER) == (trans == CUBLAS_OP_N);
  for (int step = 0; step < n; step++) {  // in the order in which no value is needed any more
    const int i = lower ? n - 1 - step : step;
    double sum = 0;
    for (int j = lower ? 0 : i; j <= (lower ? i : n - 1); j++)
      sum += (double)NAME(triangle)(a, lda, uplo, trans, diag, i, j) * (double)AT(x, j);
    AT(x, i) = (T)sum;
  }
  END(0.5 * n * n);
}
cublasStatus_t NAME(trsv)(cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t trans,
                          cublasDiagType_t diag, int n, const T *a, int lda, T *x, int incx) {
  BEGIN(n < 0 || lda < sim_blas_largest(1, n) || !incx);
  NAME(vector)(op, x, n, incx, true);
  NAME(solve)(a, lda, uplo, trans, diag, n, x + NAME(at)(0, n, incx), incx);
  END(0.5 * n * n);
}

// ---------------------------------------------------------------- matrices

cublasStatus_t NAME(geam)(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m,
                          int n, const T *alpha, const T *a, int lda, const T *beta, const T *b, int ldb,
                          T *c, int ldc) {
  BEGIN(m < 0 || n < 0 || !alpha || !beta || ldc < sim_blas_largest(1, m));
  const bool ta = transa != CUBLAS_OP_N, tb = transb != CUBLAS_OP_N;
  if (*alpha != 0) NAME(matrix)(op, a, ta ? n : m, ta ? m : n, lda, false);
  if (*beta != 0) NAME(matrix)(op, b, tb ? n : m, tb ? m : n, ldb, false);
  NAME(matrix)(op, c, m, n, ldc, true);
  for (int j = 0; j < n; j++)
    for (int i = 0; i < m; i++) {
      const T x = *alpha == 0 ? 0 : *alpha * (ta ? ELEMENT(a, j, i) : ELEMENT(a, i, j));
      const T y = *beta == 0 ? 0 : *beta * (tb ? ELEMENT(b, j, i) : ELEMENT(b, i, j));
      ELEMENT(c, i, j) = x + y;
    }
  END(3.0 * m * n);
}
cublasStatus_t NAME(dgmm)(cublasHandle_t handle, cublasSideMode_t side, int m, int columns, const T *a,
                          int lda, const T *x, int incx, T *c, int ldc) {
  BEGIN(m < 0 || columns < 0 || lda < sim_blas_largest(1, m) || ldc < sim_blas_largest(1, m));
  const int n = side == CUBLAS_SIDE_LEFT ? m : columns;
  NAME(matrix)(op, a, m, columns, lda, false);
  NAME(vector)(op, x, n, incx, false);
  NAME(matrix)(op, c, m, columns, ldc, true);
  for (int j = 0; j < columns; j++)
    for (int i = 0; i < m; i++) ELEMENT(c, i, j) = ELEMENT(a, i, j) * AT(x, side == CUBLAS_SIDE_LEFT ? i : j);
  END(2.0 * m * columns);
}
cublasStatus_t NAME(symm)(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo, int m, int n,
                          const T *alpha, const T *a, int lda, const T *b, int ldb, const T *beta, T *c,
                          int ldc) {
  const int k = side == CUBLAS_SIDE_LEFT ? m : n;
  BEGIN(m < 0 || n < 0 || !alpha || !beta || lda < sim_blas_largest(1, k) || ldb < sim_blas_largest(1, m) ||
        ldc < sim_blas_largest(1, m));
  NAME(matrix)(op, b, m, n, ldb, false);
  NAME(matrix)(op, c, m, n, ldc, true);
  T *full = malloc(sizeof *full * (size_t)sim_blas_largest(1, k) * (size_t)sim_blas_largest(1, k));
  for (int j = 0; full && j < k; j++)
    for (int i = 0; i < k; i++) {
      const bool stored = uplo == CUBLAS_FILL_MODE_LOWER ? i >= j : i <= j;
      full[(size_t)i + (size_t)j * (size_t)k] = stored ? ELEMENT(a, i, j) : ELEMENT(a, j, i);
    }
  if (full && side == CUBLAS_SIDE_LEFT)
    GEMM(false, false, m, n, k, *alpha, full, sim_blas_largest(1, k), b, ldb, *beta, c, ldc);
  else if (full)
    GEMM(false, false, m, n, k, *alpha, b, ldb, full, sim_blas_largest(1, k), *beta, c, ldc);
  const bool memory = full != NULL;
  free(full);
  sim_check_op_end(op);
  return memory ? finish_product(handle, __func__, m, n, k, sizeof(T)) : CUBLAS_STATUS_ALLOC_FAILED;
}
cublasStatus_t NAME(syrk)(cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t trans, int n, int k,
                          const T *alpha, const T *a, int lda, const T *beta, T *c, int ldc) {
  const bool turned = trans != CUBLAS_OP_N;
  BEGIN(n < 0 || k < 0 || !alpha || !beta || lda < sim_blas_largest(1, turned ? k : n) ||
        ldc < sim_blas_largest(1, n));
  NAME(matrix)(op, a, turned ? k : n, turned ? n : k, lda, false);
  for (int j = 0; j < n; j++)
    for (int i = uplo == CUBLAS_FILL_MODE_LOWER ? j : 0; i < (uplo == CUBLAS_FILL_MODE_LOWER ? n : j + 1);
         i++) {
      double sum = 0;
      for (int p = 0; p < k; p++)
        sum += turned ? (double)ELEMENT(a, p, i) * (double)ELEMENT(a, p, j)
                      : (double)ELEMENT(a, i, p) * (double)ELEMENT(a, j, p);
      T *out = &ELEMENT(c, i, j);
      sim_check_rows(op, out, sizeof *out, sizeof *out, 1, true);
      *out = (T)((double)*alpha * sum + (*beta == 0 ? 0 : (double)*beta * (double)*out));
    }
  sim_check_op_end(op);
  return finish_product(handle, __func__, n, (n + 1) / 2, k, sizeof(T));
}
cublasStatus_t NAME(trsm)(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo,
                          cublasOperation_t trans, cublasDiagType_t diag, int m, int n, const T *alpha,
                          const T *a, int lda, T *b, int ldb) {
  const bool left = side == CUBLAS_SIDE_LEFT;
  BEGIN(m < 0 || n < 0 || !alpha || lda < sim_blas_largest(1, left ? m : n) || ldb < sim_blas_largest(1, m));
  NAME(matrix)(op, b, m, n, ldb, true);
  for (int j = 0; j < n; j++)
    for (int i = 0; i < m; i++) ELEMENT(b, i, j) = *alpha == 0 ? 0 : *alpha * ELEMENT(b, i, j);
  // x op(a) = b is op(a)' x' = b', row by row.
  const cublasOperation_t other = trans == CUBLAS_OP_N ? CUBLAS_OP_T : CUBLAS_OP_N;
  for (int j = 0; left && j < n; j++) NAME(solve)(a, lda, uplo, trans, diag, m, &ELEMENT(b, 0, j), 1);
  for (int i = 0; !left && i < m; i++) NAME(solve)(a, lda, uplo, other, diag, n, &ELEMENT(b, i, 0), ldb);
  sim_check_op_end(op);
  return finish_product(handle, __func__, m, n, (left ? m : n + 1) / 2, sizeof(T));
}

#undef END_RESULT
#undef AT
#undef EXTREME
#undef ELEMENT
