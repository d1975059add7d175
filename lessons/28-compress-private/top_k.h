// SPDX-License-Identifier: MIT
// Idea: most of a gradient's length is in few of its elements: send the largest hundredth, with their places.
// Prediction: 8 bytes for each of n/100 elements, 50 times fewer; and without error feedback a training that
// never hears of the other 99 %.
// A message is the places in ascending order, then their values. Of equal magnitudes the first ones are
// taken, so that there is one right message and every way of selecting must find it.
#ifndef HEDDLE_LESSON_28_TOP_K_H
#define HEDDLE_LESSON_28_TOP_K_H
#include "compress.h"

enum { TOP_K_SHARE = 100 };

HD_BOTH size_t top_k_kept(size_t n) {
  return (n + TOP_K_SHARE - 1) / TOP_K_SHARE;
}
#endif
