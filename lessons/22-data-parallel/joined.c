// SPDX-License-Identifier: MIT
// Idea: inputs do not end together. The last batch of an epoch is a partial one, and some ranks have fewer
// images left than others, or none at all. They join in all the same: with the sum over the images they have,
// which is zero for none, in as many all-reduces as the others; divided is by the images of all.
// Prediction: one worker's training, now on every image of the epoch; the last step takes as long as any.
// Reason: a collective waits for all of its ranks. A rank that stops when its own loader does leaves the
// others waiting for ever (see wrong_early_end in mistakes.c).
//
// Everybody knows here how long the data set is. Where ranks do not know each other's inputs, they sum one
// more number, their count of images, with the gradient.
#include "strategies.h"

size_t joined_rows(const worker *w) {
  const size_t left = worker_images(w);
  if (w->offset >= left) return 0;
  return left - w->offset < w->length ? left - w->offset : w->length;
}

static int step(worker *w) {
  const float *images;
  const uint8_t *labels;
  const size_t rows = joined_rows(w);
  worker_rows(w, 0, rows, &images, &labels);
  hd_mlp_gradient(w->net, images, labels, (long)rows, 1, false, NULL, NULL);
  if (w->comm && hd_all_reduce(w->comm, w->net->gradient, w->net->parameters, HD_F32, HD_SUM)) return -1;
  worker_update(w, per_image(worker_images(w)));
  return 0;
}

const strategy joined = {.step = step, .share = share_three_to_one, .whole_epochs = true};
