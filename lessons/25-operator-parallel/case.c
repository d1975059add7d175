// SPDX-License-Identifier: MIT
#include "case.h"

#include <heddle/device.h>
#include <heddle/error.h>
#include <math.h>
#include <stdio.h>

static char letter(enum work work) {
  return "FJLGBW"[work];
}

// The timeline of a step; returns when its last operation ended.
static double report_timeline(hd_case *c, const network *n, const plan *p, const double *span) {
  double end = 0;
  for (int i = 0; i < n->graph.count; i++) {
    char label[16];
    snprintf(label, sizeof label, "%c%d", letter(n->task[i].work), n->task[i].layer);
    hd_add_span(c, p->device[i], label, span[2 * i], span[2 * i + 1]);
    end = fmax(end, span[2 * i + 1]);
  }
  hd_figure(c, "makespan", end, "s");
  hd_figure(c, "critical path", graph_critical_path(&n->graph), "s");
  hd_figure(c, "work", graph_work(&n->graph), "s");
  return end;
}

static void report_paper(hd_case *c, const network *n, const plan *p, double makespan) {
  hd_figure(c, "predicted", p->makespan, "s");
  hd_figure(c, "lower bound", plan_lower_bound(&n->graph, p->devices), "s");
  hd_figure(c, "run over predicted", makespan / p->makespan, "");
  if (p->devices > 1) hd_figure(c, "copy of a result", graph_copy(&n->graph, 0), "s");
}

// The network with the times of its operations. Without a clock plans are made with FLOPs.
static network timed_network(state *s, enum place place, bool links, int threads) {
  const bool modelled = place == ON_GPU && hd_device_simulated();
  if (modelled && s->gpu_known && (s->gpu_links || !links)) return s->gpu;
  network n = network_of(s->problem.rows, s->problem.width);
  if (probe(&n, &s->problem, place, links ? 2 : 1, threads))
    hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  if (modelled) {
    s->gpu = n;
    s->gpu_known = true;
    s->gpu_links = links;
  }
  return n;
}

void run_case(hd_case *c, const strategy *how, enum place place, int devices, int threads) {
  state *s = c->state;
  const bool modelled = place == ON_GPU && hd_device_simulated(), timed = modelled || !c->verifying;
  const network net = timed ? timed_network(s, place, devices > 1 && !how->streams, threads)
                            : network_of(s->problem.rows, s->problem.width);
  const plan p = how->make(&net.graph, devices);
  double span[2 * MOST_OPS];
  trial t = {.problem = &s->problem,
             .net = &net,
             .plan = &p,
             .place = place,
             .mistake = how->mistake,
             .threads = threads,
             .timed_steps = !timed     ? 0
                            : modelled ? 1
                                       : 4,
             .recorded = how->recorded,
             .gradient = s->gradient,
             .span = timed && !how->recorded ? span : NULL};
  if (how->streams)
    run_streams(&t);
  else if (run_ranks(&t))
    hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  if (!timed) return;
  hd_report_time(c, t.step_s);
  hd_figure(c, "messages", t.messages, "");
  hd_figure(c, "bytes sent", t.bytes, "B");
  hd_figure(c, "memory", t.memory, "B");
  if (!t.span) return;
  const double makespan = report_timeline(c, &net, &p, span);
  if (!how->streams) report_paper(c, &net, &p, makespan);
}
