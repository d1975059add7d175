// SPDX-License-Identifier: MIT
// The ways to train one model with N workers, in reading order. Each is one short function over worker.h, the
// same for CPU ranks and for GPUs.
#ifndef HEDDLE_LESSON_22_STRATEGIES_H
#define HEDDLE_LESSON_22_STRATEGIES_H
#include "worker.h"

extern const strategy one_worker;        // the serial twin of all others
extern const strategy parameter_server;  // a central aggregator sums gradients and hands out the parameters
extern const strategy model_averaging;   // local steps, then the mean of the models
extern const strategy all_reduce;        // everybody sums all gradients and takes the same step
extern const strategy weighted;          // unequal shares, weighted mean of the local means
extern const strategy joined;       // the same to the last image of an epoch, when some ranks have none left
extern const strategy accumulated;  // several micro-batches, one synchronization
extern const strategy large_batch;  // all_reduce, with a rate in proportion to the batch
extern const strategy bucketed;     // all-reduce of finished layers while backward goes on

// What goes wrong: published mistakes, each of which trains something else than it claims.
extern const strategy wrong_sum_after_step;  // parameters all-reduced after the step
extern const strategy wrong_own_weights;     // each rank initialises its own
extern const strategy wrong_naive_mean;      // unequal shares, plain mean
extern const strategy wrong_forgotten_k;     // micro-batch means summed, not averaged
extern const strategy wrong_eval_gradient;  // evaluation through the training path leaves its gradient behind
extern const strategy wrong_early_end;      // a rank without images leaves the others alone

// Images of this rank's share that a joined step has.
size_t joined_rows(const worker *w);

// Shares in proportion 3 : 1 : 3 : 1 …, as if every other worker were three times as fast.
void share_three_to_one(size_t batch, int rank, int world, size_t *offset, size_t *length);
#endif
