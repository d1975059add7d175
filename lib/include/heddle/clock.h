// SPDX-License-Identifier: MIT
#ifndef HEDDLE_CLOCK_H
#define HEDDLE_CLOCK_H
#include <time.h>

// Wall time in seconds since an arbitrary start; monotonic, about 20 ns a call.
static inline double hd_wall(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
#endif
