// SPDX-License-Identifier: MIT
// Between the harness and the runs: one case of the lesson, planned and run in one way.
#ifndef HEDDLE_LESSON_25_CASE_H
#define HEDDLE_LESSON_25_CASE_H
#include <heddle/bench.h>

#include "run.h"

typedef struct state {
  problem problem;
  float *input, *target, *initial, *gradient;
  // What a simulated GPU takes is always the same, so it is asked once.
  network gpu;
  bool gpu_known, gpu_links;
} state;

typedef struct strategy {
  plan (*make)(const graph *g, int devices);
  bool streams;   // of one GPU, in place of devices
  bool recorded;  // streams: as a graph
  enum mistake mistake;
} strategy;

// A step that is checked, then the timed ones with their timeline. threads: OpenMP threads of each rank.
void run_case(hd_case *c, const strategy *how, enum place place, int devices, int threads);
#endif
