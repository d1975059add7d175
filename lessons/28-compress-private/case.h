// SPDX-License-Identifier: MIT
// Between the harness and the ranks: one case of the lesson, run by one strategy.
#ifndef HEDDLE_LESSON_28_CASE_H
#define HEDDLE_LESSON_28_CASE_H
#include <heddle/bench.h>

#include "worker.h"

typedef struct state {
  task task;
  float *initial;
  double *gradient;
} state;

// The checked step, the timed ones, and where it is worth the time a training. threads: of each rank.
void run_case(hd_case *c, const strategy *s, enum place place, int world, int threads);
#endif
