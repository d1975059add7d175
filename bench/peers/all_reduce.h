// SPDX-License-Identifier: MIT
// How both sides of the comparison measure: the input is written anew before every call, all ranks meet, and
// the time of a call is that of its slowest rank; the median of all calls counts.
#ifndef HEDDLE_PEERS_ALL_REDUCE_H
#define HEDDLE_PEERS_ALL_REDUCE_H
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_CALLS = 2000 };

static const size_t sizes[] = {1 << 10, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static inline int calls_of(size_t bytes) {
  return bytes <= 1 << 16 ? MOST_CALLS : bytes <= 1 << 20 ? 400 : bytes <= 1 << 24 ? 30 : 9;
}

static inline void write_input(float *x, size_t count, int rank, int call) {
  for (size_t i = 0; i < count; i++) x[i] = (float)(rank + call + (int)(i & 15));
}

static inline int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// One line: bytes, and the median in seconds.
static inline void print_median(size_t bytes, double *seconds, int calls) {
  qsort(seconds, (size_t)calls, sizeof *seconds, ascending);
  printf("%zu %.9f\n", bytes, seconds[calls / 2]);
}

// Sums of small whole numbers are exact: the first and the last are looked at.
static inline int sum_is_wrong(const float *x, size_t count, int world, int call) {
  float first = 0, last = 0;
  for (int r = 0; r < world; r++) {
    first += (float)(r + call);
    last += (float)(r + call + (int)((count - 1) & 15));
  }
  return x[0] != first || x[count - 1] != last;
}
#endif
