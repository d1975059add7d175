// SPDX-License-Identifier: MIT
// What goes wrong. Neither crashes, and both run on towards the same limit as the right ones: a test that
// only asks whether the values settle passes.
#include "kernels/jacobi/jacobi.h"
#include "stencil.h"

// One grid instead of two. The cell above and the one to the left are those of this sweep already, the others
// of the last one: another iteration (Gauss and Seidel's), and with several threads a race besides.
void run_wrong_in_place(hd_case *c) {
  const stencil *s = c->state;
  for (int k = 0; k < SWEEPS; k++)
    for (long i = 0; i < s->n; i++) {
      float *x = s->now + stencil_at(s, i, 0);
      for (long j = 0; j < s->n; j++)
        x[j] = 0.25f * ((x[j - s->pitch] + x[j + s->pitch]) + (x[j - 1] + x[j + 1]));
    }
}

// One region, and `nowait`, which takes the barrier away: a thread begins its next sweep while its
// neighbour's edge is still that of the last one, or already that of the next.
void run_wrong_no_barrier(hd_case *c) {
  const stencil *s = c->state;
#pragma omp parallel
  {
    float *grids[2] = {s->now, s->next};
    for (int k = 0; k < SWEEPS; k++)
#pragma omp for schedule(static) nowait
      for (long i = 0; i < s->n; i++) {
        const long at = stencil_at(s, i, 0);
        hd_jacobi_block(grids[k % 2] + at, grids[(k + 1) % 2] + at, s->pitch, 1, s->n);
      }
  }
}
