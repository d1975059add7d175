// SPDX-License-Identifier: MIT
// The shape that all rungs but the last share: a block of 32 × 8 threads moves a tile of 32 × 32, four
// elements a thread. A warp is one row of threads: 32 neighbours.
#ifndef TRANSPOSE_LAUNCH_CUH
#define TRANSPOSE_LAUNCH_CUH
#include "heddle/device.h"
#include "transpose.h"

enum { SIDE = 32, ROWS = 8 };

typedef void transpose_kernel(int n, const float *a, float *b);

static inline void launch(hd_case *c, transpose_kernel *kernel, dim3 block) {
  transpose_case *t = (transpose_case *)c->state;
  const int n = (int)c->size;
  t->copied = false;
  if (n == 0) return;
  kernel<<<dim3(tiles(n, SIDE), tiles(n, SIDE)), block>>>(n, t->device_a, t->device_b);
  HD_LAUNCHED();
}
#endif
