// SPDX-License-Identifier: MIT
// What goes wrong: mistakes of published snippets. Both run without an error. See the README's boxes.
#include <kernels/nn/ops.h>

#include "trainer.h"

// "loss(model(x), model(x))": a loss of the output against itself. The best label is what the network says
// already, so it learns to be sure of itself. Here: the label is the largest output.
static void own_target(trainer *t) {
  const long batch = (long)t->task->batch;
  const float *y = hd_net_forward(t->net, t->net->tape, t->x, batch);
  for (long r = 0; r < batch; r++) {
    const float *row = y + r * HD_CLASSES;
    int best = 0;
    for (int c = 1; c < HD_CLASSES; c++) best = row[c] > row[best] ? c : best;
    t->labels[r] = (uint8_t)best;
  }
  trainer_gradient(t);
}

// "zero_grad()" forgotten: the gradients of all earlier steps are added up.
static void stale_gradient(trainer *t) {
  const long batch = (long)t->task->batch;
  const float mean = batch ? 1.0f / (float)batch : 0;
  hd_net_gradient(t->net, HD_CROSS_ENTROPY, t->x, t->labels, batch, mean, t->step > 0, NULL, NULL);
}

const engine wrong_target = {.open = hd_ops_cpu, .gradient = own_target};
const engine wrong_stale = {.open = hd_ops_cpu, .gradient = stale_gradient};
