// SPDX-License-Identifier: MIT
// Packing: a block of A or B is copied into panels, each holding `width` rows of A (or columns of B) for kc
// steps in the order in which the micro-kernel reads them. The copy costs O(n²) and buys that O(n³) accesses
// are sequential, aligned, and free of power-of-two strides. The last panel is padded with zeros.
#ifndef HEDDLE_KERNELS_GEMM_PACK_H
#define HEDDLE_KERNELS_GEMM_PACK_H
#include <stdbool.h>
#include <string.h>

typedef float vector4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef int index4 __attribute__((vector_size(16)));
// Four of the eight elements of x and y (0-3 and 4-7), as each compiler spells it.
#ifdef __clang__
#define SHUFFLE4(x, y, i, j, k, l) __builtin_shufflevector(x, y, i, j, k, l)
#else
#define SHUFFLE4(x, y, i, j, k, l) __builtin_shuffle(x, y, (index4){i, j, k, l})
#endif

// The same for `panels` whole panels side by side, each kc · width floats: a few at a time, so that whole
// cache lines are read, and not so many places written that they do not fit a cache's ways.
static inline void pack_side_by_side(int width, long panels, long kc, const float *source, long stride,
                                     float *packed) {
  enum { AT_A_TIME = 4 };
  for (long first = 0; first < panels; first += AT_A_TIME) {
    const long end = first + AT_A_TIME < panels ? first + AT_A_TIME : panels;
    for (long k = 0; k < kc; k++)
      for (long i = first; i < end; i++)
        memcpy(packed + (i * kc + k) * width, source + k * stride + i * width, sizeof(float) * (size_t)width);
  }
}

// panel[k][lane] = source[k · stride + lane] for kc steps: the lanes lie side by side in memory, so a step is
// one copy of `width` floats.
static inline void pack_rows(int width, int lanes, long kc, const float *source, long stride, float *panel) {
  if (lanes == width) {
    for (long k = 0; k < kc; k++)
      memcpy(panel + k * width, source + k * stride, sizeof(float) * (size_t)width);
    return;
  }
  for (long k = 0; k < kc; k++)
    for (int lane = 0; lane < width; lane++)
      panel[k * width + lane] = lane < lanes ? source[k * stride + lane] : 0;
}

// to[j][i] = from[i][j] for 4 × 4 elements, in registers; rows of `from` are stride floats apart, of `to`
// width.
static inline void transpose4(const float *from, long stride, float *to, long width) {
  const vector4 r0 = *(const vector4 *)from, r1 = *(const vector4 *)(from + stride);
  const vector4 r2 = *(const vector4 *)(from + 2 * stride), r3 = *(const vector4 *)(from + 3 * stride);
  const vector4 low01 = SHUFFLE4(r0, r1, 0, 4, 1, 5);
  const vector4 high01 = SHUFFLE4(r0, r1, 2, 6, 3, 7);
  const vector4 low23 = SHUFFLE4(r2, r3, 0, 4, 1, 5);
  const vector4 high23 = SHUFFLE4(r2, r3, 2, 6, 3, 7);
  *(vector4 *)to = SHUFFLE4(low01, low23, 0, 1, 4, 5);
  *(vector4 *)(to + width) = SHUFFLE4(low01, low23, 2, 3, 6, 7);
  *(vector4 *)(to + 2 * width) = SHUFFLE4(high01, high23, 0, 1, 4, 5);
  *(vector4 *)(to + 3 * width) = SHUFFLE4(high01, high23, 2, 3, 6, 7);
}

// panel[k][lane] = source[lane · stride + k]: the steps lie side by side, so the block is transposed on the
// way, 4 × 4 elements at a time in registers.
static inline void pack_transposed(int width, int lanes, long kc, const float *source, long stride,
                                   float *panel) {
  long k = 0;
  if (lanes == width)
    for (; k + 4 <= kc; k += 4)
      for (int lane = 0; lane < width; lane += 4)
        transpose4(source + lane * stride + k, stride, panel + k * width + lane, width);
  for (; k < kc; k++)
    for (int lane = 0; lane < width; lane++)
      panel[k * width + lane] = lane < lanes ? source[lane * stride + k] : 0;
}

// One panel of `lanes` ≤ width rows of A (or columns of B). transposed: the steps k lie side by side in
// memory.
static inline void pack_panel(bool transposed, int width, int lanes, long kc, const float *source,
                              long stride, float *panel) {
  if (transposed)
    pack_transposed(width, lanes, kc, source, stride, panel);
  else
    pack_rows(width, lanes, kc, source, stride, panel);
}

#endif
