// SPDX-License-Identifier: MIT
// Inference: texts are continued symbol by symbol, always with the likeliest, by one rank or by several.
#ifndef HEDDLE_LESSON_30_GENERATE_H
#define HEDDLE_LESSON_30_GENERATE_H
#include "gpt.h"

enum generation_fault { NO_LOSS, ONE_DIES, ONE_CALLS_OTHERS };

typedef struct generation {
  const gpt_shape *shape;  // batch: prompts
  const float *theta;      // whole network, host
  const int32_t *prompts;  // (batch, length), of which the first `given` symbols count
  long given;
  bool cached;   // one position a pass, with the keys and values of the past; else whole sequences
  bool keeps;    // the mistake: everything a backward pass would need is kept, for every pass
  int replicas;  // the prompts are divided among so many
  int shares;    // and the heads of each replica among so many
  bool on_gpu;
  int threads;                  // OpenMP threads of each rank
  double deadline_s;            // 0: the communicator's own
  enum generation_fault fault;  // tests: of the last rank, in the middle
  int32_t *text;                // (batch, length): prompts and what follows them, gathered
  double seconds;               // by the slowest rank
  double memory, bytes;         // kept by the rank that keeps most; sent by the busiest
} generation;

// Returns 0, or -1 with hd_comm_error_text(). replicas has to divide the prompts, shares the heads.
int generate(generation *g);
#endif
