// SPDX-License-Identifier: MIT
// The transpose on a CPU: the same problem and half of the same cure.
#include "transpose.h"

// Reads A along its rows, writes B down its columns: each store is to another cache line, n floats on, and
// by the time the line's neighbour is written the line has left the cache. 64 bytes are fetched and written
// back for every 4 that are needed.
void run_serial(hd_case *c) {
  const transpose_case *t = c->state;
  const long n = c->size;
  for (long i = 0; i < n; i++)
    for (long j = 0; j < n; j++) t->b[j * n + i] = t->a[i * n + j];
}

enum { SIDE = 32 };  // 2 blocks of 4 KiB stay in the L1 cache

static long smaller(long a, long b) {
  return a < b ? a : b;
}

// Block by block: the lines of B that a block touches stay in the cache until all of their floats are
// written. Where n is a power of two the 32 lines still compete for few places in the cache: a block gathers
// its result first, then writes each row of it in one go.
void transpose_blocked(long n, const float *a, float *b) {
#pragma omp parallel for collapse(2) schedule(static)
  for (long j0 = 0; j0 < n; j0 += SIDE)
    for (long i0 = 0; i0 < n; i0 += SIDE) {
      float block[SIDE][SIDE + 1];
      const long rows = smaller(SIDE, n - i0), columns = smaller(SIDE, n - j0);
      for (long i = 0; i < rows; i++)
        for (long j = 0; j < columns; j++) block[j][i] = a[(i0 + i) * n + j0 + j];
      for (long j = 0; j < columns; j++)
        for (long i = 0; i < rows; i++) b[(j0 + j) * n + i0 + i] = block[j][i];
    }
}

void run_omp_blocked(hd_case *c) {
  const transpose_case *t = c->state;
  transpose_blocked(c->size, t->a, t->b);
}
