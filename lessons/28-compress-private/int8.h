// SPDX-License-Identifier: MIT
// Idea: a gradient is noise anyway; send 8 bits of each element, with a scale for each block of 256.
// Rounding is stochastic: x/scale = 2.3 becomes 3 three times in ten, so the mean over many is right.
// Rounding to nearest would send everything below half a step as zero, every time. Prediction: 65 words for
// 256 elements, 3.94 times fewer bytes. Reason for scales that are powers of two: a whole number times such a
// scale is exact, so nothing but the rounding itself is lost, and what is left out can be computed exactly;
// and x/scale + u is the same number with and without fused multiply-add, on a CPU and on a GPU.
#ifndef HEDDLE_LESSON_28_INT8_H
#define HEDDLE_LESSON_28_INT8_H
#include <math.h>

#include "compress.h"

enum { INT8_BLOCK = 256, INT8_QUADS = INT8_BLOCK / 4, INT8_WORDS = 1 + INT8_QUADS };

// The smallest power of two that leaves x / scale + 1 below 128 up to the largest x of the block, for
// stochastic rounding goes up to one above. Not below 2^-100: its inverse must be a number. Where a gradient
// has diverged there is none: NaN arrives as NaN.
HD_BOTH float int8_scale(uint32_t largest) {
  float x;
  int exponent;
  if (largest >= INFINITE_MAGNITUDE) return NAN;
  memcpy(&x, &largest, sizeof x);
  frexpf(x / 126, &exponent);
  return ldexpf(1, exponent < -100 ? -100 : exponent);
}

HD_BOTH int int8_round(float x, float inverse, uint32_t random) {
  return (int)floorf(x * inverse + hd_uniform(random));
}
#endif
