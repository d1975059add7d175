// SPDX-License-Identifier: MIT
// Between the harness and a training.
#ifndef HEDDLE_LESSON_21_CASE_H
#define HEDDLE_LESSON_21_CASE_H
#include <heddle/bench.h>

#include "trainer.h"

// Adam's quotient m / (√v + epsilon) of two numbers near zero cannot be checked: rounding alone decides its
// sign. The checked steps take this epsilon instead of 1e-8.
#define CHECKED_EPSILON 1e-3f

typedef struct state {
  task task;
  float *initial;
  float *update[2];   // by SGD and by AdamW, the outputs
  bool *doubtful[2];  // see reference_update
} state;

// Steps whose result is checked: few enough that rounding stays small, and enough for momentum to matter. One
// where the reference is slow: for a large batch, and for convolutions. (Of an empty batch three: one step of
// weight decay alone moves θ by little more than its rounding.)
long checked_steps(const task *t);

// A run of the harness: the checked steps with SGD and with AdamW, then the timed ones with SGD, whose mean
// time it reports; in longer profiles also the accuracy after training, once in a process.
void run_case(hd_case *c, const engine *e, bool on_gpu);
#endif
