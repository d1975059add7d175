// SPDX-License-Identifier: MIT
// Second reading: keep C in registers, then put A and B in the order in which they are read.
#include <stdlib.h>
#include <string.h>

#include "heddle/error.h"
#include "kernels/gemm/micro.h"  // MR, NR and the vector type that suit this processor
#include "ladder.h"

static long smaller(long x, long y) {
  return x < y ? x : y;
}

// MR × NR sums of `steps` products, all in registers. Element (i, k) of A is a[i · a_row + k · a_step], row k
// of B starts at b + k · b_step. Both rungs below call it; they differ in these strides alone.
// Not inlined: on its own it has all vector registers to itself; inside a larger function gcc 12 puts a sum
// on the stack, which halves its speed.
__attribute__((noinline)) static void tile(long steps, const float *a, long a_row, long a_step,
                                           const float *b, long b_step, vector sum[MR][VECTORS]) {
  vector s[MR][VECTORS] = {0};  // local, its address never taken: the compiler may keep it in registers
  for (long k = 0; k < steps; k++) {
    const vector *row = (const vector *)(b + k * b_step);
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 4
      for (int j = 0; j < VECTORS; j++) s[i][j] += a[i * a_row + k * a_step] * row[j];
  }
  memcpy(sum, s, sizeof s);
}

// Idea: a register tile. MR × NR elements of C stay in vector registers for the whole inner sum: C is stored
// once instead of n times, and MR + NR loaded floats feed MR · NR multiply-adds (8 + 32 feed 256 with
// AVX-512).
//
// Prediction: loads no longer bound it, so nearly peak, as long as the operands come from L1 or L2.
//
// Trap: the NR columns of B lie in n rows, n floats apart. When n is a power of two, all of them compete for
// the same few cache sets, so they are fetched from L3 or memory for every row of tiles. Compare n = 1000
// with 1024, 2048.
void gemm_register(long n, const float *a, const float *b, float *c) {
  if (n < MR || n < NR) {  // not even one tile
    gemm_reordered(n, a, b, c);
    return;
  }
  // Where no whole tile is left, the last one overlaps its neighbour and computes some elements twice.
  for (long j = 0; j < n; j += NR)
    for (long i = 0; i < n; i += MR) {
      const long top = smaller(i, n - MR), left = smaller(j, n - NR);
      vector sum[MR][VECTORS];
      tile(n, a + top * n, n, 1, b + left, n, sum);
      for (int r = 0; r < MR; r++) memcpy(c + (top + r) * n + left, sum[r], sizeof sum[r]);
    }
}

// panel[k][lane] = element (lane, k) of a matrix with the strides given, for `lanes` ≤ width lanes, the rest
// zero.
static void pack(int width, long lanes, long steps, const float *x, long lane_stride, long step,
                 float *panel) {
  for (long k = 0; k < steps; k++)
    for (long lane = 0; lane < width; lane++)
      panel[k * width + lane] = lane < lanes ? x[lane * lane_stride + k * step] : 0;
}

// Idea: packing. Before they meet, KC columns of A are copied into panels of MR rows, KC rows of B into
// panels of NR columns, each laid out in exactly the order in which `tile` reads it.
//
// Prediction: nearly peak at every n. The copies cost O(n²), the products O(n³); in return every access is to
// the next address, which the prefetcher foresees, and the power-of-two stride is gone. At sizes which it
// never troubled, the copies are a loss.
//
// What is left: the n · KC floats of A stream by once per panel of B, from L3 when they are many; and one
// core works. The last rung (kernels/gemm/gemm.c) has a loop for each cache, fetches C ahead of time, and
// divides the loops among threads.
void gemm_packed(long n, const float *a, const float *b, float *c) {
  const long panel_rows = (n + MR - 1) / MR * MR;
  float *packed_a = hd_alloc((size_t)(panel_rows * KC), sizeof(float));
  float *packed_b = hd_alloc((size_t)KC * NR, sizeof(float));
  memset(c, 0, sizeof(float) * (size_t)(n * n));
  for (long pc = 0; pc < n; pc += KC) {
    const long steps = smaller(KC, n - pc);
    for (long i = 0; i < n; i += MR)
      pack(MR, smaller(MR, n - i), steps, a + i * n + pc, n, 1, packed_a + i * steps);
    for (long j = 0; j < n; j += NR) {
      const long columns = smaller(NR, n - j);
      pack(NR, columns, steps, b + pc * n + j, 1, n, packed_b);
      for (long i = 0; i < n; i += MR) {
        vector sum[MR][VECTORS];
        tile(steps, packed_a + i * steps, 1, MR, packed_b, NR, sum);
        for (long r = 0; r < smaller(MR, n - i); r++)
          for (long s = 0; s < columns; s++) c[(i + r) * n + j + s] += ((const float *)sum[r])[s];
      }
    }
  }
  free(packed_a);
  free(packed_b);
}
