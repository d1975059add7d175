// SPDX-License-Identifier: MIT
// Temporal blocking: not one sweep through the whole grid, but several sweeps through what is in the cache.
#include <omp.h>

#include "heddle/machine.h"
#include "kernels/jacobi/jacobi.h"
#include "stencil.h"

// A trip holds this many rows of both grids in the cache: one for each sweep, and a neighbour at each end.
// They may take two thirds of a core's second cache.
int wavefront_depth(const stencil *s) {
  const long l2 = hd_machine_get()->l2 > 0 ? hd_machine_get()->l2 : 1 << 20;
  const long rows = 2 * l2 / 3 / (8 * s->pitch), depth = rows - 2;
  return (int)(depth < 1 ? 1 : depth > SWEEPS ? SWEEPS : depth);
}

static void compute_row(const stencil *s, float *const grids[2], int step, long row) {
  const long at = stencil_at(s, row, 0);
  hd_jacobi_block(grids[step % 2] + at, grids[(step + 1) % 2] + at, s->pitch, 1, s->n);
}

// Rows [first, end) of a strip, `depth` sweeps on one way down: when the front is at row r, sweep 0 computes
// row r, sweep 1 row r - 1, whose neighbours sweep 0 has just left behind, and so on. Two grids are enough:
// what a row's new value overwrites was last needed a row further on, a moment ago.
// At an edge to another strip each sweep stops a row earlier, for the neighbour's row is not there: a
// trapezoid.
static void strip(const stencil *s, float *const grids[2], int depth, long first, long end) {
  for (long front = first; front < end + depth - 1; front++)
    for (int step = 0; step < depth; step++) {
      const long row = front - step;
      if (row < first + (first > 0 ? step : 0)) break;
      if (row < end - (end < s->n ? step : 0)) compute_row(s, grids, step, row);
    }
}

// What two strips left out on both sides of their edge: the trapezoid upside down. Before it, row edge - k
// has seen k sweeps, and so has row edge + k - 1.
static void seam(const stencil *s, float *const grids[2], int depth, long edge) {
  for (int step = 1; step < depth; step++)
    for (long row = edge - step; row < edge + step; row++) compute_row(s, grids, step, row);
}

void wavefront(const stencil *s, int most) {
  float *grids[2] = {s->now, s->next};
  for (int left = SWEEPS; left > 0;) {
    const int depth = left < most ? left : most;
    // Seams must not meet: a strip has at least two rows for each sweep.
    const long fit = s->n / (2L * depth);
    const long strips = fit < 1 ? 1 : fit < omp_get_max_threads() ? fit : omp_get_max_threads();
#pragma omp parallel
    {
#pragma omp for schedule(static, 1)
      for (long i = 0; i < strips; i++) strip(s, grids, depth, s->n * i / strips, s->n * (i + 1) / strips);
#pragma omp for schedule(static, 1)
      for (long i = 1; i < strips; i++) seam(s, grids, depth, s->n * i / strips);
    }
    left -= depth;
    if (depth % 2) {
      float *swap = grids[0];
      grids[0] = grids[1];
      grids[1] = swap;
    }
  }
}

// Idea: each core takes a strip of the grid through all its sweeps while the rows are in its cache, then the
// seams between the strips are filled in. One trip through memory for `depth` sweeps, and two barriers.
//
// Prediction: 16 bytes a cell and trip (both grids come, both go back): at depth 16 that is 1 byte a sweep,
// an eighth of what the roof for single sweeps allows. The limit is now the cache and the vector units: see
// `cells_in_cache`.
void run_wavefront(hd_case *c) {
  const stencil *s = c->state;
  wavefront(s, wavefront_depth(s));
}
