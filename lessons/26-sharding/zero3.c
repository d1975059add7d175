// SPDX-License-Identifier: MIT
// Idea (ZeRO stage 3): a rank needs the parameters of one layer at a time. Keep one N-th of each, gather a
// layer before its forward and again before its backward, and forget it afterwards.
// Prediction: 16/N bytes per parameter, and one layer's parameters and gradient: nothing is left that does
// not shrink with N. Traffic 3(N-1)/N·S in place of 2: two gathers and a reduce-scatter; but no gather after
// the step, as no rank keeps what would be out of date. Every gather stands in the way of the layer behind
// it.
#include "rank.h"

static const float *parameters(rank *r, int step) {
  float *whole = r->whole_theta[0];
  const float *own = theta_shard(r, r->walk[step].layer);
  return hd_all_gather(r->comm, own, whole, r->each, HD_F32) ? NULL : whole;
}

static int reduce(rank *r, int layer) {
  return zero_2.reduce(r, layer);
}

static int update(rank *r) {
  update_shards(r);
  return 0;
}

const strategy zero_3 = {.parameters = parameters,
                         .reduce = reduce,
                         .update = update,
                         .shards_optimizer = true,
                         .shards_gradient = true,
                         .shards_parameters = true,
                         .buffers = 1,
                         .every = ALL_KEPT};
