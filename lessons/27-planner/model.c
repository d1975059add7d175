// SPDX-License-Identifier: MIT
#include "model.h"

#include <heddle/comm.h>
#include <heddle/error.h>
#include <lessons/24-pipeline/schedule.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// ---------------------------------------------------------------- layouts

void layout_name(layout l, char name[NAME_ROOM]) {
  snprintf(name, NAME_ROOM, "%d×%d×%d m%d%s", l.data, l.tensor, l.pipeline, l.micro_batches,
           l.checkpoint ? " c" : "");
}

int layouts_of(const model *m, int devices, layout *list) {
  int count = 0;
  for (int t = 1; t <= devices && t <= NODE; t++)
    for (int p = 1; devices % t == 0 && p <= devices / t; p++) {
      const int d = devices / t / p;
      if (d * t * p != devices || p > m->blocks || p > MOST_STAGES || m->rows % d) continue;
      for (int micro = 1; micro <= 16 && m->rows / d % micro == 0; micro *= 2)
        for (int again = 0; again < 2; again++) {
          const layout l = {d, t, p, micro, again > 0};
          if (count == MOST_LAYOUTS) return count;
          if (m->network ? m->network->divides(m, l) : 4 * m->width % t == 0) list[count++] = l;
        }
    }
  return count;
}

long layout_rows(const model *m, layout l) {
  return m->rows / l.data / l.micro_batches;
}

int layout_blocks(const model *m, layout l, int stage, int *first) {
  size_t offset, length;
  hd_shard((size_t)m->blocks, stage, l.pipeline, &offset, &length);
  *first = (int)offset;
  return (int)length;
}

// One more than 1F1B keeps: the next micro-batch's message may come early.
int layout_slots(layout l, int stage) {
  const int kept = l.pipeline - stage;
  return (kept < l.micro_batches ? kept : l.micro_batches) + 1;
}

// ---------------------------------------------------------------- bytes

size_t block_parameters(long width, int tensor) {
  const size_t hidden = (size_t)(4 * width / tensor);
  return hidden * (2 * (size_t)width + 1);
}

double layout_memory_of(const model *m, layout l, int stage) {
  int first;
  if (m->network) return m->network->memory(m, l, stage);
  const double blocks = layout_blocks(m, l, stage, &first), slots = layout_slots(l, stage);
  const double row = (double)layout_rows(m, l) * (double)m->width, hidden = 4 * row / l.tensor;
  const double parameters = 3 * blocks * (double)block_parameters(m->width, l.tensor);
  const double inputs = slots * (blocks + 1) * row, inner = 2 * hidden * (l.checkpoint ? 1 : slots * blocks);
  const double gradients = (slots + 1) * row + hidden;
  const double batch = row * l.micro_batches * ((stage == 0) + (stage == l.pipeline - 1));
  return 4 * (parameters + inputs + inner + gradients + batch);
}

double layout_memory(const model *m, layout l) {
  double most = 0;
  for (int p = 0; p < l.pipeline; p++) most = fmax(most, layout_memory_of(m, l, p));
  return most;
}

// ---------------------------------------------------------------- seconds

double all_reduce_seconds(const machine *on, int ranks, double bytes) {
  const double steps = 2 * (ranks - 1.0);
  return steps * (on->latency + bytes / ranks / on->bandwidth);
}

static const profile *profile_of(const machine *on, int tensor, long rows) {
  for (int i = 0; i < on->count; i++)
    if (on->known[i].tensor == tensor && on->known[i].rows == rows) return &on->known[i];
  return NULL;
}

static double stage_parameters(const model *m, layout l, int stage) {
  int first;
  if (m->network) return (double)m->network->parameters(m, l, stage);
  return layout_blocks(m, l, stage, &first) * (double)block_parameters(m->width, l.tensor);
}

double layout_seconds(const machine *on, const model *m, layout l) {
  const long rows = layout_rows(m, l);
  const profile *one = profile_of(on, l.tensor, rows);
  if (!one) return -1;
  const double message = 4.0 * (double)rows * (double)m->width;
  const double sum = (m->network ? m->network->sums : 1) * all_reduce_seconds(on, l.tensor, message);
  double after = 0;
  costs piece[MOST_STAGES];
  for (int p = 0; p < l.pipeline; p++) {
    int first;
    const double blocks = layout_blocks(m, l, p, &first);
    const double forward = blocks * (one->forward + sum), backward = blocks * (one->backward + sum);
    piece[p] = (costs){.forward = forward,
                       .backward_input = backward + (l.checkpoint ? blocks * one->again : 0) +
                                         (p == l.pipeline - 1 ? one->loss : 0),
                       .hop = on->latency + message / on->bandwidth};
    const double bytes = 4 * stage_parameters(m, l, p);
    after = fmax(after, all_reduce_seconds(on, l.data, bytes) + blocks * one->update);
  }
  schedule s = schedule_one_f_one_b(l.pipeline, l.micro_batches);
  const double pipeline = schedule_makespan(&s, piece, NULL);
  schedule_free(&s);
  return pipeline + after;
}

static double sorting_limit;

static int by_seconds(const void *a, const void *b) {
  const prediction *x = a, *y = b;
  const bool fits_x = x->memory <= sorting_limit, fits_y = y->memory <= sorting_limit;
  if (fits_x != fits_y) return fits_x ? -1 : 1;
  if (x->seconds != y->seconds) return x->seconds < y->seconds ? -1 : 1;
  return 0;
}

int predict(const machine *on, const model *m, int devices, double limit, prediction *list, int *fits) {
  layout *all = hd_alloc(MOST_LAYOUTS, sizeof *all);
  const int possible = layouts_of(m, devices, all);
  int count = 0;
  *fits = 0;
  for (int i = 0; i < possible; i++) {
    const double seconds = layout_seconds(on, m, all[i]);
    if (seconds < 0) continue;
    list[count++] = (prediction){all[i], seconds, layout_memory(m, all[i])};
    *fits += list[count - 1].memory <= limit;
  }
  free(all);
  sorting_limit = limit;
  qsort(list, (size_t)count, sizeof *list, by_seconds);
  return count;
}
