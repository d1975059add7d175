// SPDX-License-Identifier: MIT
// One block of a transformer, its parameters split among ranks in different ways. Forward and backward are
// written once here (block.c); how the two halves, attention and the perceptron, divide their products is in
// attention.c and mlp.c.
//
//   u = x + attention(x·Wqkv)·Wo        y = u + GELU(u·A1 + b1)·A2 + b2
#ifndef HEDDLE_LESSON_23_BLOCK_H
#define HEDDLE_LESSON_23_BLOCK_H
#include <heddle/comm.h>
#include <heddle/ops.h>

// The problem, the same for every rank and read-only while ranks run. Rows: samples × length.
typedef struct problem {
  long samples, length, heads, width;  // width: of a row, heads × that of one head
  const float *x, *dy;                 // (rows, width), host: the input, and the gradient of the output
  const float *theta;  // Wqkv (width, 3·width), Wo (width, width), A1 (width, 4·width), b1, A2
                       // (4·width, width), b2, host
} problem;

size_t problem_parameters(long width);

// ---------------------------------------------------------------- parameters

enum split { WHOLE, BY_COLUMNS, BY_ROWS };
enum { WQKV, WO, A1, B1, A2, B2, MATRICES };

// This rank's part of a matrix.
typedef struct matrix {
  long rows, cols;  // of the part
  enum split split;
  int groups;  // columns are split within each of so many equal groups: queries, keys and values
  float *weights, *gradient;
} matrix;

// ---------------------------------------------------------------- one rank

typedef struct block block;

// Half of the block: out = f(in) for all rows, then din = f'(dout). With partial sums what each rank has of
// `out` and of `din` is one addend; block.c adds them up. Returns -1 once the communicator has failed.
typedef struct half {
  enum split split[MATRICES];  // of its matrices
  bool partial;
  int (*forward)(block *b, const float *in, float *out);
  int (*backward)(block *b, const float *in, const float *dout, float *din);
} half;

enum mistake {
  NO_MISTAKE,
  BIAS_BEFORE_SUM,  // every rank adds b2 to its addend
  NO_INPUT_SUM      // the gradient of the perceptron's input stays this rank's addend
};

typedef struct strategy {
  const half *attention, *mlp;
  bool sequence;  // between the halves each rank keeps some rows only (Korthikanti et al. 2022)
  enum mistake mistake;
} strategy;

extern const half attention_whole, attention_heads, mlp_whole, mlp_columns, mlp_rows, mlp_pair;

struct block {
  const problem *problem;
  const strategy *strategy;
  hd_comm *comm;
  hd_ops *ops;
  int rank, world;
  long rows, width, kept_rows;  // kept_rows: rows of x, u, y and their gradients on this rank
  matrix m[MATRICES];
  float *x, *u, *y, *dy, *d;  // (kept_rows, width); d: the gradient that runs backward, from dy to that of x
  float *whole_in, *gathered,
      *whole_out;  // (rows, width): all rows of a half's input, of d, of what the half gives
  float *qkv, *probabilities, *attended;  // left by attention's forward
  float *z, *h;                           // left by the perceptron's
  float *dz, *dqkv, *work;                // scratch of backward, dz as z, dqkv as qkv
  float *blocks;  // (rows, 4·width): column blocks of several ranks, one behind the other
};

block *block_open(const problem *p, const strategy *s, hd_comm *comm, hd_ops *ops);
void block_close(block *b);
// Forward and backward once; -1 once the communicator has failed. y, d (now the gradient of x) and the
// gradients of the matrices are complete afterwards.
int block_step(block *b);
// This rank's part of y, dx (rows, width) and of the gradient (as theta), into host memory that all ranks
// share.
void block_collect(const block *b, float *y, float *dx, float *gradient);

// ---------------------------------------------------------------- a whole run

enum place { ON_CPU, ON_GPU };
enum fault { NO_FAULT, DIES, STALLS, OTHER_SIZE, OTHER_CALL };

typedef struct trial {
  const problem *problem;
  const strategy *strategy;
  enum place place;
  int world, threads, timed_steps;
  double deadline_s;  // 0: the communicator's own
  enum fault fault;   // tests: what happens to rank `faulty` before its first step
  int faulty;
  float *y, *dx, *gradient;  // of the checked step, host memory of the caller
  double step_s;             // by the slowest rank
  double messages, bytes;    // sent per step by the busiest rank
  double memory;             // bytes kept by the rank that keeps most
} trial;

// Runs all ranks: a step that is collected, then the timed ones. Returns 0, or -1 with hd_comm_error_text().
int run_ranks(trial *t);

// The same in double precision, with no code in common. gradient: as theta.
void reference_block(const problem *p, double *y, double *dx, double *gradient);
#endif
