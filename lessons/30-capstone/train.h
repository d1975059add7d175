// SPDX-License-Identifier: MIT
// Training the GPT with lesson 27's planner and runs: the network as pieces that those can lay out.
#ifndef HEDDLE_LESSON_30_TRAIN_H
#define HEDDLE_LESSON_30_TRAIN_H
#include <lessons/27-planner/hybrid.h>

#include "gpt.h"

// What is trained on, the same for every rank and read-only while they run, but for the losses.
typedef struct gpt_task {
  gpt_shape shape;
  int steps;                  // batches, over and over
  float rate, decay;          // AdamW
  int32_t *tokens, *targets;  // (steps, batch, length): pieces of the text, and the same one symbol later
  double *losses;             // (checked steps, GPT_MOST_REPLICAS): each replica's part of a step's mean loss
  int checked_steps;
} gpt_task;

enum { GPT_MOST_REPLICAS = HD_MOST_RANKS };

// Batches drawn from a text of this seed. To be freed with gpt_task_free.
gpt_task gpt_task_new(gpt_shape shape, int steps, int checked_steps, uint64_t seed);
void gpt_task_free(gpt_task *t);
void gpt_task_forget(gpt_task *t);  // the losses, before another run
// The mean loss of a checked step.
double gpt_task_loss(const gpt_task *t, int step);

extern const piece_kind gpt_pieces;
// The planner times fewer blocks and smaller batches than the task's.
gpt_shape gpt_shape_of(const model *m, const gpt_task *t);
// The task as lesson 27 wants it; initial: parameters of the whole network, host. `paper` has to stay.
problem gpt_problem(const gpt_task *t, const float *initial, network *paper);

// Losses of the first `steps` steps and the gradient of the first, in double precision.
void gpt_train_reference(const gpt_task *t, const float *initial, int steps, double *losses,
                         double *gradient);
#endif
