// SPDX-License-Identifier: MIT
// What goes wrong: five mistakes of published snippets. All of them run, and most of them even learn
// something; held against one worker on the same batches, each fails at the first check. See the README's
// boxes.
#include "strategies.h"

// "optimizer.step(), then all-reduce the parameters." The sum of N models is N times too large. (Divided by N
// it would be model averaging, which is right for plain SGD only.)
static int sum_after_step(worker *w) {
  worker_gradient(w, 1);
  worker_update(w, per_image(w->task->batch));
  return hd_all_reduce(w->comm, w->net->theta, w->net->parameters, HD_F32, HD_SUM);
}

// Right steps from different starting points: the replicas never become one model.
static int reduce_gradients(worker *w) {
  return all_reduce.step(w);
}

// Mean of means: the images of a small share weigh more than those of a large one.
static int naive_mean(worker *w) {
  worker_gradient(w, per_image(w->length));
  if (hd_all_reduce(w->comm, w->net->gradient, w->net->parameters, HD_F32, HD_SUM)) return -1;
  worker_update(w, 1.0f / (float)w->world);
  return 0;
}

// Each micro-batch's loss is a mean, and nobody divides by k: a k times larger step.
static int forgotten_k(worker *w) {
  enum { K = 4 };
  for (int k = 0; k < K; k++) {
    const float *images;
    const uint8_t *labels;
    size_t from, count;
    hd_shard(w->length, k, K, &from, &count);
    worker_rows(w, from, count, &images, &labels);
    hd_mlp_gradient(w->net, images, labels, (long)count, per_image(count), k > 0, NULL, NULL);
  }
  if (hd_all_reduce(w->comm, w->net->gradient, w->net->parameters, HD_F32, HD_SUM)) return -1;
  worker_update(w, 1.0f / (float)w->world);
  return 0;
}

// An "evaluation" of some images through the training path, with gradients on, just before the step.
static int eval_gradient(worker *w) {
  const float *images;
  const uint8_t *labels;
  const size_t count = (w->length + 3) / 4;
  worker_gradient(w, 1);
  worker_rows(w, 0, count, &images, &labels);
  hd_mlp_gradient(w->net, images, labels, (long)count, 1, true, NULL, NULL);
  if (hd_all_reduce(w->comm, w->net->gradient, w->net->parameters, HD_F32, HD_SUM)) return -1;
  worker_update(w, per_image(w->task->batch));
  return 0;
}

const strategy wrong_sum_after_step = {.step = sum_after_step};
const strategy wrong_own_weights = {.step = reduce_gradients, .own_weights = true};
const strategy wrong_naive_mean = {.step = naive_mean, .share = share_three_to_one};
const strategy wrong_forgotten_k = {.step = forgotten_k, .micro_batches = 4};
const strategy wrong_eval_gradient = {.step = eval_gradient};

// Ends with its own images, as `for x in loader` does; the others wait for it in the next all-reduce.
static int early_end_step(worker *w) {
  return joined_rows(w) ? joined.step(w) : -1;
}
const strategy wrong_early_end = {.step = early_end_step, .share = share_three_to_one, .whole_epochs = true};
