// SPDX-License-Identifier: MIT
// Idea (DP-SGD, Abadi et al. 2016): nobody should be able to tell from the trained network whether a certain
// image was used. Each image's gradient is clipped to length C, so that one image moves the sum by C at most,
// and noise of σ·C drowns that.
// Prediction: accuracy falls with σ; ε falls with σ and grows with the number of steps.
// Done with one backward pass: the length of an image's gradient follows from its inputs and deltas
// (model_lengths), and scaling its deltas scales its gradient.
#include <heddle/error.h>
#include <heddle/random.h>
#include <math.h>

#include "worker.h"

#define STREAM_DRAW (UINT64_C(28) << 56)
#define STREAM_NOISE (UINT64_C(29) << 56)

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

static void scale_row(model *m, size_t row, float factor) {
  for (int l = 0; l < MODEL_LAYERS; l++) {
    const size_t width = (size_t)MODEL_WIDTH[l + 1];
    float *delta = m->delta[l] + row * width;
    for (size_t j = 0; j < width; j++) delta[j] *= factor;
  }
}

void clip_deltas(worker *w) {
  const double clip = (double)w->strategy->clip;
  model_lengths(w->model, w->images, (long)w->count, w->lengths);
  for (size_t i = 0; i < w->count; i++) {
    const double length = sqrt(w->lengths[i]);
    if (length > clip) scale_row(w->model, i, (float)(clip / length));
  }
}

// The noise belongs to the sum, once: each rank adds it to its own part of the parameters.
void add_noise(worker *w) {
  const float deviation = w->strategy->noise * w->strategy->clip;
  size_t from = 0, length = w->model->parameters;
  uint64_t stream = STREAM_NOISE + (uint64_t)w->step;
  if (deviation == 0) return;
  if (w->strategy->mistake == NOISE_EVERYWHERE)
    stream += (uint64_t)(w->rank + 1) << 40;
  else
    hd_shard(w->model->parameters, w->rank, w->world, &from, &length);
  for (size_t i = from; i < from + length; i++)
    w->model->gradient[i] += deviation * hd_random_normal(w->task->seed, stream, i);
}
