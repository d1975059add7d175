// SPDX-License-Identifier: MIT
#include "case.h"

#include <heddle/device.h>
#include <heddle/error.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static char letter(enum kind kind) {
  return "FBIW"[kind];
}

// The timeline of a step, the part of it in which ranks waited, and the same on paper. Behind the pipeline
// comes the optimizer.
static void report_timeline(hd_case *c, const schedule *s, double **span, double step_s) {
  double busy = 0, end = 0;
  for (int r = 0; r < s->ranks; r++)
    for (int k = 0; k < s->count[r]; k++) {
      const instruction i = s->list[r][k];
      char label[16];
      snprintf(label, sizeof label, "%c%d", letter(i.kind), i.micro);
      hd_add_span(c, r, label, span[r][2 * k], span[r][2 * k + 1]);
      busy += span[r][2 * k + 1] - span[r][2 * k];
      end = fmax(end, span[r][2 * k + 1]);
    }
  hd_figure(c, "pipeline", end, "s");
  hd_figure(c, "bubble", 100 * (1 - busy / (s->ranks * end)), "%");
  costs piece[MOST_STAGES];
  measured_costs(s, span, piece);
  const double on_paper = schedule_makespan(s, piece, NULL);
  hd_figure(c, "pipeline on paper", on_paper, "s");
  hd_figure(c, "step on paper", on_paper + step_s - end, "s");
  hd_figure(c, "bubble on paper", 100 * schedule_idle(s, piece), "%");
  hd_figure(c, "message", piece[0].hop, "s");
}

void run_case(hd_case *c, const strategy *how, enum place place, int world, int threads) {
  const bool modelled = place == ON_GPU && hd_device_simulated(), timed = modelled || !c->verifying;
  schedule s = how->make(world, how->micro_batches);
  double *span[MOST_STAGES] = {NULL};
  for (int r = 0; r < world; r++) span[r] = hd_alloc((size_t)s.count[r] * 2, sizeof(double));
  trial t = {.problem = &((const state *)c->state)->problem,
             .strategy = how,
             .place = place,
             .world = world,
             .threads = threads,
             .timed_steps = !timed     ? 0
                            : modelled ? 1
                                       : 4,
             .gradient = ((const state *)c->state)->gradient,
             .span = timed ? span : NULL};
  if (run_ranks(&t)) hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  if (timed) {
    hd_report_time(c, t.step_s);
    hd_figure(c, "messages", t.messages, "");
    hd_figure(c, "bytes sent", t.bytes, "B");
    hd_figure(c, "memory", t.memory, "B");
    report_timeline(c, &s, span, t.step_s);
  }
  for (int r = 0; r < world; r++) free(span[r]);
  schedule_free(&s);
}
