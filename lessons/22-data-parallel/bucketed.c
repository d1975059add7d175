// SPDX-License-Identifier: MIT
// Idea: the last layer's gradient is ready first, so its all-reduce can start while backward goes on. Layers
// are gathered into buckets, in reverse order, so that small ones do not pay a latency each. Prediction: all
// but the last bucket's communication hides behind the backward pass, if somebody else than the computing
// core moves the bytes: a copy engine on a GPU. CPU ranks that fill the cores gain nothing. Reason: the sums
// of different layers do not depend on each other, and their order of addition does not change.
#include "strategies.h"

enum { BUCKET_BYTES = 1 << 19 };

typedef struct buckets {
  worker *w;
  size_t end;  // of the bucket being filled: [lowest layer ready, end)
  int handles[HD_MLP_LAYERS], count;
} buckets;

static void layer_ready(void *context, int layer, size_t offset, size_t count) {
  (void)count;
  buckets *b = context;
  const size_t filled = b->end - offset;
  if (filled * sizeof(float) < BUCKET_BYTES && layer > 0) return;
  worker_bucket_ready(b->w);
  b->handles[b->count++] =
      hd_all_reduce_start(b->w->comm, b->w->net->gradient + offset, filled, HD_F32, HD_SUM);
  worker_bucket_issued(b->w);
  b->end = offset;
}

static int step(worker *w) {
  buckets b = {.w = w, .end = w->net->parameters};
  const float *images;
  const uint8_t *labels;
  worker_rows(w, 0, w->length, &images, &labels);
  hd_mlp_gradient(w->net, images, labels, (long)w->length, 1, false, layer_ready, &b);
  worker_moment(w, GRADIENT);
  for (int i = 0; i < b.count; i++)
    if (b.handles[i] < 0 || hd_wait(w->comm, b.handles[i])) return -1;
  worker_moment(w, SUMMED);
  worker_update(w, per_image(w->task->batch));
  worker_moment(w, UPDATED);
  return 0;
}

const strategy bucketed = {.step = step, .timeline = true};
