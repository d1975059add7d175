// SPDX-License-Identifier: MIT
// A branching network: one layer, then blocks of four branches that all read the same input and whose outputs
// are added. Every layer is y = GELU(x·W + b), x and y (rows, width), W (width, width); the loss is the mean
// of (output - target)² / 2.
#ifndef HEDDLE_LESSON_25_NETWORK_H
#define HEDDLE_LESSON_25_NETWORK_H
#include <heddle/ops.h>

#include "plan.h"

enum { BLOCKS = 2, BRANCHES = 4, BLOCK_LAYERS = 3 + 1 + 3 + 2, LAYERS = 1 + BLOCKS * BLOCK_LAYERS };
extern const int branch_layers[BRANCHES];

// The problem, the same for every rank and read-only while they run.
typedef struct problem {
  long width, rows;
  const float *input, *target;  // (rows, width), host
  const float *initial;         // LAYERS times W, then b, host
} problem;

// What an operation does.
enum work {
  FORWARD,   // y of a layer
  JOIN,      // the sum of a block's branches
  LOSS,      // the gradient of the loss by the output
  GATHER,    // the gradient of a shared input: the sum of what its readers give back
  BACKWARD,  // the gradient of a layer's input, and of its bias
  WEIGHTS    // the gradient of a layer's weights, and the step of the optimizer
};

typedef struct task {
  enum work work;
  int layer;
} task;

typedef struct network {
  graph graph;
  task task[MOST_OPS];
} network;

// The graph; an operation's seconds are its FLOPs (in GFLOP) until measured ones are put in.
network network_of(long rows, long width);
size_t layer_parameters(long width);

enum mistake {
  NO_MISTAKE,
  LAST_READER,  // the gradient of a shared input is that of its last reader only
  NO_EVENTS     // streams do not wait for each other
};

// The part of the network that is in one device's memory: the groups placed on it and what they read.
typedef struct part {
  const network *net;
  const problem *problem;
  const plan *plan;
  int device;
  enum mistake mistake;
  hd_ops *ops;             // owns the memory
  float *value[MOST_OPS];  // results made or received here
  float *theta[LAYERS], *gradient[LAYERS], *velocity[LAYERS], *sum[LAYERS],
      *dsum[LAYERS];  // sum: what GELU was given, dsum: its gradient
  float *input, *target;
} part;

part *part_open(const network *net, const problem *p, const plan *plan, int device, hd_ops *ops);
void part_close(part *p);
// Parameters as at the beginning, no gradient, no velocity.
void part_restart(part *p);
// Runs one operation by a table of operations whose memory is the part's (another stream's, say).
void part_run(part *p, hd_ops *ops, int op);
// The gradients of this part's layers, into host memory as problem.initial.
void part_collect(const part *p, float *gradient);

// The gradient of the loss in double precision, with no code in common with what it checks.
void reference_gradient(const problem *p, double *gradient);
#endif
