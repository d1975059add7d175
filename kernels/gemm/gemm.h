// SPDX-License-Identifier: MIT
// Matrix product in single precision, C = alpha · op(A) · op(B) + beta · C, all matrices row-major.
//   op(A) is m × k, op(B) is k × n, C is m × n; op(X) = X, or X transposed where trans_x is true.
//   lda, ldb, ldc: floats from one stored row to the next. Stored rows: A is m × k (k × m when transposed),
//   B is k × n (n × k when transposed).
// As in BLAS: beta = 0 does not read C (it may hold NaN), alpha = 0 or k = 0 does not read A and B,
// m = 0 or n = 0 does nothing.
#ifndef HEDDLE_KERNELS_GEMM_H
#define HEDDLE_KERNELS_GEMM_H
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

// The product by at most omp_get_max_threads() threads of the caller; with one, no other thread takes part,
// so that several rank threads may call it at the same time. Packing buffers belong to the calling threads
// and are kept between calls. Algorithm: the five loops of BLIS (Van Zee and van de Geijn, ACM TOMS 41(3),
// 2015), see gemm.c.
void hd_gemm(bool trans_a, bool trans_b, long m, long n, long k, float alpha, const float *a, long lda,
             const float *b, long ldb, float beta, float *c, long ldc);

// The same product with every operation in double precision, by all OpenMP threads: what results are checked
// against. c is in double too, and read only if beta is not 0.
void hd_gemm_reference(bool trans_a, bool trans_b, long m, long n, long k, float alpha, const float *a,
                       long lda, const float *b, long ldb, float beta, double *c, long ldc);

// Largest relative error (in the measure of hd_compare) that a correct single-precision product of inner
// length k, on N(0,1) inputs, may show. One product term carries a relative rounding error of at most u =
// 2^-24, one addition at most u of the partial sum; independent errors of a length-k sum of standard
// deviation sqrt(k) grow like u · sqrt(k) relative to the rms of C (Higham and Mary, SIAM J. Sci. Comput.
// 41(5), 2019). The largest of m·n elements lies a few standard deviations out; 8 covers that for every
// summation order used here.
static inline double hd_gemm_tolerance(long k) {
  double root = 1;
  while (root * root < (double)k) root *= 1.25;
  return 8 * 0x1p-24 * root;
}

#ifdef __cplusplus
}
#endif
#endif
