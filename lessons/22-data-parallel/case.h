// SPDX-License-Identifier: MIT
// Between the harness and the ranks: one case of the lesson, run by one strategy.
#ifndef HEDDLE_LESSON_22_CASE_H
#define HEDDLE_LESSON_22_CASE_H
#include <heddle/bench.h>

#include "worker.h"

typedef struct state {
  task task;
  float *initial, *first, *other;  // updates of the first rank and of another: replicas must agree
  bool *doubtful;                  // see reference_update
} state;

// Steps whose result is checked: few enough that rounding stays small, and enough for momentum to matter. A
// large batch costs its reference seconds; one step of it shows as much.
long checked_steps(const hd_case *c);

// A run of the harness: the checked steps, then the timed ones, whose mean time it reports; in longer
// profiles also the accuracy after training, once in a process. world 0: one worker without a communicator.
void run_case(hd_case *c, const strategy *s, enum place place, int world);
#endif
