// SPDX-License-Identifier: MIT
// One rank of a data-parallel training whose gradients are compressed, or made private, on their way.
#ifndef HEDDLE_LESSON_28_WORKER_H
#define HEDDLE_LESSON_28_WORKER_H
#include <heddle/comm.h>
#include <stdbool.h>

#include "compress.h"
#include "model.h"

// The problem, the same for every rank and read-only while ranks run.
typedef struct task {
  const hd_dataset *train, *test;
  size_t batch;  // images of one step over all ranks; with private sampling, their expected number
  uint64_t seed;
  const float *initial;  // host
} task;

enum mistake {
  NO_MISTAKE,
  NOISE_EVERYWHERE,  // every rank adds the whole noise
  CLIP_THE_SUM       // a rank clips the sum of its images' gradients instead of each of them
};

typedef struct strategy {
  const compressor *compressor;  // NULL: fp32 by all-reduce
  bool feedback;                 // what a message leaves out is added to the next gradient
  bool private;                  // clip every image's gradient, sample images independently, add noise
  float clip, noise;             // the length C; σ: the noise's standard deviation is σ·C
  enum mistake mistake;
} strategy;

extern const strategy plain, quantized, quantized_forgetful, largest, largest_forgetful, private_sgd, clipped,
    less_noise;

typedef struct worker {
  const task *task;
  const strategy *strategy;
  hd_comm *comm;
  int rank, world;
  hd_ops *ops;
  model *model;
  hd_optimizer *optimizer;
  float *left_out, *sum;      // compressed: the residual e; Σ of all messages
  uint32_t *message, *inbox;  // this rank's, everybody's
  long step, total;           // steps done; those of the whole training, over which the rate falls
  bool sampling;              // images are drawn independently, not in shuffled batches
  uint32_t *order, *rows;
  long epoch;
  size_t count;  // of this rank's images in this step
  float *images;
  uint8_t *labels;
  double *lengths;
} worker;

worker *worker_open(const task *t, const strategy *s, hd_comm *comm, long total);
void worker_close(worker *w);

// The gradient of this rank's images of this step into model->gradient: their sum, clipped and with its part
// of the noise if private.
void worker_gradient(worker *w);
// Sums the gradients of all ranks into `sum`, the same bits on every rank. -1 once the communicator failed.
int worker_exchange(worker *w);
// Whole steps.
int worker_train(worker *w, long steps);

// Bytes a rank sends in one step.
double bytes_formula(const strategy *s, int world);

// This step's images by independent draws (private.c); returns their number, at most `room`.
size_t draw_rows(const task *t, long step, uint32_t *rows, size_t room);
size_t draw_room(size_t batch);  // more images than this are drawn once in 10^20 steps
void clip_deltas(worker *w);     // scales every image's deltas so that its gradient's length is ≤ clip
void add_noise(worker *w);       // to this rank's part of the parameters

// ---------------------------------------------------------------- a whole run

typedef struct trial {
  const task *task;
  const strategy *strategy;
  int world, threads;
  bool check;  // one step whose gradient is collected, without clipping and noise, in shuffled batches
  long timed_steps;
  long train_steps;  // from the start
  double *gradient;  // check: Σ of what was sent and what was left out, over the batch
  float **theta;     // [world] parameters after train_steps, entries may be NULL
  double step_s, messages, bytes, accuracy;
} trial;

int run_ranks(trial *t);

// Σ over the images rows[0..count) of their loss gradients, each clipped to length `clip`, one image after
// the other in double precision; lengths (may be NULL) gets those before clipping.
void reference_gradient(const task *t, const float *theta, const uint32_t *rows, size_t count, double clip,
                        double *gradient, double *lengths);
#endif
