// SPDX-License-Identifier: MIT
// Between the harness and the ranks: one case of the lesson, run by one strategy.
#ifndef HEDDLE_LESSON_26_CASE_H
#define HEDDLE_LESSON_26_CASE_H
#include <heddle/bench.h>

#include "sharding.h"

enum { CHECKED_STEPS = 2 };  // the second one works with what the first one left

typedef struct state {
  problem problem;
  float *input, *target, *initial, *theta, *update;
} state;

// The checked steps, then the timed ones with their timeline. threads: OpenMP threads of each of `world`
// ranks.
void run_case(hd_case *c, const strategy *how, enum place place, int world, int threads);
#endif
