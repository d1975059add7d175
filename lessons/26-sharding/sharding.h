// SPDX-License-Identifier: MIT
// Data parallelism in which every rank keeps only its part of what all of them need: the problem, the ways to
// run it, and what each must keep and send. One rank's insides are in rank.h.
#ifndef HEDDLE_LESSON_26_SHARDING_H
#define HEDDLE_LESSON_26_SHARDING_H
#include <heddle/comm.h>
#include <stdbool.h>
#include <stddef.h>

enum place { ON_CPU, ON_GPU };
enum { LAYERS = 16, ALL_KEPT = LAYERS };

// The problem, the same for every rank and read-only while ranks run: 16 equal layers y = GELU(x·W + b), x
// and y (rows, width), W (width, width). The loss is Σ (output - target)² / (2·rows).
typedef struct problem {
  long width, rows;             // of the whole batch
  const float *input, *target;  // (rows, width), host
  const float *initial;         // LAYERS times (width, width) weights and (width) biases, host
} problem;

typedef struct rank rank;

enum mistake {
  NO_MISTAKE,
  NO_GATHER,  // the ranks do not tell each other their part of the new parameters
  ONE_BUFFER  // the next layer's parameters are fetched into the buffer that is being computed with
};

// What the ranks keep and how they come by the rest.
typedef struct strategy {
  // The complete parameters of the layer of walk step `step` (rank.h), in device memory; NULL after a
  // failure.
  const float *(*parameters)(rank *r, int step);
  // The layer's gradient is complete on this rank: sum it over the ranks. -1 after a failure.
  int (*reduce)(rank *r, int layer);
  // The optimizer's step. -1 after a failure.
  int (*update)(rank *r);
  bool shards_optimizer, shards_gradient, shards_parameters;  // a rank keeps one N-th of them
  int buffers;  // for complete parameters of one layer, if those are sharded
  int every;    // the input of every so-many-th layer is kept, the rest computed again; ALL_KEPT: none is
  enum mistake mistake;
} strategy;

extern const strategy replicated;  // everybody keeps all
extern const strategy zero_1;      // sharded: the optimizer's state
extern const strategy zero_2;      // … and the gradient
extern const strategy zero_3;      // … and the parameters
extern const strategy prefetched;  // zero_3 that fetches the next layer while it computes this one
extern const strategy wrong_stale, wrong_one_buffer;  // the two mistakes
strategy checkpointed(strategy s, int every);         // the same, with fewer activations kept

// ---------------------------------------------------------------- formulas

size_t layer_parameters(long width);

// Floats of a rank's shard of a layer: an N-th, rounded up to whole cache lines of 32 floats. N shards are at
// least as long as the layer; what is too much is zero and stays so.
size_t shard_length(long width, int world);

// Bytes a rank with `rows` rows of the batch keeps, by the formulas of the README.
typedef struct bytes_kept {
  double parameters, gradient, optimizer, activations;
} bytes_kept;
bytes_kept bytes_formula(const strategy *s, long width, long rows, int world);

// Messages and bytes every rank sends in one step.
hd_traffic traffic_formula(const strategy *s, long width, int world);

// ---------------------------------------------------------------- a whole run

enum fault { NO_FAULT, DIES, STALLS, OTHER_SIZE, OTHER_CALL };

// What run_ranks is asked for and what it found.
typedef struct trial {
  const problem *problem;
  const strategy *strategy;
  enum place place;
  int world, threads;  // ranks; OpenMP threads of each
  int checked_steps;   // before theta is collected
  int timed_steps;     // after them
  double deadline_s;   // 0: the communicator's own
  enum fault fault;    // tests: what happens to rank `faulty` in the middle of its first backward
  int faulty;
  float *theta;            // after the checked steps, as problem.initial; each rank's own shards (host)
  float **copy;            // [world] where parameters are not sharded, each rank's copy; NULL: not wanted
  double **span;           // [world] moments of the last timed step, see SPANS in rank.h; NULL: not wanted
  double step_s;           // seconds per timed step, by the slowest rank
  double bytes, messages;  // sent per step by the busiest rank
  double memory;           // bytes kept in device memory by the rank that keeps most
  double loss;             // of the whole batch in the last step
} trial;

// Runs all ranks. Returns 0, or -1 with hd_comm_error_text().
int run_ranks(trial *t);

// `steps` steps by one rank in double precision, with no code in common with what it checks: the update
// theta - initial.
void reference_update(const problem *p, int steps, double *update);

// Adam's, for all: epsilon is larger than the usual 1e-8, so that a gradient that is zero up to rounding
// moves its parameter hardly instead of by a whole step in a random direction. Then results can be compared.
#define RATE 1e-3f
#define EPSILON 1e-2f
#endif
