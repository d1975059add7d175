// SPDX-License-Identifier: MIT
// Lesson 22's data parallelism, the baseline: every rank keeps all parameters, all gradients, all of Adam's
// two moments. Prediction: 16 bytes per parameter on every rank, however many there are; 2(N-1)/N·S sent.
// Reason: all ranks take the same step, so all of them need everything.
#include "rank.h"

static const float *parameters(rank *r, int step) {
  return r->theta + (size_t)r->walk[step].layer * r->padded;
}

static int reduce(rank *r, int layer) {
  return hd_all_reduce(r->comm, gradient_room(r, layer), r->padded, HD_F32, HD_SUM);
}

static int update(rank *r) {
  for (int l = 0; l < LAYERS; l++) {
    const size_t at = (size_t)l * r->padded;
    hd_optimizer_step(r->optimizer[l], r->theta + at, r->gradient + at, RATE, 1);
  }
  return 0;
}

const strategy replicated = {.parameters = parameters, .reduce = reduce, .update = update, .every = ALL_KEPT};

strategy checkpointed(strategy s, int every) {
  s.every = every;
  return s;
}
