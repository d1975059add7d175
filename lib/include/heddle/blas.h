// SPDX-License-Identifier: MIT
// BLAS libraries loaded at run time: the peers of lesson 07, and the GEMM behind cuBLAS on simulated GPUs.
//
// A library chooses its kernels by asking which processor it runs on. One that is older than the processor
// guesses, and may guess badly (OpenBLAS 0.3.21 takes a Zen 5 for a Haswell and leaves half of the machine
// unused). A fair peer is the library at its best core type, so each library can be opened twice: as it
// detects itself, and a second, independent copy told to use the core type that is measured to be the fastest
// here.
//
// All of it is optional: a library that was not found at configure time, or cannot be loaded, gives NULL.
#ifndef HEDDLE_BLAS_H
#define HEDDLE_BLAS_H
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum hd_blas_kind {
  HD_BLAS_OPENBLAS,  // OpenBLAS as this environment gives it: the core type it detects, or OPENBLAS_CORETYPE
  HD_BLAS_OPENBLAS_BEST,  // a private copy of OpenBLAS at its fastest core type on this machine
  HD_BLAS_BLIS,       // BLIS as this environment gives it: the configuration it detects, or BLIS_ARCH_TYPE
  HD_BLAS_BLIS_BEST,  // a private copy of BLIS at its fastest configuration on this machine
  HD_BLAS_KINDS
};

typedef struct hd_blas hd_blas;

// The library, loaded by the first call for its kind and kept until the process ends; NULL if there is none.
// The first call of a "best" kind takes 0.1-0.3 s: it tries the core types this processor's instruction set
// allows, each in a child process (a core type that crashes costs nothing), and changes the environment for a
// moment: make it before starting threads that read the environment.
const hd_blas *hd_blas_open(enum hd_blas_kind kind);

// C = alpha · op(A) · op(B) + beta · C, row-major, as hd_gemm (kernels/gemm/gemm.h), by omp_get_max_threads()
// threads. Dimensions above INT_MAX end the process with a message.
void hd_blas_sgemm(const hd_blas *blas, bool trans_a, bool trans_b, long m, long n, long k, float alpha,
                   const float *a, long lda, const float *b, long ldb, float beta, float *c, long ldc);

// The core type the library really uses, as it names it: "SkylakeX", "haswell"; "unknown" if it does not say.
// If the user's environment chose it and not the library, that is added: "Haswell, forced by
// OPENBLAS_CORETYPE".
const char *hd_blas_core_name(const hd_blas *blas);

// The file it was loaded from; "" for NULL. A copy gives the file it was copied from.
const char *hd_blas_path(const hd_blas *blas);

#ifdef __cplusplus
}
#endif
#endif
