// SPDX-License-Identifier: MIT
// One computation with a dial: for each of n elements, start with v = b[i] and do v = v × RATIO + c[i] k
// times; a[i] = v. It reads 8 bytes and writes 4 for 2k FLOPs: k = 1 is STREAM's triad, a large k is pure
// arithmetic. a, b, c: (n) floats, 64-byte aligned.
#ifndef FOLD_H
#define FOLD_H

#define FOLD_RATIO 0.9990234375f  // 1 - 2^-10: exact, and neither overflows nor settles within 1000 steps

typedef void fold(float *a, const float *b, const float *c, long n, long k);

#ifdef __cplusplus
extern "C" {
#endif
fold fold_scalar, fold_simd, fold_chains, fold_threads, fold_streaming;
#ifdef __cplusplus
}
#endif
#endif
