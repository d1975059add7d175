// SPDX-License-Identifier: MIT
// GELU in its tanh form and its derivative, for both sides of the operation table.
#ifndef HEDDLE_KERNELS_NN_GELU_H
#define HEDDLE_KERNELS_NN_GELU_H
#include <math.h>

#ifdef __CUDACC__
#define HD_BOTH_SIDES __host__ __device__ static inline
#else
#define HD_BOTH_SIDES static inline
#endif

// glibc computes tanh of whole vectors, to 4 units in the last place, but tells compilers so with -ffast-math
// only.
#if defined(__x86_64__) && defined(__GLIBC_PREREQ) && !defined(__CUDACC__) && !defined(__clang__)
#if __GLIBC_PREREQ(2, 35)
__attribute__((simd("notinbranch"))) float tanhf(float);
#endif
#endif

#define HD_GELU_SCALE 0.7978845608f  // √(2/π)
#define HD_GELU_CUBE 0.044715f

HD_BOTH_SIDES float hd_gelu(float z) {
  return 0.5f * z * (1 + tanhf(HD_GELU_SCALE * (z + HD_GELU_CUBE * z * z * z)));
}

HD_BOTH_SIDES float hd_gelu_slope(float z) {
  const float t = tanhf(HD_GELU_SCALE * (z + HD_GELU_CUBE * z * z * z));
  return 0.5f * (1 + t) + 0.5f * z * (1 - t * t) * HD_GELU_SCALE * (1 + 3 * HD_GELU_CUBE * z * z);
}
#endif
