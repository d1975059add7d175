// SPDX-License-Identifier: MIT
// One rank: its rows of the batch, what it keeps, and its walk through the layers.
#ifndef HEDDLE_LESSON_26_RANK_H
#define HEDDLE_LESSON_26_RANK_H
#include <heddle/train.h>

#include "sharding.h"

// A step of the walk: one layer forward, forward once more (its activations were not kept), or backward.
enum kind { FORWARD, AGAIN, BACKWARD };
typedef struct visit {
  enum kind kind;
  int layer;
} visit;

enum { MOST_VISITS = 3 * LAYERS, SPANS = 3 * MOST_VISITS + 2 };

// All of a batch's visits in order, with a checkpoint in front of every `every`-th layer. Returns their
// number.
int walk_of(int every, visit *list);

struct rank {
  const trial *trial;
  const strategy *strategy;
  hd_comm *comm;
  int number, world;
  hd_ops *ops;
  long rows, first_row, width;
  visit walk[MOST_VISITS];
  int visits;
  // Per layer `padded` floats: N shards of `each`; where only this rank's shard is kept, `each`.
  size_t each, padded;
  float *theta, *gradient;
  hd_optimizer *optimizer[LAYERS];
  float *whole_theta[2], *whole_gradient;  // of the layer at work, where only shards are kept
  int fetched;                             // visits whose parameters have been asked for (prefetched)
  // (rows, width) each; see input_of in pass.c.
  float *checkpoints, *inner, *sums, *delta[2], *target, *loss;
};

// Rank `number` of t->world, on the device of `ops` (taken over). Without a communicator only rank_visit is
// possible.
rank *rank_open(const trial *t, hd_comm *comm, int number, hd_ops *ops);
void rank_close(rank *r);

// One step: the walk, then the update. -1 once the communicator has failed. With marks, marks 3v + 1, + 2 and
// + 3 of ops lie before visit v, behind its wait for parameters, and behind its computation; one more behind
// the last sum, one behind the update; mark 0 is the start.
int rank_step(rank *r, bool marks);

// The layer of visit v, with these complete parameters (pass.c).
void rank_visit(rank *r, visit v, const float *theta);

// This rank's shard of a layer, and where the layer's complete gradient is to be written.
float *theta_shard(const rank *r, int layer);
float *gradient_shard(const rank *r, int layer);
float *gradient_room(const rank *r, int layer);

// One step of Adam on this rank's shard of every layer.
void update_shards(rank *r);
#endif
