// SPDX-License-Identifier: MIT
// Where and in which order operations run: placement is scheduling. Plans are made and timed on paper;
// ranks.c and streams.c run them.
#ifndef HEDDLE_LESSON_25_PLAN_H
#define HEDDLE_LESSON_25_PLAN_H
#include <stdbool.h>

#include "graph.h"

enum { MOST_DEVICES = 64 };

typedef struct plan {
  int devices;
  int device[MOST_OPS];  // per operation
  int order[MOST_OPS];   // all operations; each device runs its own ones in this order
  double start[MOST_OPS], end[MOST_OPS], makespan;  // on paper, by plan_time
  bool optimal;  // plan_exhaustive: no plan is shorter, whether it tried all of them or met a lower bound
} plan;

// Fills start, end and makespan: an operation begins when its device has done what comes before it and all
// its inputs are there; results are copied as soon as they are made, to one device after the other.
void plan_time(const graph *g, plan *p);

// All on one device, in the order of the graph.
plan plan_serial(const graph *g);
// The groups in turn: no thought at all.
plan plan_round_robin(const graph *g, int devices);
// Whichever operation can start first, where it can ("earliest task first", Hwang et al. 1989). Without
// copies and groups at most (2 - 1/m) × the shortest (Graham 1969).
plan plan_greedy(const graph *g, int devices);
// By rank: the operation with the longest way to the end first, where it ends first (HEFT, Topcuoglu et al.
// 2002).
plan plan_critical_path(const graph *g, int devices);
// The best of the two and of all placements of groups, each in the order of ranks: branch and bound. Of up to
// 8 operations every order is tried, too.
plan plan_exhaustive(const graph *g, int devices);

// Which ready operation goes first, given a device for each group: the one that can start first, of several
// the one with the longest way to the end.
void plan_order(const graph *g, const int *device_of_group, const double *rank, plan *p);

// The same, given up as soon as it cannot be shorter than limit; chain: ranks without copies. Says whether it
// is.
bool plan_order_below(const graph *g, const int *device_of_group, const double *rank, const double *chain,
                      double limit, plan *p);

// The devices other than its own that read the result of an operation, in the order in which they do; how
// many.
int plan_readers(const graph *g, const plan *p, int op, int *readers);
// No plan on so many devices is shorter.
double plan_lower_bound(const graph *g, int devices);
#endif
