// SPDX-License-Identifier: MIT
// Between the harness and the runs: the parts of the lesson, each with its cases.
#ifndef HEDDLE_LESSON_30_CASE_H
#define HEDDLE_LESSON_30_CASE_H
#include <heddle/bench.h>

#include "generate.h"
#include "train.h"

// One part of the lesson; c->state is its own.
typedef struct part {
  hd_run *setup, *teardown, *reference;
  double (*flops)(const hd_case *c);
  double (*items)(const hd_case *c);  // symbols
  double (*memory)(long size);
} part;

extern const part train_part, infer_part, step_part;
extern int training_steps;     // --steps; 0: by the profile
extern double memory_limit_b;  // --memory: bytes that a device may use; 0: no limit

// train: a layout is fixed, or the planner's n-th choice.
typedef struct training {
  enum { ALONE, BY_DATA, PLANNED } how;
  bool on_gpu;
} training;
void run_training(hd_case *c, training how, int devices, int threads);
bool training_fits(const hd_case *c, training how);

// infer: prompts are divided, or heads.
typedef struct inference {
  bool cached, keeps, by_heads, on_gpu;
} inference;
void run_inference(hd_case *c, inference how, int devices, int threads);
bool inference_fits(const hd_case *c, inference how);

// step: on the CPU or on a GPU.
extern const hd_place step_on_cpu, step_on_gpu;
void run_step(hd_case *c);

// What the parts have in common: parameters of a new network, host; a network as wide for its depth as GPT-2:
// heads of 64 values, as many as there are blocks; when reduced of 4.
float *new_parameters(const gpt_shape *s, uint64_t seed);
gpt_shape shape_of_size(const hd_case *c, long batch, long vocabulary);
#endif
