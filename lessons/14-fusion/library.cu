// SPDX-License-Identifier: MIT
// What is there already: the attention that training uses, and the vendor's products.
#include <cublas_v2.h>

#include "fusion.h"
#include "heddle/device.h"
#include "heddle/error.h"
#include "kernels/nn/ops.h"

// kernels/nn: one kernel, a warp for each query, which keeps the weights: the backward pass reads them.
// `naive` in one launch, with its row of scores in L1 while it needs them.
void run_attention_kernel(hd_case *c) {
  const attention_case *a = (const attention_case *)c->state;
  const hd_heads heads = {1, a->n, a->heads, WIDTH};
  a->ops->attention(a->ops, a->on_q, a->scores, a->on_y, heads);
  const double rows = (double)a->heads * (double)a->n, triangle = rows * (double)(a->n + 1) / 2;
  note_traffic(c, 4 * (triangle * (2 * WIDTH + 5 + 2 * WIDTH) + rows * (double)a->n),
               4 * rows * (double)a->n);
  note_intensity(c, 2, HD_F32);  // what is written in between stays in L1 or L2
}

static void check(cublasStatus_t status, const char *call, long n) {
  if (status != CUBLAS_STATUS_SUCCESS)
    hd_fail(HD_EXIT_FAILURE, "%s failed with status %d at n = %ld", call, (int)status, n);
}

// The library's products, one call for all heads, and our softmax between them. cuBLAS counts by columns, so
// it sees our scores by rows as K · Qᵀ and our result as Vᵀ · Pᵀ. It knows no diagonal: twice the FLOPs.
void run_attention_cublas(hd_case *c) {
  const attention_case *a = (const attention_case *)c->state;
  static cublasHandle_t handle;
  if (!handle) check(cublasCreate(&handle), "cublasCreate", a->n);
  const int n = (int)a->n, heads = (int)a->heads;
  const long long rows = (long long)n * WIDTH, square = (long long)n * n;
  const float scale = 0.125f, one = 1, zero = 0;
  check(cublasSgemmStridedBatched(handle, CUBLAS_OP_T, CUBLAS_OP_N, n, n, WIDTH, &scale, a->on_k, WIDTH, rows,
                                  a->on_q, WIDTH, rows, &zero, a->scores, n, square, heads),
        "cublasSgemmStridedBatched", n);
  softmax_of_scores(a->scores, a->heads * a->n, a->n);
  check(cublasSgemmStridedBatched(handle, CUBLAS_OP_N, CUBLAS_OP_N, WIDTH, n, n, &one, a->on_v, WIDTH, rows,
                                  a->scores, n, square, &zero, a->on_y, WIDTH, rows, heads),
        "cublasSgemmStridedBatched", n);
  const double matrix = (double)heads * (double)square;
  note_traffic(c, 4 * (2 * matrix + 1.5 * matrix + matrix) + 16.0 * (double)heads * (double)rows, 4 * matrix);
  note_intensity(c, 7, HD_F32);  // squares: written, written, read; and a triangle read
}
