// SPDX-License-Identifier: MIT
// What is trained: two classifiers of 28 × 28 images and their hyper-parameters.
#ifndef HEDDLE_LESSON_21_MODEL_H
#define HEDDLE_LESSON_21_MODEL_H
#include <heddle/data.h>
#include <heddle/net.h>
#include <heddle/schedule.h>

enum { MOST_LAYERS = 8 };

typedef struct model {
  const char *name;
  hd_layer layers[MOST_LAYERS];
  int count;
  int epochs;             // of a whole training
  enum hd_decay decay;    // how the rates fall to 0
  float rate, adam_rate;  // at the start
  float weight_decay;     // added to the gradient by SGD (L2)
  float adam_decay;       // decoupled, of AdamW
  bool augment;           // images shifted and mirrored by chance while training for accuracy
} model;

// 784-512-256-10.
model mlp_model(void);

// Two convolutions of 3 × 3 with 32 and 64 channels, each halved by a max-pool, then 128 and 10 units.
model cnn_model(void);

// The problem, read-only while it is solved.
typedef struct task {
  model model;
  const hd_dataset *train, *test;
  size_t batch;
  uint64_t seed;         // of the shuffling and of the initial weights
  const float *initial;  // host
} task;

long steps_per_epoch(const task *t);  // the last partial batch is dropped
float learning_rate(const task *t, enum hd_rule rule, long step);
#endif
