// SPDX-License-Identifier: MIT
// Runs a plan: on ranks with a device each (ranks.c), or on several streams of one GPU (streams.c); and what
// plans need to know before, what operations and copies take (probe.c).
#ifndef HEDDLE_LESSON_25_RUN_H
#define HEDDLE_LESSON_25_RUN_H
#include <heddle/comm.h>

#include "network.h"

enum place { ON_CPU, ON_GPU };
enum fault { NO_FAULT, DIES, STALLS, OTHER_CALL };

// What a run is asked for and what it found.
typedef struct trial {
  const problem *problem;
  const network *net;
  const plan *plan;
  enum place place;
  enum mistake mistake;
  int threads;        // OpenMP threads of each rank
  int timed_steps;    // after one that is checked
  double deadline_s;  // 0: the communicator's own
  bool recorded;      // streams: the step is recorded as a graph and run from there
  enum fault fault;   // tests: what happens to rank `faulty` after half of its operations
  int faulty;
  float *gradient;         // of the checked step, as problem.initial (host of the caller)
  double *span;            // two moments per operation of the last timed step in seconds; NULL: not wanted (a
                           // recorded step has none)
  double step_s;           // seconds per timed step, by the slowest rank
  double bytes, messages;  // sent per step by all ranks
  double memory;           // bytes kept in device memory by the rank that keeps most
} trial;

// A rank for each device of the plan. Returns 0, or -1 with hd_comm_error_text().
int run_ranks(trial *t);
// The plan's devices as streams of one GPU.
void run_streams(trial *t);

// Puts measured seconds of every operation into the graph, from steps on one device, and, with several
// devices, latency and bandwidth of a copy, from messages between two. Returns 0, or -1 with
// hd_comm_error_text().
int probe(network *net, const problem *p, enum place place, int devices, int threads);
#endif
