// SPDX-License-Identifier: MIT
// cuBLAS's factorizations of batches of small matrices of one real type: included once per type with T and
// NAME(call) set. Column-major, in place, one matrix after the other in plain loops.

#define ELEMENT(a, ld, i, j) (a)[(size_t)(i) + (size_t)(j) * (size_t)(ld)]

// a = P L U with partial pivoting; without pivots where there is no array for them. Pivots count from 1, so
// does the result: the first column with no pivot, or 0.
static int NAME(factor)(T *a, int lda, int n, int *pivots) {
  int singular = 0;
  for (int k = 0; k < n; k++) {
    int best = k;
    for (int i = k + 1; pivots && i < n; i++)
      if (fabs((double)ELEMENT(a, lda, i, k)) > fabs((double)ELEMENT(a, lda, best, k))) best = i;
    if (pivots) pivots[k] = best + 1;
    for (int j = 0; best != k && j < n; j++) {
      const T old = ELEMENT(a, lda, k, j);
      ELEMENT(a, lda, k, j) = ELEMENT(a, lda, best, j);
      ELEMENT(a, lda, best, j) = old;
    }
    if (ELEMENT(a, lda, k, k) == 0) {
      if (!singular) singular = k + 1;
      continue;
    }
    for (int i = k + 1; i < n; i++) {
      const T factor = ELEMENT(a, lda, i, k) /= ELEMENT(a, lda, k, k);
      for (int j = k + 1; j < n; j++) ELEMENT(a, lda, i, j) -= factor * ELEMENT(a, lda, k, j);
    }
  }
  return singular;
}

// b = op(a)^-1 b, with a factored.
static void NAME(substitute)(const T *a, int lda, int n, const int *pivots, bool turned, T *b, int ldb,
                             int columns) {
  for (int c = 0; c < columns; c++) {
    T *x = b + (size_t)c * (size_t)ldb;
    for (int k = 0; pivots && !turned && k < n; k++) {
      const T old = x[k];
      x[k] = x[pivots[k] - 1];
      x[pivots[k] - 1] = old;
    }
    // L first and then U; of the transpose, U's first and then L's.
    for (int i = 0; i < n; i++) {
      double rest = (double)x[i];
      for (int j = 0; j < i; j++)
        rest -= (double)(turned ? ELEMENT(a, lda, j, i) : ELEMENT(a, lda, i, j)) * (double)x[j];
      x[i] = (T)(turned ? rest / (double)ELEMENT(a, lda, i, i) : rest);
    }
    for (int i = n - 1; i >= 0; i--) {
      double rest = (double)x[i];
      for (int j = i + 1; j < n; j++)
        rest -= (double)(turned ? ELEMENT(a, lda, j, i) : ELEMENT(a, lda, i, j)) * (double)x[j];
      x[i] = (T)(turned ? rest : rest / (double)ELEMENT(a, lda, i, i));
    }
    for (int k = n - 1; pivots && turned && k >= 0; k--) {
      const T old = x[k];
      x[k] = x[pivots[k] - 1];
      x[pivots[k] - 1] = old;
    }
  }
}

static void NAME(identity)(T *c, int ldc, int n) {
  for (int j = 0; j < n; j++)
    for (int i = 0; i < n; i++) ELEMENT(c, ldc, i, j) = i == j;
}

static void NAME(tell)(unsigned op, const T *a, int rows, int columns, int leading, bool write) {
  if (rows > 0 && columns > 0)
    sim_check_rows(op, a, sizeof *a * (size_t)rows, sizeof *a * (size_t)leading, (size_t)columns, write);
}

cublasStatus_t NAME(getrfBatched)(cublasHandle_t handle, int n, T *const a[], int lda, int *pivots, int *info,
                                  int count) {
  BEGIN(n < 0 || count < 0 || lda < sim_blas_largest(1, n) || !a || !info);
  for (int b = 0; b < count; b++) {
    NAME(tell)(op, a[b], n, n, lda, true);
    info[b] = NAME(factor)(a[b], lda, n, pivots ? pivots + (size_t)b * (size_t)n : NULL);
  }
  if (pivots && n > 0 && count > 0)
    sim_check_rows(op, pivots, sizeof *pivots * (size_t)n, sizeof *pivots * (size_t)n, (size_t)count, true);
  if (count > 0) sim_check_rows(op, info, sizeof *info, sizeof *info, (size_t)count, true);
  END(2.0 * n * n * count);
}
cublasStatus_t NAME(getrsBatched)(cublasHandle_t handle, cublasOperation_t trans, int n, int columns,
                                  const T *const a[], int lda, const int *pivots, T *const b[], int ldb,
                                  int *info, int count) {
  BEGIN(n < 0 || columns < 0 || count < 0 || lda < sim_blas_largest(1, n) || ldb < sim_blas_largest(1, n) ||
        !a || !b);
  for (int k = 0; k < count; k++) {
    NAME(tell)(op, a[k], n, n, lda, false);
    NAME(tell)(op, b[k], n, columns, ldb, true);
    NAME(substitute)
    (a[k], lda, n, pivots ? pivots + (size_t)k * (size_t)n : NULL, trans != CUBLAS_OP_N, b[k], ldb, columns);
  }
  if (info) *info = 0;  // of the host, as in cuBLAS
  END((1.0 * n * n + 2.0 * n * columns) * count);
}
cublasStatus_t NAME(getriBatched)(cublasHandle_t handle, int n, const T *const a[], int lda,
                                  const int *pivots, T *const c[], int ldc, int *info, int count) {
  BEGIN(n < 0 || count < 0 || lda < sim_blas_largest(1, n) || ldc < sim_blas_largest(1, n) || !a || !c ||
        !info);
  for (int k = 0; k < count; k++) {
    NAME(tell)(op, a[k], n, n, lda, false);
    NAME(tell)(op, c[k], n, n, ldc, true);
    info[k] = 0;
    for (int i = n - 1; i >= 0; i--)
      if (ELEMENT(a[k], lda, i, i) == 0) info[k] = i + 1;
    if (info[k]) continue;
    NAME(identity)(c[k], ldc, n);
    NAME(substitute)(a[k], lda, n, pivots ? pivots + (size_t)k * (size_t)n : NULL, false, c[k], ldc, n);
  }
  if (count > 0) sim_check_rows(op, info, sizeof *info, sizeof *info, (size_t)count, true);
  END(2.0 * n * n * count);
}
// The inverse in one call; the matrices stay as they are.
cublasStatus_t NAME(matinvBatched)(cublasHandle_t handle, int n, const T *const a[], int lda, T *const c[],
                                   int ldc, int *info, int count) {
  BEGIN(n < 0 || n > 32 || count < 0 || lda < sim_blas_largest(1, n) || ldc < sim_blas_largest(1, n) || !a ||
        !c || !info);
  T own[32 * 32];
  int pivots[32];
  for (int k = 0; k < count; k++) {
    NAME(tell)(op, a[k], n, n, lda, false);
    NAME(tell)(op, c[k], n, n, ldc, true);
    for (int j = 0; j < n; j++)
      for (int i = 0; i < n; i++) ELEMENT(own, 32, i, j) = ELEMENT(a[k], lda, i, j);
    info[k] = NAME(factor)(own, 32, n, pivots);
    if (info[k]) continue;
    NAME(identity)(c[k], ldc, n);
    NAME(substitute)(own, 32, n, pivots, false, c[k], ldc, n);
  }
  if (count > 0) sim_check_rows(op, info, sizeof *info, sizeof *info, (size_t)count, true);
  END(2.0 * n * n * count);
}

// a = Q R by Householder's reflections: R above, the reflections' vectors below the diagonal, their factors
// in tau.
static void NAME(reflect)(T *a, int lda, int m, int n, T *tau) {
  for (int k = 0; k < n && k < m; k++) {
    double square = 0;
    for (int i = k + 1; i < m; i++) square += (double)ELEMENT(a, lda, i, k) * (double)ELEMENT(a, lda, i, k);
    const double first = (double)ELEMENT(a, lda, k, k), length = sqrt(first * first + square);
    tau[k] = 0;
    if (square == 0) continue;
    const double diagonal = first > 0 ? -length : length;
    tau[k] = (T)((diagonal - first) / diagonal);
    for (int i = k + 1; i < m; i++)
      ELEMENT(a, lda, i, k) = (T)((double)ELEMENT(a, lda, i, k) / (first - diagonal));
    ELEMENT(a, lda, k, k) = (T)diagonal;
    for (int j = k + 1; j < n; j++) {
      double dot = (double)ELEMENT(a, lda, k, j);
      for (int i = k + 1; i < m; i++) dot += (double)ELEMENT(a, lda, i, k) * (double)ELEMENT(a, lda, i, j);
      dot *= (double)tau[k];
      ELEMENT(a, lda, k, j) = (T)((double)ELEMENT(a, lda, k, j) - dot);
      for (int i = k + 1; i < m; i++)
        ELEMENT(a, lda, i, j) = (T)((double)ELEMENT(a, lda, i, j) - dot * (double)ELEMENT(a, lda, i, k));
    }
  }
}
cublasStatus_t NAME(geqrfBatched)(cublasHandle_t handle, int m, int n, T *const a[], int lda, T *const tau[],
                                  int *info, int count) {
  BEGIN(m < 0 || n < 0 || count < 0 || lda < sim_blas_largest(1, m) || !a || !tau);
  for (int k = 0; k < count; k++) {
    NAME(tell)(op, a[k], m, n, lda, true);
    NAME(tell)(op, tau[k], m < n ? m : n, 1, m < n ? m : n, true);
    NAME(reflect)(a[k], lda, m, n, tau[k]);
  }
  if (info) *info = 0;
  END(2.0 * m * n * count);
}
// Least squares, of no fewer rows than columns: x stands in the first rows of c.
cublasStatus_t NAME(gelsBatched)(cublasHandle_t handle, cublasOperation_t trans, int m, int n, int columns,
                                 T *const a[], int lda, T *const c[], int ldc, int *info, int *each,
                                 int count) {
  BEGIN(m < 0 || n < 0 || columns < 0 || count < 0 || lda < sim_blas_largest(1, m) ||
        ldc < sim_blas_largest(1, m) || !a || !c);
  T *tau = trans == CUBLAS_OP_N && m >= n ? malloc(sizeof *tau * (size_t)sim_blas_largest(1, n)) : NULL;
  for (int k = 0; tau && k < count; k++) {
    NAME(tell)(op, a[k], m, n, lda, true);
    NAME(tell)(op, c[k], m, columns, ldc, true);
    NAME(reflect)(a[k], lda, m, n, tau);
    int singular = 0;
    for (int i = n - 1; i >= 0; i--)
      if (ELEMENT(a[k], lda, i, i) == 0) singular = i + 1;
    if (each) each[k] = singular;
    for (int j = 0; j < columns && !singular; j++) {
      T *x = c[k] + (size_t)j * (size_t)ldc;
      for (int r = 0; r < n; r++) {
        double dot = (double)x[r];
        for (int i = r + 1; i < m; i++) dot += (double)ELEMENT(a[k], lda, i, r) * (double)x[i];
        dot *= (double)tau[r];
        x[r] = (T)((double)x[r] - dot);
        for (int i = r + 1; i < m; i++) x[i] = (T)((double)x[i] - dot * (double)ELEMENT(a[k], lda, i, r));
      }
      for (int i = n - 1; i >= 0; i--) {
        double rest = (double)x[i];
        for (int q = i + 1; q < n; q++) rest -= (double)ELEMENT(a[k], lda, i, q) * (double)x[q];
        x[i] = (T)(rest / (double)ELEMENT(a[k], lda, i, i));
      }
    }
  }
  const bool done = tau;
  free(tau);
  if (info) *info = 0;
  if (!done) {
    sim_check_op_end(op);
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  END(2.0 * m * n * count);
}

#undef ELEMENT
