// SPDX-License-Identifier: MIT
// The same on a CPU, where nothing has to be brought anywhere.
#include <string.h>

#include "heddle/simd.h"
#include "relax.h"

// Eight vectors at once: an FMA takes four cycles, and two start in each.
enum { VECTORS = 8, TILE = HD_WIDTH * VECTORS };

static void relax_tile(const float *x, float *y, long n, int steps) {
  hd_floats v[VECTORS] = {{0}};
  memcpy(v, x, (size_t)n * sizeof *x);
  for (int s = 0; s < steps; s++) {
#pragma GCC unroll 8
    for (int i = 0; i < VECTORS; i++) v[i] = RELAX_KEEP * v[i] + RELAX_REST;
  }
  memcpy(y, v, (size_t)n * sizeof *y);
}

static long tile_end(const relaxation *r, long from) {
  return r->elements - from < TILE ? r->elements - from : TILE;
}

// Steps inside, elements outside: the array passes through the core once.
void run_serial(hd_case *c) {
  const relaxation *r = c->state;
  for (long i = 0; i < r->elements; i += TILE) relax_tile(r->x + i, r->y + i, tile_end(r, i), r->steps);
}

void run_openmp(hd_case *c) {
  const relaxation *r = c->state;
#pragma omp parallel for schedule(static)
  for (long i = 0; i < r->elements; i += TILE) relax_tile(r->x + i, r->y + i, tile_end(r, i), r->steps);
}
