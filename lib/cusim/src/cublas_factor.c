// SPDX-License-Identifier: MIT
// cuBLAS's factorizations, for float and double.
#include <math.h>
#include <stdlib.h>

#include "cublas_call.h"

#define T float
#define NAME(call) cublasS##call
#include "cublas_factor.h"
#undef T
#undef NAME

#define T double
#define NAME(call) cublasD##call
#include "cublas_factor.h"
