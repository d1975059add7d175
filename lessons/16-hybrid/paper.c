// SPDX-License-Identifier: MIT
#include "paper.h"

#include <math.h>

double paper_rows(double work) {
  return 1 - sqrt(fmax(0, 1 - work));
}

static double cpu_time(const speeds *s, double share) {
  return share < 1 ? s->issue * paper_rows(share) + (1 - share) * s->pairs / s->cpu : 0;
}

// Few chunks are on their way, so at each moment the slower of kernel and upload decides. Kernels are the
// slower ones at the dense end, until a chunk has so little work that its particles take longer to come.
static double gpu_time(const speeds *s, double share) {
  if (share <= 0) return 0;
  const double rows = paper_rows(share), first = fmin(rows, s->chunk);
  const double kernels = s->pairs / s->gpu, copies = s->up + s->alpha / s->chunk;
  const double turn = fmin(rows, fmax(0, 1 - copies / (2 * kernels)));
  const double before = kernels * (1 - (1 - turn) * (1 - turn)), behind = copies * (rows - turn);
  return 2 * s->alpha + first * (s->up + s->down) + before + behind;
}

double paper_time(const speeds *s, double share) {
  return fmax(cpu_time(s, share), gpu_time(s, share));
}

// The one falls with the share, the other grows: the best is where they meet.
double paper_best_share(const speeds *s) {
  double low = 0, high = 1;
  for (int i = 0; i < 60; i++) {
    const double middle = (low + high) / 2;
    if (cpu_time(s, middle) > gpu_time(s, middle))
      low = middle;
    else
      high = middle;
  }
  return high;
}

double paper_bound(const speeds *s) {
  return s->pairs / (s->cpu + s->gpu);
}
