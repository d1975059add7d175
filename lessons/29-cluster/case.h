// SPDX-License-Identifier: MIT
// Between the harness and the ranks: one case of the lesson, run in one way.
#ifndef HEDDLE_LESSON_29_CASE_H
#define HEDDLE_LESSON_29_CASE_H
#include <heddle/bench.h>

#include "cluster.h"

// Simulated GPUs: so many share a node, and nodes are joined by InfiniBand.
enum { NODE = 4 };

// One size of the lesson.
typedef struct plan {
  job job;                         // with --kill: its misfortune, for processes
  float *initial, *first, *other;  // updates of the first rank and of another
  bool *doubtful;                  // see reference_update
  long epochs;                     // --epochs: of a whole training behind the timed steps
  const hd_dataset *test;          // for its accuracy
} plan;

// Steps whose result is checked.
long steps_of(const hd_case *c);

// Runs the ranks: the checked steps, then timed ones, and reports what it took.
void run_way(hd_case *c, enum way way, int world);
// The same by processes of which the last is killed in the last step: all begin again behind the last
// checkpoint.
void run_restarted(hd_case *c);
#endif
