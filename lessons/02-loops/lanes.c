// SPDX-License-Identifier: MIT
// A vector of pixels at a time. They take different numbers of steps, but a vector has one program counter:
// it goes on until its last pixel has left, as a warp does on a GPU.
#include "heddle/clock.h"
#include "heddle/simd.h"
#include "mandelbrot.h"

// `vectors` vectors of pixels from `column` on. Lanes whose pixel has left go on computing and are no longer
// counted: outside of the circle |z| only grows, and infinities and NaN are not inside either. `vectors` must
// be a constant: inlined, so that the loops over it disappear.
static inline __attribute__((always_inline)) void escape_together(const picture *p, int vectors, long row,
                                                                  long column) {
  const hd_floats cy = row_y(p->step, row) - (hd_floats){0};
  hd_floats cx[VECTORS], x[VECTORS], y[VECTORS];
  hd_ints count[VECTORS];
#pragma GCC unroll 4
  for (int v = 0; v < vectors; v++) {
    for (int lane = 0; lane < HD_WIDTH; lane++) cx[v][lane] = column_x(p->step, column + v * HD_WIDTH + lane);
    x[v] = cx[v];
    y[v] = cy;
    count[v] = (hd_ints){0};
  }
  for (int step = 0; step < LIMIT; step++) {
    hd_ints any = {0};
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
      const hd_ints inside = hd_fma(x[v], x[v], y[v] * y[v]) <= 4.0f;  // all bits of a lane, so -1, or none
      count[v] -= inside;
      any |= inside;
      const hd_floats next = hd_fma(x[v], x[v], hd_fma(-y[v], y[v], cx[v]));
      y[v] = hd_fma(x[v] + x[v], y[v], cy);
      x[v] = next;
    }
    if (!hd_any_lane(any)) break;
  }
  int32_t *to = p->counts + row * p->columns;
#pragma GCC unroll 4
  for (int v = 0; v < vectors; v++)
    for (int lane = 0; lane < HD_WIDTH; lane++) {
      const long at = column + v * HD_WIDTH + lane;
      if (at < p->columns) to[at] = count[v][lane];  // the last vector of a row looks beyond the picture
    }
}

// Idea: HD_WIDTH pixels of a row per instruction. No compiler does it by itself: the number of steps differs
// from lane to lane.
//
// Prediction: 16 lanes, of which four fifths are at work in the mean, and a few instructions to look after
// them: ten times dynamic. Threads on top of it as before.
void draw_simd(picture *p) {
#pragma omp parallel for schedule(dynamic, 1)
  for (long row = 0; row < p->rows; row++) {
    const double start = hd_wall();
    for (long column = 0; column < p->columns; column += HD_WIDTH) escape_together(p, 1, row, column);
    mark_row(p, row, start);
  }
}

// Idea: a step needs the one before it: two fused multiply-adds, 8 cycles, in which the core could begin
// sixteen. Four vectors in turn fill them.
//
// Prediction: twice as fast, not four times: 64 pixels wait for the last of them.
void draw_interleaved(picture *p) {
#pragma omp parallel for schedule(dynamic, 1)
  for (long row = 0; row < p->rows; row++) {
    const double start = hd_wall();
    for (long column = 0; column < p->columns; column += VECTORS * HD_WIDTH)
      escape_together(p, VECTORS, row, column);
    mark_row(p, row, start);
  }
}
