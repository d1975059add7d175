// SPDX-License-Identifier: MIT
// Runs a schedule: every rank works through its list of instructions, receives what they wait for and sends
// what they make. The same executor serves all schedules, on CPU ranks and on GPUs.
#ifndef HEDDLE_LESSON_24_PIPELINE_H
#define HEDDLE_LESSON_24_PIPELINE_H
#include <heddle/comm.h>
#include <stdbool.h>

#include "schedule.h"

enum place { ON_CPU, ON_GPU };
enum { LAYERS = 16 };

// The problem, the same for every rank and read-only while ranks run. The loss is the mean of (output -
// target)² / 2 over all elements of a batch.
typedef struct problem {
  long width, rows;             // of the whole batch
  const float *input, *target;  // (rows, width), host
  const float *initial;         // LAYERS times (width, width) weights and (width) biases, host
} problem;

enum fault { NO_FAULT, DIES, STALLS, OTHER_SIZE, OTHER_CALL };

enum mistake {
  NO_MISTAKE,
  SAME_INPUT,  // every part of the network is fed the batch itself, and what the parts give is summed
  ONE_SLOT     // the activations of a micro-batch are overwritten by those of the next
};

// A way to run the network in a pipeline.
typedef struct strategy {
  schedule (*make)(int ranks, int micro_batches);
  int micro_batches;
  bool unequal;  // the first stage holds three times as many layers as each other one
  enum mistake mistake;
} strategy;

// What run_ranks is asked for and what it found.
typedef struct trial {
  const problem *problem;
  const strategy *strategy;
  enum place place;
  int world, threads;  // ranks; OpenMP threads of each
  int timed_steps;     // after one that is checked
  double deadline_s;   // 0: the communicator's own
  enum fault fault;    // tests: what happens to rank `faulty` after half of its instructions
  int faulty;
  float *gradient;  // of the checked step, as problem.initial (host of the caller)
  double **span;  // per rank and instruction two moments of the last timed step in seconds; NULL: not wanted
  double step_s;  // seconds per timed step, by the slowest rank
  double bytes, messages;  // sent per step by the busiest rank
  double memory;           // bytes kept in device memory by the rank that keeps most
} trial;

// Runs all ranks. Returns 0, or -1 with hd_comm_error_text().
int run_ranks(trial *t);

// The layers of a piece: the network is cut into ranks × chunks pieces as equal as can be, or as `unequal`
// says.
void cut_of(const strategy *s, int pieces, int piece, int *first, int *count);

// The gradient of the loss in double precision, with no code in common with what it checks.
void reference_gradient(const problem *p, double *gradient);
#endif
