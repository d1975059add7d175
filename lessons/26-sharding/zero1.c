// SPDX-License-Identifier: MIT
// Idea (ZeRO stage 1, Rajbhandari et al. 2020): N ranks take the same step N times. Let each take it for one
// N-th of the parameters only, and tell the others. Then it needs one N-th of Adam's moments, and of the
// gradient only one N-th must be summed at each rank.
// Prediction: 8 + 8/N bytes per parameter. The same traffic: an all-reduce is a reduce-scatter and an
// all-gather; here the step stands between the two, and parameters are gathered in place of gradients.
#include "rank.h"

static const float *parameters(rank *r, int step) {
  return replicated.parameters(r, step);
}

static int reduce(rank *r, int layer) {
  return hd_reduce_scatter(r->comm, gradient_room(r, layer), gradient_shard(r, layer), r->each, HD_F32,
                           HD_SUM);
}

static int update(rank *r) {
  update_shards(r);
  for (int l = 0; l < LAYERS && r->strategy->mistake != NO_GATHER; l++)
    if (hd_all_gather(r->comm, theta_shard(r, l), r->theta + (size_t)l * r->padded, r->each, HD_F32))
      return -1;
  return 0;
}

const strategy zero_1 = {.parameters = parameters,
                         .reduce = reduce,
                         .update = update,
                         .shards_optimizer = true,
                         .every = ALL_KEPT};
const strategy wrong_stale = {.parameters = parameters,
                              .reduce = reduce,
                              .update = update,
                              .shards_optimizer = true,
                              .every = ALL_KEPT,
                              .mistake = NO_GATHER};
