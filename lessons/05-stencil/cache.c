// SPDX-License-Identifier: MIT
// The bound above the roof: the same sweep over a block that never leaves a core's second cache.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "heddle/clock.h"
#include "heddle/error.h"
#include "kernels/jacobi/jacobi.h"
#include "stencil.h"

double cells_in_cache(int threads) {
  enum { ROWS = 12, COLUMNS = 4096, PITCH = COLUMNS + 2 * LANES, SWEEPS_OF = 64, TRIES = 5 };
  const size_t count = (ROWS + 2) * PITCH;
  double best = INFINITY;
#pragma omp parallel num_threads(threads)
  {
    float *now = hd_alloc(count, sizeof *now), *next = hd_alloc(count, sizeof *next);
    memset(now, 0, count * sizeof *now);
    memset(next, 0, count * sizeof *next);
    for (int i = 0; i < TRIES; i++) {
#pragma omp barrier
      const double start = hd_wall();
      for (int k = 0; k < SWEEPS_OF; k++) {
        hd_jacobi_block(now + PITCH + LANES, next + PITCH + LANES, PITCH, ROWS, COLUMNS);
        hd_jacobi_block(next + PITCH + LANES, now + PITCH + LANES, PITCH, ROWS, COLUMNS);
      }
#pragma omp barrier
#pragma omp master
      best = fmin(best, hd_wall() - start);
    }
    free(now);
    free(next);
  }
  return 2.0 * SWEEPS_OF * ROWS * COLUMNS * threads / best;
}
