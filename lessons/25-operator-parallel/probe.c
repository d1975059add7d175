// SPDX-License-Identifier: MIT
// A plan is as good as the times it was made with: every operation is timed on one device, and messages of
// two sizes between two give latency and bandwidth.
#include <heddle/error.h>
#include <kernels/nn/link.h>
#include <stdlib.h>

#include "run.h"

enum { STEPS = 4 };

int probe(network *net, const problem *p, enum place place, int devices, int threads) {
  const graph *g = &net->graph;
  double span[2 * MOST_OPS];
  float *gradient = hd_alloc(LAYERS * layer_parameters(p->width), sizeof(float));
  const plan serial = plan_serial(g);
  trial t = {.problem = p,
             .net = net,
             .plan = &serial,
             .place = place,
             .threads = threads,
             .timed_steps = place == ON_CPU ? STEPS : 1,
             .gradient = gradient,
             .span = span};
  int failed = run_ranks(&t);
  for (int i = 0; i < g->count && !failed; i++) net->graph.ops[i].seconds = span[2 * i + 1] - span[2 * i];
  if (!failed && devices > 1)
    failed = hd_link_cost(place == ON_GPU, (size_t)p->rows * (size_t)p->width + 1, &net->graph.latency,
                          &net->graph.bandwidth);
  free(gradient);
  return failed;
}
