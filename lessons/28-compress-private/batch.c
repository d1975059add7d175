// SPDX-License-Identifier: MIT
// A rank's images of each step: its shard of the next shuffled batch, or, for privacy, of those drawn.
#include <heddle/error.h>

#include <math.h>
#include <stdlib.h>

#include "worker.h"

#define STREAM_DRAW (UINT64_C(28) << 56)

size_t draw_room(size_t batch) {
  return batch + (size_t)(10 * sqrt((double)batch)) + 16;
}

// The accountant's mathematics is that of independent draws: every image with probability batch / count. A
// shuffled epoch takes each image exactly once, which is another thing.
size_t draw_rows(const task *t, long step, uint32_t *rows, size_t room) {
  const float rate = (float)t->batch / (float)t->train->count;
  size_t count = 0;
  for (size_t i = 0; i < t->train->count; i += 4) {
    const hd_random4 r = hd_philox(t->seed, STREAM_DRAW + (uint64_t)step, i / 4);
    for (size_t k = i; k < i + 4 && k < t->train->count; k++) {
      if (hd_uniform(r.v[k % 4]) >= rate) continue;
      if (count == room) hd_fail(HD_EXIT_FAILURE, "step %ld drew more than %zu images", step, room);
      rows[count++] = (uint32_t)k;
    }
  }
  return count;
}

// This rank's share of a step's images, into host memory; returns their number.
static size_t gather(worker *w, long step, float *images, uint8_t *labels) {
  const task *t = w->task;
  size_t all = t->batch, from, count;
  const uint32_t *rows = w->rows;
  if (w->sampling) {
    all = draw_rows(t, step, w->rows, draw_room(t->batch));
  } else {
    const long each = t->batch ? (long)(t->train->count / t->batch) : 1, epoch = step / each;
    if (epoch != w->epoch) hd_shuffle(w->order, t->train->count, t->seed, (uint64_t)epoch);
    w->epoch = epoch;
    rows = w->order + (size_t)(step % each) * t->batch;
  }
  hd_shard(all, w->rank, w->world, &from, &count);
  hd_gather(t->train, rows + from, count, images, labels, false, t->seed, 0);
  return count;
}

// A step's images into slot `slot` of device memory.
static void put(worker *w, long step, size_t slot) {
  hd_ops *o = w->ops;
  const size_t count = gather(w, step, w->staged, w->staged_labels), at = slot * w->share;
  w->counts[slot] = count;
  if (o->on_host) return;
  o->upload(o, w->all_images + at * HD_IMAGE_PIXELS, w->staged, count * HD_IMAGE_PIXELS * sizeof(float));
  o->upload(o, w->all_labels + at, w->staged_labels, count);
}

static size_t slots(const worker *w) {
  return w->resident ? (size_t)w->resident : 1;
}

void batch_open(worker *w, long resident) {
  hd_ops *o = w->ops;
  w->resident = o->on_host ? 0 : resident;
  w->epoch = -1;
  w->order = hd_alloc(w->task->train->count, sizeof *w->order);
  w->rows = hd_alloc(draw_room(w->task->batch), sizeof *w->rows);
  w->counts = hd_alloc(slots(w), sizeof *w->counts);
  w->all_images = o->alloc(o, slots(w) * w->share * HD_IMAGE_PIXELS * sizeof(float));
  w->all_labels = o->alloc(o, slots(w) * w->share);
  w->staged = o->on_host ? w->all_images : hd_alloc(w->share * HD_IMAGE_PIXELS, sizeof *w->staged);
  w->staged_labels = o->on_host ? w->all_labels : hd_alloc(w->share, 1);
  for (long s = 0; s < w->resident; s++) put(w, s, (size_t)s);
}

void batch_close(worker *w) {
  hd_ops *o = w->ops;
  if (!o->on_host) free(w->staged), free(w->staged_labels);
  o->free(o, w->all_images, slots(w) * w->share * HD_IMAGE_PIXELS * sizeof(float));
  o->free(o, w->all_labels, slots(w) * w->share);
  free(w->order), free(w->rows), free(w->counts);
}

void batch_next(worker *w) {
  const size_t slot = w->step < w->resident ? (size_t)w->step : 0;
  if (w->step >= w->resident) put(w, w->step, 0);
  w->images = w->all_images + slot * w->share * HD_IMAGE_PIXELS;
  w->labels = w->all_labels + slot * w->share;
  w->count = w->counts[slot];
}
