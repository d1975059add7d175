// SPDX-License-Identifier: MIT
#include "case.h"

#include <heddle/device.h>
#include <heddle/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strategies.h"

enum { AVERAGE_EVERY = 4 };

long checked_steps(const hd_case *c) {
  return c->size > 256 ? 1 : 3;
}

// Is every device computing the right thing? All replicas must be one model, bit for bit; of two that differ
// one is wrong. So two are held against the twin: the first, and one that differs from it, or else the last.
static const float *another(hd_case *c, int world, float **theta) {
  const float *found = theta[world - 1];
  int apart = 0;
  for (int r = world - 1; r > 0; r--) {
    if (memcmp(theta[r], theta[0], c->outputs[0].count * sizeof(float)) == 0) continue;
    found = theta[r];
    apart++;
  }
  if (c->verifying || c->devices == 0 || !hd_device_simulated())  // else only a few blocks were executed
    hd_figure(c, "ranks apart", apart, "");
  return found;
}

// Elements whose right value nobody knows count as right.
static void report_update(hd_case *c, int world, float **theta) {
  const state *s = c->state;
  const float *other = another(c, world, theta);
  long skipped = 0;
  for (size_t i = 0; i < c->outputs[0].count; i++) {
    const float expected = (float)c->outputs[0].expected[i];
    s->first[i] = s->doubtful[i] ? expected : theta[0][i] - s->initial[i];
    s->other[i] = s->doubtful[i] ? expected : other[i] - s->initial[i];
    skipped += s->doubtful[i];
  }
  hd_figure(c, "not compared", 100 * (double)skipped / (double)c->outputs[0].count, "%");
}

// Training takes seconds, so each combination is trained once in a process, and remembered.
typedef struct trained {
  const strategy *strategy;
  int ranks, threads, devices;
  long size;
  uint64_t seed;
  double accuracy, epoch_s;
} trained;

static bool same_training(const trained *a, const trained *b) {
  return a->strategy == b->strategy && a->ranks == b->ranks && a->threads == b->threads &&
         a->devices == b->devices && a->size == b->size && a->seed == b->seed;
}

static void report_training(hd_case *c, const trial *request, long epochs) {
  static trained done[256];
  static int count;
  const trained key = {.strategy = request->strategy,
                       .ranks = request->world,
                       .threads = c->threads,
                       .devices = c->devices,
                       .size = c->size,
                       .seed = c->seed};
  int i = 0;
  while (i < count && !same_training(&done[i], &key)) i++;
  if (i == HD_COUNT(done)) return;
  if (i == count) {
    trial t = *request;
    t.checked_steps = t.timed_steps = 0;
    t.theta = NULL;
    t.epochs = epochs;
    if (run_ranks(&t)) hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
    done[count] = key;
    done[count].accuracy = t.accuracy;
    done[count++].epoch_s = t.epoch_s;
  }
  hd_figure(c, "epochs", (double)epochs, "");
  hd_figure(c, "accuracy", done[i].accuracy, "");
  hd_figure(c, "epoch", done[i].epoch_s, "s");
}

static long epochs_wanted(const hd_case *c, const strategy *s, enum place place, int world) {
  if (c->verifying || (place == ON_GPU && hd_device_simulated())) return 0;
  const bool compared = c->size == 1024 && world == 2 && (s == &all_reduce || s == &large_batch);
  if (c->full) return place == ON_GPU || c->size == 128 || compared ? EPOCHS : 0;
  if (place == ON_GPU || c->size != 128) return 0;
  return (s == &one_worker && c->threads == 1) || (s == &all_reduce && world == 2) ? 1 : 0;
}

// Modelled time has no noise: one step is as good as twenty, and model averaging needs one period.
static long timed_steps(const hd_case *c, const strategy *s, enum place place) {
  const bool modelled = place == ON_GPU && hd_device_simulated();
  if (c->size == 0 || (c->verifying && !modelled)) return 0;
  if (modelled) return s == &model_averaging ? AVERAGE_EVERY : 1;
  return c->size > 1024 ? AVERAGE_EVERY : 5 * AVERAGE_EVERY;
}

// Two lines for each rank: what computes, and what sums on its way meanwhile.
static void report_timeline(hd_case *c, const timeline *found, int world) {
  for (int r = 0; r < world; r++) {
    const timeline *t = &found[r];
    hd_add_span(c, 2 * r, "G", 0, t->gradient);
    hd_add_span(c, 2 * r, "U", t->summed, t->updated);
    for (int k = 0; k < t->buckets; k++) {
      char label[16];
      snprintf(label, sizeof label, "S%d", k);
      hd_add_span(c, 2 * r + 1, label, t->start[k], t->end[k]);
    }
  }
}

// Sums in rank order on the CPU, where it costs nothing and repeats bitwise; in a ring on GPUs, whose links
// it fills.
void run_case(hd_case *c, const strategy *s, enum place place, int world) {
  const state *st = c->state;
  const size_t n = hd_mlp_count(st->task.width, LAYERS);
  const int ranks = world ? world : 1;
  float *theta[HD_MOST_RANKS] = {NULL};
  for (int r = 0; r < ranks; r++) theta[r] = hd_alloc(n, sizeof(float));
  trial t = {.task = &st->task,
             .strategy = s,
             .place = place,
             .world = world,
             .order = place == ON_GPU ? HD_ORDER_RING : HD_ORDER_RANK,
             .checked_steps = checked_steps(c),
             .timed_steps = timed_steps(c, s, place),
             .average_every = AVERAGE_EVERY,
             .theta = theta};
  if (t.timed_steps && place == ON_GPU && world && s->timeline)
    t.timelines = hd_alloc((size_t)world, sizeof *t.timelines);
  if (run_ranks(&t)) hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  report_update(c, ranks, theta);
  for (int r = 0; r < ranks; r++) free(theta[r]);
  if (t.timed_steps) {
    hd_report_time(c, t.step_s);
    hd_figure(c, "loss", t.loss, "");
    hd_figure(c, "messages", t.messages, "");
    hd_figure(c, "bytes sent", t.bytes, "B");
    hd_figure(c, "memory", t.memory, "B");
    if (t.timelines) report_timeline(c, t.timelines, world);
  }
  free(t.timelines);
  t.timelines = NULL;
  const long epochs = epochs_wanted(c, s, place, world);
  if (epochs) report_training(c, &t, epochs);
}
