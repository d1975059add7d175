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

// panel[k][lane] = source[lane · stride + k]: the steps lie side by side, so the block is transposed on the
// way, 4 × 4 elements at a time in registers.
static inline void pack_transposed(int width, int lanes, long kc, const float *source, long stride,
                                   float *panel) {
  long k = 0;
  if (lanes == width)
    for (; k + 4 <= kc; k += 4)
      for (int lane = 0; lane < width; lane += 4) {
        const float *s = source + lane * stride + k;
        const vector4 r0 = *(const vector4 *)s, r1 = *(const vector4 *)(s + stride);
        const vector4 r2 = *(const vector4 *)(s + 2 * stride), r3 = *(const vector4 *)(s + 3 * stride);
        const vector4 low01 = __builtin_shuffle(r0, r1, (index4){0, 4, 1, 5});
        const vector4 high01 = __builtin_shuffle(r0, r1, (index4){2, 6, 3, 7});
        const vector4 low23 = __builtin_shuffle(r2, r3, (index4){0, 4, 1, 5});
        const vector4 high23 = __builtin_shuffle(r2, r3, (index4){2, 6, 3, 7});
        float *d = panel + k * width + lane;
        *(vector4 *)d = __builtin_shuffle(low01, low23, (index4){0, 1, 4, 5});
        *(vector4 *)(d + width) = __builtin_shuffle(low01, low23, (index4){2, 3, 6, 7});
        *(vector4 *)(d + 2 * width) = __builtin_shuffle(high01, high23, (index4){0, 1, 4, 5});
        *(vector4 *)(d + 3 * width) = __builtin_shuffle(high01, high23, (index4){2, 3, 6, 7});
      }
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
