// SPDX-License-Identifier: MIT
// Idea: unequal workers get unequal shares, here 3 : 1. Each computes its local mean gᵢ, as a loss function
// usually returns it, and the whole batch's gradient is Σ nᵢgᵢ / Σ nᵢ. Prediction: right for any shares. On
// equal workers it costs time, since the slowest decides: 3/4 of the batch on one of two ranks instead of
// 1/2; it pays where one worker is three times as fast. Reason: a mean of means weighs every worker alike,
// not every image.
#include <assert.h>

#include "strategies.h"

void share_three_to_one(size_t batch, int rank, int world, size_t *offset, size_t *length) {
  assert(world > 0);
  size_t parts = 0, before = 0;
  for (int r = 0; r < world; r++) {
    if (r == rank) before = parts;
    parts += r % 2 ? 1 : 3;
  }
  const size_t mine = rank % 2 ? 1 : 3;
  *offset = batch * before / parts;
  *length = batch * (before + mine) / parts - *offset;
}

static int step(worker *w) {
  hd_mlp *net = w->net;
  worker_gradient(w, per_image(w->length));
  w->ops->scale(w->ops, (float)w->length * per_image(w->task->batch), net->gradient, net->parameters);
  if (hd_all_reduce(w->comm, net->gradient, net->parameters, HD_F32, HD_SUM)) return -1;
  worker_update(w, 1);
  return 0;
}

const strategy weighted = {.step = step, .share = share_three_to_one};
