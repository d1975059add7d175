// SPDX-License-Identifier: MIT
// Idea: no parallelism. Gradient of the whole batch, then one step with its mean.
#include "strategies.h"

static int step(worker *w) {
  worker_gradient(w, 1);
  worker_update(w, per_image(w->task->batch));
  return 0;
}

const strategy one_worker = {.step = step};
