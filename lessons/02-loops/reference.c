// SPDX-License-Identifier: MIT
// What the picture must be, computed by other means than all that draw it.
#include <string.h>

#include "mandelbrot.h"

// a·b + c rounded once to float, without the instruction for it. The product of two floats is exact in
// double. The sum may not be: where something is lost, the last bit of what is left is made odd, which is
// enough for the second rounding to know that it lies beside, and on which side (Boldo and Melquiond 2008).
static float fused(float a, float b, float c) {
  const double product = (double)a * b, sum = product + c;
  const double back = sum - product, lost = (product - (sum - back)) + (c - back);
  uint64_t bits;
  memcpy(&bits, &sum, sizeof bits);
  if (lost != 0 && bits % 2 == 0) bits += (lost > 0) == (sum > 0) ? 1 : (uint64_t)-1;
  double odd;
  memcpy(&odd, &bits, sizeof odd);
  return (float)odd;
}

static int32_t steps_inside(float cx, float cy) {
  float x = cx, y = cy;
  for (int step = 0; step < LIMIT; step++) {
    const float square = y * y;
    if (fused(x, x, square) > 4) return step;
    const float next = fused(x, x, fused(-y, y, cx));
    y = fused(2 * x, y, cy);
    x = next;
  }
  return LIMIT;
}

void reference_counts(const picture *p, int32_t *counts) {
#pragma omp parallel for schedule(dynamic, 1)
  for (long row = 0; row < p->rows; row++)
    for (long column = 0; column < p->columns; column++)
      counts[row * p->columns + column] =
          steps_inside(fused((float)column + 0.5f, p->step, LEFT), ((float)row + 0.5f) * p->step);
}

double lanes_at_work(const picture *p, const int32_t *counts, long columns, long rows) {
  double useful = 0, spent = 0;
  for (long top = 0; top < p->rows; top += rows)
    for (long left = 0; left < p->columns; left += columns) {
      int32_t most = 0;
      for (long row = top; row < top + rows && row < p->rows; row++)
        for (long column = left; column < left + columns && column < p->columns; column++) {
          const int32_t count = counts[row * p->columns + column];
          useful += count;
          most = count > most ? count : most;
        }
      spent += (double)(columns * rows) * most;
    }
  return spent > 0 ? useful / spent : 1;
}
