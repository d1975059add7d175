// SPDX-License-Identifier: MIT
// Idea: k micro-batches one after the other into the same gradient, then one synchronization.
// Prediction: the gradient of the big batch with the activations of a k-th of it; slower per image, as
// smaller matrix products reuse less, but k times fewer synchronizations than k small steps. Reason: the
// gradient of a sum is the sum of gradients.
#include "strategies.h"

enum { MICRO_BATCHES = 4 };

static int step(worker *w) {
  for (int k = 0; k < MICRO_BATCHES; k++) {
    const float *images;
    const uint8_t *labels;
    size_t from, count;
    hd_shard(w->length, k, MICRO_BATCHES, &from, &count);
    worker_rows(w, from, count, &images, &labels);
    hd_mlp_gradient(w->net, images, labels, (long)count, 1, k > 0, NULL, NULL);
  }
  if (hd_all_reduce(w->comm, w->net->gradient, w->net->parameters, HD_F32, HD_SUM)) return -1;
  worker_update(w, per_image(w->task->batch));
  return 0;
}

const strategy accumulated = {.step = step, .micro_batches = MICRO_BATCHES};
