// SPDX-License-Identifier: MIT
// A network as a graph of operations, with what each costs. The graph knows no devices, so it can be planned
// and timed on paper (plan.h).
#ifndef HEDDLE_LESSON_25_GRAPH_H
#define HEDDLE_LESSON_25_GRAPH_H

enum { MOST_OPS = 160, MOST_INPUTS = 8 };

// One operation. It can begin when all its inputs are where it runs.
typedef struct operation {
  int group;  // operations of one group share memory that stays where it is (parameters): they go to one
              // device
  int inputs, input[MOST_INPUTS];  // numbers of earlier operations whose results it reads
  double seconds;                  // that it takes
  double bytes;                    // of its result: what a copy to another device moves
} operation;

// Operations in an order in which one device may run them. A copy takes latency + bytes / bandwidth.
typedef struct graph {
  int count, groups;
  operation ops[MOST_OPS];
  double latency, bandwidth;
} graph;

// Appends an operation without inputs; returns its number.
int graph_add(graph *g, int group, double seconds, double bytes);
void graph_input(graph *g, int op, int input);

// All seconds together: no plan on m devices is shorter than this / m.
double graph_work(const graph *g);
// The longest chain without copies: no plan is shorter, whatever the number of devices.
double graph_critical_path(const graph *g);
// Seconds from the start of each operation to the end of the graph along the longest chain ("upward rank",
// Topcuoglu et al. 2002). copies: whether edges between groups count as copies.
void graph_ranks(const graph *g, int copies, double *rank);
// Seconds of a copy of an operation's result.
double graph_copy(const graph *g, int op);
#endif
