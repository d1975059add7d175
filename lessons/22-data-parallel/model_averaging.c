// SPDX-License-Identifier: MIT
// Idea: train apart, meet every k steps: θ = Σ (nᵢ/n) θᵢ, which is 1/N Σ θᵢ for equal shares.
// Prediction: communication falls to 1/k. With SGD and k = 1 the result is that of averaging gradients,
// because the step is linear in the gradient; with k > 1, or with Adam, it is another algorithm. Reason:
// after the first local step the replicas see gradients at different points. Optimizer state stays local.
#include "strategies.h"

static int step(worker *w) {
  hd_mlp *net = w->net;
  worker_gradient(w, 1);
  worker_update(w, per_image(w->length));
  if ((w->step + 1) % w->average_every) return 0;
  const size_t batch = w->task->batch;
  const float weight = batch ? (float)w->length / (float)batch : 1.0f / (float)w->world;  // they add up to 1
  w->ops->scale(w->ops, weight, net->theta, net->parameters);
  return hd_all_reduce(w->comm, net->theta, net->parameters, HD_F32, HD_SUM);
}

const strategy model_averaging = {.step = step};
