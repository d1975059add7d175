// SPDX-License-Identifier: MIT
#include "case.h"

#include <heddle/clock.h>
#include <heddle/device.h>
#include <heddle/error.h>
#include <heddle/progress.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>

static const enum hd_rule RULES[2] = {HD_SGD, HD_ADAMW};

long checked_steps(const task *t) {
  const bool slow = t->batch > 256 || (t->batch > 0 && t->model.layers[0].windows.size > 0);
  return slow ? 1 : 3;
}

// With operands of 8 or 11 bits many ReLUs rightly decide the other way, and a weight that few images reach
// may be off by all of itself. Such an update is judged layer by layer: each element is off by the layer's
// distance from its twin, |update - twin| / |twin|.
static void report_distances(hd_case *c, int which, const trainer *t) {
  const state *s = c->state;
  const double *twin = c->outputs[which].expected;
  float *update = s->update[which];
  for (int l = 0; l < t->net->count; l++) {
    double squares = 0, difference = 0;
    for (size_t i = t->net->offset[l]; i < t->net->offset[l + 1]; i++) {
      const double d = (double)(update[i] - s->initial[i]) - twin[i];
      difference += d * d;
      squares += twin[i] * twin[i];
    }
    const double distance = sqrt(difference / squares);
    for (size_t i = t->net->offset[l]; i < t->net->offset[l + 1]; i++)
      update[i] = (float)(twin[i] * (1 + distance));
  }
}

// Elements whose right value nobody knows count as right.
static void report_update(hd_case *c, int which, const trainer *t) {
  const state *s = c->state;
  const size_t n = t->net->parameters;
  long skipped = 0;
  hd_net_get(t->net, s->update[which]);
  if (t->engine->precision != HD_F32) {
    report_distances(c, which, t);
    return;
  }
  for (size_t i = 0; i < n; i++) {
    s->update[which][i] =
        s->doubtful[which][i] ? (float)c->outputs[which].expected[i] : s->update[which][i] - s->initial[i];
    skipped += s->doubtful[which][i];
  }
  if (which == 0) hd_figure(c, "not compared", 100 * (double)skipped / (double)n, "%");
}

// Modelled time has no noise: one step is as good as twenty.
static long timed_steps(const hd_case *c, bool on_gpu) {
  const bool modelled = on_gpu && hd_device_simulated();
  if (c->size == 0 || (c->verifying && !modelled)) return 0;
  return modelled ? 1 : c->size > 1024 ? 4 : 20;
}

// Checks a rule and tells the seconds of a step.
static double check_and_time(hd_case *c, const engine *e, int which, long timed) {
  const state *s = c->state;
  const long checked = checked_steps(&s->task);
  trainer *t = trainer_open(&s->task, e, RULES[which], checked + timed);
  t->optimizer->epsilon = CHECKED_EPSILON;
  trainer_run(t, checked);
  report_update(c, which, t);
  double seconds = 0;
  if (timed) {
    t->ops->timer_start(t->ops);
    trainer_run(t, timed);
    seconds = t->ops->timer_stop(t->ops) / (double)timed;
  }
  if (which == 0) {
    double loss;
    hd_net_result(t->net, HD_CROSS_ENTROPY, c->size, &loss, NULL);
    const size_t images = (size_t)(t->resident + 1) * s->task.batch * (HD_IMAGE_PIXELS * sizeof(float) + 1);
    if (c->size) hd_figure(c, "loss", loss / (double)c->size, "");
    hd_figure(c, "memory", (double)(t->ops->bytes - images), "B");
    if (e->precision == HD_F16) hd_figure(c, "skipped steps", (double)t->scaler.skipped, "");
  }
  trainer_close(t);
  return seconds;
}

// A training is done once and told with every sample, since only the last one's figures are kept.
typedef struct trained {
  const engine *engine;
  int threads;
  double accuracy[2], epoch_s[2];  // by rule
} trained;

static void train_once(const hd_case *c, trained *done, int which, long epochs) {
  const state *s = c->state;
  trainer *t = trainer_open(&s->task, done->engine, RULES[which], 0);
  t->augment = s->task.model.augment;
  const double start = hd_wall();
  for (long e = 0; e < epochs; e++) {
    hd_progress_share((double)(which * epochs + e) / (double)(epochs * (c->full ? 2 : 1)));
    trainer_run(t, steps_per_epoch(&s->task));
  }
  t->ops->synchronize(t->ops);
  done->epoch_s[which] = (hd_wall() - start) / (double)epochs;
  done->accuracy[which] =
      hd_net_accuracy(t->net, s->task.test->images, s->task.test->labels, s->task.test->count);
  trainer_close(t);
}

static void report_training(hd_case *c, const engine *e, long epochs) {
  static trained done[HD_MAX_VARIANTS];
  static int count;
  int i = 0;
  while (i < count && (done[i].engine != e || done[i].threads != c->threads)) i++;
  if (i == HD_MAX_VARIANTS) return;
  if (i == count) {
    done[count++] = (trained){.engine = e, .threads = c->threads};
    for (int which = 0; which < (c->full ? 2 : 1); which++) train_once(c, &done[i], which, epochs);
  }
  hd_figure(c, "epochs", (double)epochs, "");
  hd_figure(c, "accuracy", done[i].accuracy[0], "");
  hd_figure(c, "epoch", done[i].epoch_s[0], "s");
  if (!c->full) return;
  hd_figure(c, "accuracy, AdamW", done[i].accuracy[1], "");
  hd_figure(c, "epoch, AdamW", done[i].epoch_s[1], "s");
}

// One epoch by all threads in the quick profile; in the full one whole trainings, also on real GPUs: those of
// the convolutions take minutes and are for all cores only.
static long epochs_wanted(const hd_case *c, const engine *e, bool on_gpu) {
  const state *s = c->state;
  if (c->verifying || c->size != 128 || (on_gpu && hd_device_simulated())) return 0;
  if (e->gradient != trainer_gradient && !on_gpu) return 0;
  const bool slow = s->task.model.layers[0].windows.size > 0;
  if (c->full) return on_gpu || !slow || c->threads >= omp_get_num_procs() ? s->task.model.epochs : 0;
  return on_gpu || c->threads > 1 ? 1 : 0;
}

void run_case(hd_case *c, const engine *e, bool on_gpu) {
  if (on_gpu) hd_device_select(0);
  const long timed = timed_steps(c, on_gpu);
  const double sgd = check_and_time(c, e, 0, timed), adam = check_and_time(c, e, 1, timed);
  if (timed) {
    hd_report_time(c, sgd);
    hd_figure(c, "step, AdamW", adam, "s");
  }
  const long epochs = epochs_wanted(c, e, on_gpu);
  if (epochs) report_training(c, e, epochs);
}
