// SPDX-License-Identifier: MIT
// Jacobi's iteration on a grid whose rows are divided among ranks: every cell becomes the mean of its four
// neighbours, so each rank needs one row of each neighbour rank, its halo, in every iteration.
#ifndef HEDDLE_LESSON_19_HALO_H
#define HEDDLE_LESSON_19_HALO_H
#include <heddle/comm.h>
#include <heddle/ops.h>

#ifdef __cplusplus
extern "C" {
#endif

enum place { ON_CPU, ON_GPU };
enum { MOST_SPANS = 3, SPAN_ITERATIONS = 4 };

// One rank. Its grid has (rows + 2) × (columns + 2) cells; the outer ones are halos or the fixed border.
typedef struct worker {
  hd_comm *comm;
  hd_ops *ops;
  int up, down;  // neighbours, -1 for none
  long rows, columns;
  float *now, *next;
  float **host;  // of all ranks: their first and last row on the host, for halo_copy
  int iteration;
  int marks;  // set so far in this run, -1: none are wanted
} worker;

// One iteration from w->now to w->next, halos of w->next included. 0, or -1 with the communicator's error.
typedef int iteration(worker *w);

iteration halo_copy;        // computes, then halos go through the host
iteration halo_peer;        // computes, then halos go from device to device
iteration halo_overlapped;  // computes the edges first; the rest while they travel
iteration halo_stale;       // a mistake: halos are exchanged in every other iteration only

// next = the mean of the four neighbours in now, for `count` rows from row `first` on.
void compute_rows(const worker *w, long first, long count);

// Remembers a moment for the timeline.
void mark(worker *w);

enum fault { NO_FAULT, DIES, STALLS, OTHER_CALL };

typedef struct trial {
  iteration *method;
  enum place place;
  int world;
  long rows, columns;  // of the whole grid, without its border
  int iterations;
  const float *initial;  // ((rows + 2) × (columns + 2)), with its border
  float *result;         // as initial, without its border; NULL: not wanted
  double deadline_s;     // 0: the communicator's own
  enum fault fault;      // tests: what happens to rank `faulty` in the middle
  int faulty;
  double seconds;                                                  // per iteration, by the slowest rank
  double memory;                                                   // bytes per rank, the most
  hd_traffic sent;                                                 // per iteration, by the busiest rank
  int moments;                                                     // marks per iteration in span; 0: none
  double span[HD_MOST_RANKS][SPAN_ITERATIONS * (MOST_SPANS + 1)];  // seconds, of the last iterations
} trial;

// Returns 0, or -1 with hd_comm_error_text().
int run_trial(trial *t);

#ifdef __cplusplus
}
#endif
#endif
