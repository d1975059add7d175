// SPDX-License-Identifier: MIT
// Idea: which layer comes next is known, so fetch its parameters while this one is computed: two buffers in
// turn, and messages that travel on a stream of their own.
// Prediction: the same bytes sent; one more layer kept; the gathers vanish behind the computation wherever a
// layer takes longer than its gather, (N-1)(α + S/(16·N·B)). CPU ranks that fill the cores gain nothing.
// Reason: the links and the arithmetic are different parts of the machine.
#include "rank.h"

static float *buffer(const rank *r, int step) {
  return r->whole_theta[r->strategy->mistake == ONE_BUFFER ? 0 : step % 2];
}

// Everybody opens its receives before it sends, so nobody waits for somebody who waits.
static int fetch(rank *r, int step) {
  hd_ops *o = r->ops;
  float *whole = buffer(r, step), *own = theta_shard(r, r->walk[step].layer);
  for (int k = 1; k < r->world; k++) {
    const int from = (r->number + r->world - k) % r->world;
    if (hd_recv_start(r->comm, whole + (size_t)from * r->each, r->each, HD_F32, from)) return -1;
  }
  for (int k = 1; k < r->world; k++)
    if (hd_send_start(r->comm, own, r->each, HD_F32, (r->number + k) % r->world)) return -1;
  o->copy(o, whole + (size_t)r->number * r->each, own, r->each * sizeof(float));
  r->fetched = step + 1;
  return 0;
}

static int arrive(rank *r) {
  for (int k = 1; k < r->world; k++) {
    if (hd_recv_wait(r->comm, (r->number + r->world - k) % r->world)) return -1;
    if (hd_send_wait(r->comm, (r->number + k) % r->world)) return -1;
  }
  return 0;
}

static const float *parameters(rank *r, int step) {
  if (step == 0) r->fetched = 0;
  if (r->fetched == step && fetch(r, step)) return NULL;
  if (arrive(r)) return NULL;
  if (step + 1 < r->visits && fetch(r, step + 1)) return NULL;
  return buffer(r, step);
}

static int reduce(rank *r, int layer) {
  return zero_2.reduce(r, layer);
}
static int update(rank *r) {
  update_shards(r);
  return 0;
}

const strategy prefetched = {.parameters = parameters,
                             .reduce = reduce,
                             .update = update,
                             .shards_optimizer = true,
                             .shards_gradient = true,
                             .shards_parameters = true,
                             .buffers = 2,
                             .every = ALL_KEPT};
const strategy wrong_one_buffer = {.parameters = parameters,
                                   .reduce = reduce,
                                   .update = update,
                                   .shards_optimizer = true,
                                   .shards_gradient = true,
                                   .shards_parameters = true,
                                   .buffers = 1,
                                   .every = ALL_KEPT,
                                   .mistake = ONE_BUFFER};
