// SPDX-License-Identifier: MIT
// What one device holds: some blocks (its stage), of each some columns of A1 and rows of A2 (its tensor
// share), and room for several micro-batches.
#ifndef HEDDLE_LESSON_27_PIECE_H
#define HEDDLE_LESSON_27_PIECE_H
#include <heddle/comm.h>
#include <heddle/ops.h>

#include "model.h"

// The problem, the same for every rank and read-only while they run.
typedef struct problem {
  model model;
  const float *input, *target;  // (rows, width), host
  const float *initial;         // per block A1 (width, 4·width), b1, A2 (4·width, width), host
} problem;

typedef struct piece {
  const problem *problem;
  layout layout;
  int stage, share, replica, first, blocks, slots;
  long rows, width, hidden;
  hd_ops *ops;
  hd_comm *tensor;  // those who share the blocks; NULL: nobody is asked (for timing one device)
  size_t parameters;
  float *theta, *gradient, *velocity;  // per block A1, b1, A2, as much of them as is here
  float *x, *z, *h;       // kept per slot: inputs of blocks and the output; what GELU was given and gave
  float *d, *back, *dz;   // per slot: the gradient of the output, then of the input; scratch
  float *input, *target;  // this replica's rows, on the first and on the last stage
} piece;

// rank: of layout's devices, see model.h.
piece *piece_open(const problem *p, layout l, int rank, hd_ops *ops, hd_comm *tensor);
void piece_close(piece *p);

// Where a micro-batch enters, where it leaves, and where its gradients come and go.
float *piece_input(const piece *p, int micro);
float *piece_output(const piece *p, int micro);
float *piece_gradient(const piece *p, int micro);

// -1 once the communicator has failed.
int piece_forward(piece *p, int micro);
int piece_backward(piece *p, int micro);
void piece_loss(piece *p, int micro);                 // into piece_gradient
void piece_update(piece *p);                          // SGD with momentum, and a zero gradient
void piece_collect(const piece *p, float *gradient);  // into host memory as problem.initial

// The gradient of the loss in double precision, with no code in common with what it checks.
void reference_gradient(const problem *p, double *gradient);
#endif
