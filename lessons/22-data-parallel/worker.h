// SPDX-License-Identifier: MIT
// What all strategies of this lesson share: one rank's copy of the network, its share of each batch, and how
// a run is checked, timed and trained. The strategies themselves are in strategies.h, one file each.
#ifndef HEDDLE_LESSON_22_WORKER_H
#define HEDDLE_LESSON_22_WORKER_H
#include <heddle/comm.h>
#include <heddle/data.h>
#include <heddle/train.h>

enum { LAYERS = 3, EPOCHS = 10, WARM_UP = 2 };

// The problem, the same for every rank and read-only while ranks run.
typedef struct task {
  const hd_dataset *train, *test;
  int width[LAYERS + 1];
  size_t batch;          // images of one step over all ranks
  uint64_t seed;         // of the shuffling and of the initial weights
  const float *initial;  // the weights every rank should start from (host)
  enum hd_rule rule;
  float weight_decay;
} task;

typedef struct strategy strategy;

// When one rank did what in one step: seconds since the step began. Bucket k's sum runs from start to end.
enum { MOST_BUCKETS = 16 };
typedef struct timeline {
  int buckets;
  double gradient, summed, updated, start[MOST_BUCKETS], end[MOST_BUCKETS];
} timeline;

typedef struct worker {
  const task *task;
  const strategy *strategy;
  hd_comm *comm;  // NULL: alone
  int rank, world;
  hd_ops *ops;
  hd_mlp *net;
  hd_optimizer *optimizer;
  float *inbox;           // room for one more gradient, if the strategy wants it
  size_t offset, length;  // this rank's rows of each batch
  long step;              // batches done
  int average_every;      // model averaging: local steps between two averages
  bool scaled_rate;       // steps at scaled_rate(), not at learning_rate()
  bool watched;           // this step is drawn
  int buckets;            // that it has started to sum
  hd_ops *sums;           // nothing but the moments of the stream on which they are summed, while watched
  // Where this rank's images are.
  uint32_t *order;  // the visiting order of `epoch`
  long epoch;
  float *images, *staged;  // in ops memory: one share, or `resident` of them; on the host (the same on a CPU)
  uint8_t *labels, *staged_labels;
  long resident;  // steps whose images lie in ops memory already, from step 0
  size_t rows;    // room in images and labels
} worker;

struct strategy {
  // One step over the whole batch by all ranks together: returns 0, or -1 once the communicator has failed.
  int (*step)(worker *w);
  // Which rows of a batch a rank gets; NULL: equal shares.
  void (*share)(size_t batch, int rank, int world, size_t *offset, size_t *length);
  int micro_batches;  // cuts of each share, so that activations of one cut suffice; 0 means 1
  bool inbox;         // needs worker.inbox
  bool scaled_rate;   // whole trainings at scaled_rate()
  bool whole_epochs;  // also the last, partial batch of an epoch is a step
  bool timeline;      // tells its moments, see worker_moment
  bool own_weights;   // a mistake: every rank draws its own initial weights
};

// A rank of `strategy` on the device of `ops` (taken over). With resident > 0 the images of the first
// `resident` steps are put into device memory now, as a loader with a copy stream of its own would do while
// other steps run.
worker *worker_open(const task *t, const strategy *s, hd_comm *comm, hd_ops *ops, long resident);
void worker_close(worker *w);

// 1 / count: what turns a sum over images into their mean; 0 for no images, whose sum is 0.
static inline float per_image(size_t count) {
  return count ? 1.0f / (float)count : 0;
}

// Steps in which the strategy goes through the data set once.
long worker_steps_per_epoch(const worker *w);

// Images of all ranks in this step: the batch, or what is left of the epoch.
size_t worker_images(const worker *w);

// Rows [from, from + count) of this rank's share of the current step, in ops memory.
void worker_rows(worker *w, size_t from, size_t count, const float **images, const uint8_t **labels);

// gradient = scale · Σ of the loss gradients over this rank's share.
void worker_gradient(worker *w, float scale);

// One optimizer step with scale · gradient, at the learning rate of this step.
void worker_update(worker *w, float scale);

// Remembers when the work issued so far will be done, if this step is watched. A bucket's sum has started
// (after what was issued to it before) and is issued: worker_bucket_ready before hd_all_reduce_start,
// worker_bucket_issued after it.
enum moment { BEGUN, GRADIENT, SUMMED, UPDATED, BUCKETS };
void worker_moment(worker *w, enum moment m);
void worker_bucket_ready(worker *w);
void worker_bucket_issued(worker *w);
// One more step, watched; it begins where all ranks are. -1 once the communicator has failed.
int worker_watched_step(worker *w, timeline *found);

// `steps` steps of the strategy; -1 once the communicator has failed.
int worker_train(worker *w, long steps);

// Steps of one epoch; the last partial batch is dropped, unless a strategy goes through whole epochs.
long steps_per_epoch(const task *t);

// 0.05, falling linearly to 0 over EPOCHS epochs (Adam: 0.001). Larger batches keep it: a rate that grows
// with them, even with their square root, diverges here at 1024 images unless it is warmed up.
float learning_rate(const task *t, long step);

// The rate in proportion to the batch, reached after WARM_UP epochs, then falling linearly to 0 (Goyal et al.
// 2017).
float scaled_rate(const task *t, long step);

// ---------------------------------------------------------------- a whole run

enum place { ON_CPU, ON_GPU };

// What run_ranks is asked for and what it found.
typedef struct trial {
  const task *task;
  const strategy *strategy;
  enum place place;
  int world;  // 0: one worker without a communicator
  enum hd_order order;
  long checked_steps;  // untimed: their result is checked, and they warm the caches
  long timed_steps;
  long epochs;        // then train from the start for so long, 0: not
  int average_every;  // after the checked steps; these average after every step
  float *
      *theta;  // [world] parameters after the checked steps, host memory of the caller; entries may be NULL
  timeline *timelines;       // [world] of one more step after the timed ones, or NULL: none is wanted
  double step_s;             // seconds per timed step, by the slowest rank
  double loss;               // mean loss of rank 0's share in the last timed step; NaN if it had none
  double messages, bytes;    // sent per timed step by the rank that sends most
  double memory;             // bytes kept in device memory, apart from images, by the rank that keeps most
  double accuracy, epoch_s;  // on the test set, and seconds per epoch, after `epochs` epochs
} trial;

// Runs all ranks. Returns 0, or -1 with hd_comm_error_text().
int run_ranks(trial *t);

// The update theta - initial after `steps` steps of one worker on the whole batch, in double precision
// throughout. Where the input of a relu is zero up to fp32's rounding, either decision is right; the elements
// that depend on such a decision directly are marked in doubtful: their value cannot be known, and is not to
// be compared.
void reference_update(const task *t, long steps, double *update, bool *doubtful);
#endif
