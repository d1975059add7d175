// SPDX-License-Identifier: MIT
// The matrix product in double precision: what every other one is checked against. It shares no code with
// hd_gemm, so that a mistake there cannot hide here, and is blocked just enough to be waited for.
#include "kernels/gemm/gemm.h"

// A group of rows meets a strip of columns: ROWS × COLUMNS sums in double stay in the L1 cache (8 KiB) while
// the strip of B (k rows of 1 KiB) streams through once for all ROWS rows.
enum { ROWS = 4, COLUMNS = 256 };

typedef struct operand {
  const float *data;
  long row_stride, column_stride;  // element (i, j) of op(X) is data[i · row_stride + j · column_stride]
} operand;

static void strip(operand a, operand b, long rows, long columns, long k, double sum[ROWS][COLUMNS]) {
  for (int i = 0; i < ROWS; i++)
    for (int j = 0; j < COLUMNS; j++) sum[i][j] = 0;
  for (long p = 0; p < k; p++) {
    double factor[ROWS] = {0};  // rows that do not exist add zero times B
    for (long i = 0; i < rows; i++) factor[i] = a.data[i * a.row_stride + p * a.column_stride];
    const float *row = b.data + p * b.row_stride;
    for (long j = 0; j < columns; j++) {
      const double x = row[j * b.column_stride];
      for (int i = 0; i < ROWS; i++) sum[i][j] += factor[i] * x;
    }
  }
}

void hd_gemm_reference(bool trans_a, bool trans_b, long m, long n, long k, float alpha, const float *a,
                       long lda, const float *b, long ldb, float beta, double *c, long ldc) {
  const operand left = {a, trans_a ? 1 : lda, trans_a ? lda : 1};
  const operand right = {b, trans_b ? 1 : ldb, trans_b ? ldb : 1};
  if (alpha == 0) k = 0;
#pragma omp parallel for collapse(2) schedule(dynamic)
  for (long i = 0; i < m; i += ROWS)
    for (long j = 0; j < n; j += COLUMNS) {
      const long rows = m - i < ROWS ? m - i : ROWS, columns = n - j < COLUMNS ? n - j : COLUMNS;
      double sum[ROWS][COLUMNS];
      operand a_rows = left, b_columns = right;
      a_rows.data += i * left.row_stride;
      b_columns.data += j * right.column_stride;
      strip(a_rows, b_columns, rows, columns, k, sum);
      for (long r = 0; r < rows; r++)
        for (long s = 0; s < columns; s++) {
          double *out = c + (i + r) * ldc + j + s;
          const double product = (double)alpha * sum[r][s];
          *out = beta == 0 ? product : product + (double)beta * *out;
        }
    }
}
