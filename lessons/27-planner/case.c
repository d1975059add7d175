// SPDX-License-Identifier: MIT
#include "case.h"

#include <heddle/device.h>
#include <heddle/error.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "paper.h"

double memory_limit = 0;

// By default half of what one replica per device needs, so that the simplest plan does not fit.
double limit_of(const model *m, int devices) {
  const layout replicas = {devices, 1, 1, 1, false};
  if (memory_limit > 0) return memory_limit;
  return devices > 1 ? 0.5 * layout_memory(m, replicas) : INFINITY;
}

static void measure(machine *on, const problem *p, bool on_gpu, int devices, int threads) {
  if (probe(on, p, on_gpu, devices, devices, threads)) hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
}

static machine *timed_machine(hd_case *c, bool on_gpu, int devices, int threads) {
  static machine now;
  state *s = c->state;
  if (!(on_gpu && hd_device_simulated())) {
    measure(&now, &s->problem, on_gpu, devices, threads);
    return &now;
  }
  if (s->gpu_devices != devices) measure(&s->gpu, &s->problem, true, devices, threads);
  s->gpu_devices = devices;
  return &s->gpu;
}

static layout fixed_layout(const strategy *how, const model *m, int devices) {
  layout l = {1, 1, 1, 1, false};
  *(how->fixed == BY_DATA ? &l.data : how->fixed == BY_TENSOR ? &l.tensor : &l.pipeline) = devices;
  if (how->fixed == BY_PIPELINE)
    while (l.micro_batches < 8 && m->rows % (2 * l.micro_batches) == 0) l.micro_batches *= 2;
  return l;
}

// The n-th best of the layouts that fit; without times, of those in the order of their list.
static prediction planned(const machine *on, const model *m, int devices, int place) {
  prediction *list = hd_alloc(MOST_LAYOUTS, sizeof *list);
  int fits;
  const int count = predict(on, m, devices, limit_of(m, devices), list, &fits);
  if (fits < 1)
    hd_fail(HD_EXIT_USAGE, "no layout of %d devices fits into %.0f bytes; the smallest here needs %.0f",
            devices, limit_of(m, devices), count ? list[0].memory : NAN);
  const prediction found = list[place <= fits ? place - 1 : fits - 1];
  free(list);
  return found;
}

static void report_what_if(hd_case *c) {
  static const char *const names[WHAT_IF_SIZES] = {"what-if 1",   "what-if 2",   "what-if 4",   "what-if 8",
                                                   "what-if 16",  "what-if 32",  "what-if 64",  "what-if 128",
                                                   "what-if 256", "what-if 512", "what-if 1024"};
  double seconds[WHAT_IF_SIZES];
  what_if(c->size, seconds);
  for (int i = 0; i < WHAT_IF_SIZES; i++)
    if (!isnan(seconds[i])) hd_figure(c, names[i], seconds[i], "s");
}

void run_case(hd_case *c, const strategy *how, bool on_gpu, int devices, int threads) {
  const state *s = c->state;
  const model *m = &s->problem.model;
  const bool modelled = on_gpu && hd_device_simulated(), timed = modelled || !c->verifying;
  prediction p = {.layout = fixed_layout(how, m, devices), .seconds = NAN};
  if (timed || how->place) {
    const machine *on = timed_machine(c, on_gpu, devices, threads);
    if (how->place) p.layout = planned(on, m, devices, how->place).layout;
    p.seconds = layout_seconds(on, m, p.layout);
  }
  trial t = {.problem = &s->problem,
             .layout = p.layout,
             .on_gpu = on_gpu,
             .mistake = how->mistake,
             .threads = threads,
             .timed_steps = !timed     ? 0
                            : modelled ? 1
                                       : 4,
             .gradient = s->gradient};
  if (run_layout(&t)) hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  if (!timed) return;
  hd_report_time(c, t.step_s);
  hd_figure(c, "predicted", p.seconds, "s");
  hd_figure(c, "prediction error", 100 * (p.seconds / t.step_s - 1), "%");
  hd_figure(c, "data", p.layout.data, "");
  hd_figure(c, "tensor", p.layout.tensor, "");
  hd_figure(c, "pipeline", p.layout.pipeline, "");
  hd_figure(c, "micro-batches", p.layout.micro_batches, "");
  hd_figure(c, "checkpointing", p.layout.checkpoint, "");
  hd_figure(c, "memory", t.memory, "B");
  hd_figure(c, "memory on paper", layout_memory(m, p.layout), "B");
  hd_figure(c, "memory limit", limit_of(m, devices), "B");
  hd_figure(c, "bytes sent", t.bytes, "B");
  if (how->what_if && modelled && devices == 8) report_what_if(c);
}
