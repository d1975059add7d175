// SPDX-License-Identifier: MIT
// The shape that all rungs but the last share: a block of 32 × 8 threads moves a tile of 32 × 32, four
// elements a thread. A warp is one row of threads: 32 neighbours.
#ifndef TRANSPOSE_SHAPE_CUH
#define TRANSPOSE_SHAPE_CUH
enum { SIDE = 32, ROWS = 8 };
#endif
