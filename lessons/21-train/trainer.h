// SPDX-License-Identifier: MIT
// One training: an engine (how the operations run), a network, an optimizer, and its images.
#ifndef HEDDLE_LESSON_21_TRAINER_H
#define HEDDLE_LESSON_21_TRAINER_H
#include "model.h"

typedef struct trainer trainer;

// What the variants of this lesson differ in.
typedef struct engine {
  hd_ops *(*open)(void);
  enum hd_type precision;        // of the operands of products
  void (*gradient)(trainer *t);  // trainer_gradient, or something that gives the same
  void (*close)(trainer *t);     // of what gradient has made; NULL: nothing
} engine;

struct trainer {
  const task *task;
  const engine *engine;
  hd_ops *ops;
  hd_net *net;
  hd_optimizer *optimizer;
  hd_scaler scaler;  // of 16-bit engines; its scale is 1 otherwise
  long step;
  // The batch lies in x and labels; on a GPU it is copied there from `resident` batches that were brought to
  // the device before the clock started, as a loader with a copy stream of its own would do while others
  // train.
  float *x, *resident_x, *staged;
  uint8_t *labels, *resident_labels, *staged_labels;
  long resident;
  uint32_t *order;
  long epoch;
  bool augment;
  void *captured;  // of the graph engine
};

trainer *trainer_open(const task *t, const engine *e, enum hd_rule rule, long resident);
void trainer_close(trainer *t);

// gradient = mean over the batch · the loss scale, of the images in x.
void trainer_gradient(trainer *t);

// `steps` steps: images, gradient, optimizer.
void trainer_run(trainer *t, long steps);

extern const engine cpu_engine, gpu_kernels, gpu_cublas, gpu_bf16, gpu_fp16, gpu_graph;
extern const engine wrong_target, wrong_stale;
#endif
