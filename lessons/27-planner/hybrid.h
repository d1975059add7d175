// SPDX-License-Identifier: MIT
// Runs a layout: data × tensor × pipeline ranks, with 1F1B (lesson 24) between stages, the pair of lesson 23
// inside blocks, and an all-reduce of gradients among replicas (lesson 22).
#ifndef HEDDLE_LESSON_27_HYBRID_H
#define HEDDLE_LESSON_27_HYBRID_H
#include "piece.h"

enum mistake {
  NO_MISTAKE,
  WRONG_GROUP  // gradients are summed over all ranks, not over those that hold the same parameters
};

enum fault { NO_FAULT, DIES, STALLS, OTHER_SIZE, OTHER_CALL };

typedef struct trial {
  const problem *problem;
  layout layout;
  bool on_gpu;
  enum mistake mistake;
  int threads, timed_steps;
  int checked_steps;  // before them; 0: one
  double deadline_s;  // 0: the communicator's own
  enum fault fault;   // tests: what happens to rank `faulty` after half of its instructions
  int faulty;
  float *gradient;  // of the checked step, as problem.initial (host of the caller)
  double step_s;    // by the slowest rank
  double bytes;     // sent per step by the busiest rank, all groups together
  double memory;    // bytes kept by the rank that keeps most
} trial;

// Returns 0, or -1 with hd_comm_error_text().
int run_layout(trial *t);

// Times one block on one device for every (tensor, rows) that some layout of `least`, twice `least`, … `most`
// devices needs, and the link.
// Returns 0, or -1 with hd_comm_error_text().
int probe(machine *on, const problem *p, bool on_gpu, int least, int most, int threads);
#endif
