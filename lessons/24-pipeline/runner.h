// SPDX-License-Identifier: MIT
// One rank of a pipeline: what the executor (executor.c) works on, and what a run (run.c) sets up.
#ifndef HEDDLE_LESSON_24_RUNNER_H
#define HEDDLE_LESSON_24_RUNNER_H
#include "messages.h"
#include "pipeline.h"
#include "stage.h"

enum { MOST_CHUNKS = 8 };

typedef struct runner {
  trial *trial;
  hd_comm *comm;
  int rank;
  hd_ops *ops;
  schedule plan;
  stage *stage[MOST_CHUNKS];                  // per chunk
  int room[MOST_CHUNKS], freed[MOST_CHUNKS];  // micro-batches it may hold at once, and that have left it
  inbox in[2];
  int inboxes, opened[2], taken[2];  // receives opened and waited for
  int sent[2], ended[2];             // sends to the same peers, started and waited for
  float *input, *target;             // of the whole batch, in device memory
} runner;

// One batch: every instruction of this rank, in its order; -1 once the communicator has failed. The gradient
// of every stage is complete afterwards. With marks, marks 2k + 1 and 2k + 2 of ops lie around instruction k,
// mark 0 at the start.
int runner_step(runner *r, bool marks);
#endif
