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
  CLIP_THE_SUM       // a rank clips the sum of its images' gradients instead of each of them (CPU ranks only)
};

typedef struct strategy {
  const compressor *compressor;  // NULL: fp32 by all-reduce
  bool low_rank;                 // as products of small matrices, whose factors are all-reduced
  bool feedback;                 // what a message leaves out is added to the next gradient
  bool private;                  // clip every image's gradient, sample images independently, add noise
  float clip, noise;             // the length C; σ: the noise's standard deviation is σ·C
  enum mistake mistake;
} strategy;

extern const strategy plain, quantized, quantized_forgetful, largest, largest_forgetful, largest_library,
    factored, private_sgd, clipped, less_noise, more_noise;

typedef struct worker {
  const task *task;
  const strategy *strategy;
  hd_comm *comm;
  int rank, world;
  hd_ops *ops;
  model *model;
  hd_optimizer *optimizer;
  float *sum;        // of all ranks' gradients, or of all messages
  float *left_out;   // compressed: the residual e
  uint32_t *inbox;   // everybody's messages, this rank's among them
  float *factors;    // low rank: P and Q of all layers
  void *work;        // of the compressor
  long step, total;  // steps done; those of the whole training, over which the rate falls
  float *lengths;    // of each image's gradient, before clipping
  // batch.c: this rank's images.
  bool sampling;           // they are drawn independently, not in shuffled batches
  uint32_t *order;         // of the images, in this epoch
  uint32_t *rows;          // those drawn
  size_t share;            // room for one step
  float *images;           // of this step, in the memory of ops
  uint8_t *labels;         //
  size_t count;            // of this step
  float *all_images;       // of one step, or of the `resident` first ones
  uint8_t *all_labels;     //
  size_t *counts;          // of those steps
  float *staged;           // on the host
  uint8_t *staged_labels;  //
  long epoch, resident;
} worker;

// A rank on the device of `ops` (taken over). The images of the first `resident` steps are put into device
// memory now, as a loader with a copy stream of its own would do while other steps run.
worker *worker_open(const task *t, const strategy *s, hd_comm *comm, hd_ops *ops, long total, long resident);
void worker_close(worker *w);

// The gradient of this rank's images of this step into model->gradient: their sum, clipped and with its part
// of the noise if private.
void worker_gradient(worker *w);
// Whole steps.
int worker_train(worker *w, long steps);

void worker_add_noise(worker *w);  // to this rank's part of the parameters

// ---------------------------------------------------------------- exchange.c

// Sums the gradients of all ranks into `sum`, the same bits on every rank. -1 once the communicator failed.
// Moments of the last exchange are marked in ops: from PACKED to SENT it sends, else it computes.
int worker_exchange(worker *w);
enum moment { BEGUN, PACKED, SENT, PACKED_AGAIN, SENT_AGAIN, ADDED };

int exchange_low_rank(worker *w);  // low_rank.c
size_t low_rank_words(void);       // that are added up in a step

// Bytes a rank sends in one step, and the seconds it sends where a message takes alpha + bytes / rate.
double bytes_formula(const strategy *s, int world);
double sending_formula(const strategy *s, int world, double alpha, double rate);

// ---------------------------------------------------------------- batch.c

// This step's images by independent draws; returns their number, at most `room`.
size_t draw_rows(const task *t, long step, uint32_t *rows, size_t room);
size_t draw_room(size_t batch);  // more images than this are drawn once in 10^20 steps

void batch_open(worker *w, long resident);
void batch_close(worker *w);
void batch_next(worker *w);  // images, labels and count of w->step

// ---------------------------------------------------------------- a whole run

enum place { ON_CPU, ON_GPU };

typedef struct trial {
  const task *task;
  const strategy *strategy;
  enum place place;
  int world, threads;
  bool check;  // one step whose gradient is collected, without clipping and noise, in shuffled batches
  long warm_steps, timed_steps;
  long train_steps;  // from the start
  double *gradient;  // check: Σ of what was sent and what was left out, over the batch
  float **theta;     // [world] parameters after train_steps, entries may be NULL
  double step_s, messages, bytes, accuracy;
  // Of the last timed step: by the rank that computes longest, and by the one that waits for others least.
  double packing_s, sending_s;
} trial;

int run_ranks(trial *t);

// Σ over the images rows[0..count) of their loss gradients, each clipped to length `clip`, one image after
// the other in double precision; lengths (may be NULL) gets those before clipping.
void reference_gradient(const task *t, const float *theta, const uint32_t *rows, size_t count, double clip,
                        double *gradient, double *lengths);
#endif
