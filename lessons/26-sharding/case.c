// SPDX-License-Identifier: MIT
#include "case.h"

#include <heddle/device.h>
#include <heddle/error.h>
#include <stdio.h>
#include <stdlib.h>

#include "rank.h"

// What each rank did when: waiting for parameters (P), forward (F), forward again (A), backward (B), summing
// gradients (G), the update with its gather (U).
static void report_timeline(hd_case *c, const strategy *how, int world, double **span) {
  visit walk[MOST_VISITS];
  const int visits = walk_of(how->every, walk);
  double waited = 0;
  for (int r = 0; r < world; r++) {
    const double *at = span[r];
    for (int i = 0; i < visits; i++, at += 3) {
      char label[16];
      if (how->shards_parameters) {
        snprintf(label, sizeof label, "P%d", walk[i].layer);
        hd_add_span(c, r, label, at[0], at[1]);
        waited += at[1] - at[0];
      }
      snprintf(label, sizeof label, "%c%d", "FAB"[walk[i].kind], walk[i].layer);
      hd_add_span(c, r, label, at[1], at[2]);
      if (walk[i].kind == BACKWARD) {
        snprintf(label, sizeof label, "G%d", walk[i].layer);
        hd_add_span(c, r, label, at[2], at[3]);
      }
    }
    hd_add_span(c, r, "U", at[0], at[1]);
  }
  if (how->shards_parameters) hd_figure(c, "waiting for parameters", waited / world, "s");
}

static void report_bytes(hd_case *c, const trial *t) {
  const problem *p = t->problem;
  const bytes_kept b = bytes_formula(t->strategy, p->width, (p->rows + t->world - 1) / t->world, t->world);
  const hd_traffic sent = traffic_formula(t->strategy, p->width, t->world);
  hd_figure(c, "memory", t->memory, "B");
  hd_figure(c, "memory by formula", b.parameters + b.gradient + b.optimizer + b.activations, "B");
  hd_figure(c, "of it parameters", b.parameters, "B");
  hd_figure(c, "of it gradient", b.gradient, "B");
  hd_figure(c, "of it optimizer", b.optimizer, "B");
  hd_figure(c, "of it activations", b.activations, "B");
  hd_figure(c, "messages", t->messages, "");
  hd_figure(c, "bytes sent", t->bytes, "B");
  hd_figure(c, "bytes sent by formula", (double)sent.bytes, "B");
  hd_figure(c, "loss", t->loss / CHECKED_STEPS, "");
}

void run_case(hd_case *c, const strategy *how, enum place place, int world, int threads) {
  const bool modelled = place == ON_GPU && hd_device_simulated(), timed = modelled || !c->verifying;
  const state *s = c->state;
  double *span[HD_MOST_RANKS] = {NULL};
  for (int r = 0; r < world; r++) span[r] = hd_alloc(SPANS, sizeof(double));
  trial t = {.problem = &s->problem,
             .strategy = how,
             .place = place,
             .world = world,
             .threads = threads,
             .checked_steps = CHECKED_STEPS,
             .timed_steps = !timed     ? 0
                            : modelled ? 1
                                       : 4,
             .theta = s->theta,
             .span = timed ? span : NULL};
  if (run_ranks(&t)) hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  for (size_t i = 0; i < c->outputs[0].count; i++) s->update[i] = s->theta[i] - s->initial[i];
  if (timed) {
    hd_report_time(c, t.step_s);
    report_bytes(c, &t);
    report_timeline(c, how, world, span);
  }
  for (int r = 0; r < world; r++) free(span[r]);
}
