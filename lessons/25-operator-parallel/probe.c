// SPDX-License-Identifier: MIT
// A plan is as good as the times it was made with: every operation is timed on one device, and messages of
// two sizes between two give latency and bandwidth.
#include <heddle/error.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <stdlib.h>

#include "run.h"

enum { ROUNDS = 8, STEPS = 4 };

// Message times: one way, of one element and of a whole result.
typedef struct ping {
  enum place place;
  size_t elements;
  double seconds[2];
} ping;

static int round_trips(hd_comm *comm, float *data, size_t count) {
  const int rank = hd_comm_rank(comm);
  for (int i = 0; i < ROUNDS; i++)
    for (int half = 0; half < 2; half++)
      if (rank == half ? hd_send(comm, data, count, HD_F32, 1 - rank)
                       : hd_recv(comm, data, count, HD_F32, 1 - rank))
        return -1;
  return 0;
}

static void ping_body(hd_comm *comm, void *arg) {
  ping *p = arg;
  hd_ops *o = hd_ops_open(p->place == ON_GPU, hd_comm_stream(comm));
  float *data = o->alloc(o, p->elements * sizeof *data);
  o->zero(o, data, p->elements * sizeof *data);
  for (int i = 0; i < 2; i++) {
    const size_t count = i ? p->elements : 1;
    if (round_trips(comm, data, count) || hd_barrier(comm)) break;
    o->timer_start(o);
    if (round_trips(comm, data, count)) break;
    const double seconds = o->timer_stop(o) / (2 * ROUNDS);
    if (hd_comm_rank(comm) == 0) p->seconds[i] = seconds;
  }
  o->free(o, data, p->elements * sizeof *data);
  o->close(o);
}

static int probe_link(graph *g, const problem *p, enum place place) {
  ping at = {.place = place, .elements = (size_t)p->rows * (size_t)p->width};
  const enum hd_backend backend = place == ON_GPU ? HD_COMM_CUDA : HD_COMM_THREADS;
  if (hd_comm_run(2, backend, HD_ORDER_RANK, 1, 0, ping_body, &at)) return -1;
  const double more = 4.0 * (double)(at.elements - 1);
  g->latency = at.seconds[0];
  // Noise can make the larger message the faster one.
  g->bandwidth = more / fmax(at.seconds[1] - at.seconds[0], 1e-3 * at.seconds[1]);
  return 0;
}

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
  if (!failed && devices > 1) failed = probe_link(&net->graph, p, place);
  free(gradient);
  return failed;
}
