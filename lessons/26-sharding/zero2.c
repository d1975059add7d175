// SPDX-License-Identifier: MIT
// Idea (ZeRO stage 2): a layer's gradient is complete when backward leaves the layer. Sum it then, keep this
// rank's N-th of the sum, and use the room for the next layer's.
// Prediction: 4 + 12/N bytes per parameter, and one layer's gradient. Traffic and time do not change.
// Reason: nobody but the optimizer needs the sum, and the optimizer needs its own N-th.
#include "rank.h"

static const float *parameters(rank *r, int step) {
  return zero_1.parameters(r, step);
}
static int reduce(rank *r, int layer) {
  return zero_1.reduce(r, layer);  // gradient_room and gradient_shard are other places now
}
static int update(rank *r) {
  return zero_1.update(r);
}

const strategy zero_2 = {.parameters = parameters,
                         .reduce = reduce,
                         .update = update,
                         .shards_optimizer = true,
                         .shards_gradient = true,
                         .every = ALL_KEPT};
