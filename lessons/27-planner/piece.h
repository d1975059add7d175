// SPDX-License-Identifier: MIT
// What one device holds: some blocks (its stage), of each a share (its tensor share), and room for several
// micro-batches. Runs (hybrid.c) and timings (probe.c) know no more of a network than this; what the pieces
// of this lesson's network are is in perceptron.c, and lesson 30 has others.
#ifndef HEDDLE_LESSON_27_PIECE_H
#define HEDDLE_LESSON_27_PIECE_H
#include <heddle/comm.h>
#include <heddle/ops.h>

#include "model.h"

typedef struct piece piece;
typedef struct problem problem;

// The pieces of one network; a function of each kind for all that is declared below.
typedef struct piece_kind {
  bool ends;               // the first and the last stage have more than blocks
  size_t bytes;            // of its struct, which begins with a piece
  void (*open)(piece *p);  // all but kind, problem and the fields down to `tensor`
  void (*close)(piece *p);
  float *(*input)(const piece *p, int micro), *(*output)(const piece *p, int micro),
      *(*gradient)(const piece *p, int micro);
  int (*forward)(piece *p, int micro), (*backward)(piece *p, int micro);
  void (*loss)(piece *p, int micro);
  void (*update)(piece *p);
  void (*collect)(const piece *p, int step, float *gradient);
} piece_kind;

// The problem, the same for every rank and read-only while they run.
struct problem {
  model model;
  const float *input, *target;  // (rows, width), host
  const float *initial;         // per block A1 (width, 4·width), b1, A2 (4·width, width), host
  const piece_kind *kind;       // NULL: this lesson's
  const void *more;             // what another kind needs besides
};

struct piece {
  const piece_kind *kind;
  const problem *problem;
  layout layout;
  int stage, share, replica, first, blocks, slots;
  long rows, width;  // of a micro-batch's messages
  hd_ops *ops;
  hd_comm *tensor;  // those who share the blocks; NULL: nobody is asked (for timing one device)
  size_t parameters;
  float *theta, *gradient;  // as much of them as is here
};

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
void piece_loss(piece *p, int micro);  // into piece_gradient
void piece_update(piece *p);           // one step of the optimizer
// What the step-th checked step gave, before its update; by every rank. gradient: host memory as
// problem.initial.
void piece_collect(const piece *p, int step, float *gradient);

// The pieces of this lesson's network.
extern const piece_kind perceptron_pieces;

// The gradient of the loss in double precision, with no code in common with what it checks.
void reference_gradient(const problem *p, double *gradient);
#endif
