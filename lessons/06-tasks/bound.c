// SPDX-License-Identifier: MIT
// How fast the rungs can be at best: p threads take at least a p-th of the work, and no number of threads can
// shorten the chain of steps that wait for each other (Brent 1974).
#include <math.h>
#include <stdlib.h>

#include "heddle/clock.h"
#include "heddle/error.h"
#include "sort.h"

// The best of three: a neighbour on the machine can only make it look slower.
void measure_speed(speed *v, const record *in, long n) {
  if (v->sort_s > 0 || n < 2) return;
  *v = (speed){INFINITY, INFINITY, n};
  const sorting s = {.in = in,
                     .to = hd_alloc((size_t)n, sizeof(record)),
                     .other = hd_alloc((size_t)n, sizeof(record)),
                     .n = n};
  for (int k = 0; k < 3; k++) {
    const double start = hd_wall();
    sort_part(&s, 0, n, true);
    const double sorted = hd_wall();
    sort_part(&s, 0, n / 2, false);
    sort_part(&s, n / 2, n - n / 2, false);
    const double halves = hd_wall();
    merge_halves(&s, 0, n, true);
    v->sort_s = fmin(v->sort_s, sorted - start);
    v->merge_s = fmin(v->merge_s, hd_wall() - halves);
  }
  free(s.to);
  free(s.other);
}

int levels(long n, long cut) {
  int count = 0;
  for (; n > cut; n -= n / 2) count++;  // the larger half
  return count;
}

double critical_path_s(const speed *v, long cut, bool in_pieces) {
  if (v->n < 2) return 0;
  double path = 0;
  long n = v->n;
  for (; n > cut; n -= n / 2) {
    const long merged = in_pieces && n > PIECE ? PIECE : n;
    path += v->merge_s * (double)merged / (double)v->n;
  }
  if (n < 2) return path;
  return path + v->sort_s * ((double)n * log2((double)n)) / ((double)v->n * log2((double)v->n));
}
