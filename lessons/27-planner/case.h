// SPDX-License-Identifier: MIT
// Between the harness and the runs: one case of the lesson, laid out in one way.
#ifndef HEDDLE_LESSON_27_CASE_H
#define HEDDLE_LESSON_27_CASE_H
#include <heddle/bench.h>

#include "hybrid.h"

typedef struct state {
  problem problem;
  float *input, *target, *initial, *gradient;
  machine gpu;      // what a simulated GPU takes is always the same, so it is asked once
  int gpu_devices;  // for layouts of so many devices; 0: not yet
} state;

// A layout is fixed by all but its numbers, or taken from the planner's list.
typedef struct strategy {
  int place;  // in the planner's list, from 1; 0: not from it
  enum { BY_DATA, BY_TENSOR, BY_PIPELINE } fixed;
  enum mistake mistake;
  bool what_if;  // also reports what the planner would do with more devices
} strategy;

// Bytes a device may use (--memory): what plans must fit into.
extern double memory_limit;
// A step that is checked, then the timed ones. threads: OpenMP threads of each rank.
void run_case(hd_case *c, const strategy *how, bool on_gpu, int devices, int threads);
// Bytes a device may use, by --memory or by default.
double limit_of(const model *m, int devices);
#endif
