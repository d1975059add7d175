// SPDX-License-Identifier: MIT
// Idea: layouts are many, but what one device does in them is one of a few things: a block's share of some
// width with some rows. Those are timed; everything else is a formula.
#include <heddle/error.h>
#include <kernels/nn/link.h>
#include <kernels/nn/ops.h>
#include <stdlib.h>

#include "hybrid.h"

typedef struct timing {
  machine *on;
  const problem *problem;
  bool on_gpu;
} timing;

static void time_block(profile *to, const problem *whole, hd_ops *o, bool checkpoint) {
  problem one = *whole;
  one.model.blocks = 1;
  one.model.rows = to->rows;
  piece *p = piece_open(&one, (layout){1, to->tensor, 1, 1, checkpoint}, 0, o, NULL);
  for (int round = 0; round < 2; round++) {  // the first to warm up
    o->mark(o, 0);
    piece_forward(p, 0);
    o->mark(o, 1);
    piece_loss(p, 0);
    o->mark(o, 2);
    piece_backward(p, 0);
    o->mark(o, 3);
    piece_update(p);
    o->mark(o, 4);
  }
  const double backward = o->mark_time(o, 3) - o->mark_time(o, 2);
  if (checkpoint) {
    to->again = backward - to->backward;
    piece_close(p);
    return;
  }
  to->forward = o->mark_time(o, 1);
  to->loss = o->mark_time(o, 2) - o->mark_time(o, 1);
  to->backward = backward;
  to->update = o->mark_time(o, 4) - o->mark_time(o, 3);
  piece_close(p);
}

static void timing_body(hd_comm *comm, void *arg) {
  const timing *t = arg;
  hd_ops *o = hd_ops_open(t->on_gpu, hd_comm_stream(comm));
  for (int i = 0; i < t->on->count; i++)
    for (int again = 0; again < 2; again++) time_block(&t->on->known[i], t->problem, o, again > 0);
  o->close(o);
}

static void want(machine *on, int tensor, long rows) {
  for (int i = 0; i < on->count; i++)
    if (on->known[i].tensor == tensor && on->known[i].rows == rows) return;
  if (on->count < MOST_PROFILES) on->known[on->count++] = (profile){.tensor = tensor, .rows = rows};
}

int probe(machine *on, const problem *p, bool on_gpu, int least, int most, int threads) {
  layout *all = hd_alloc(MOST_LAYOUTS, sizeof *all);
  *on = (machine){.latency = 0, .bandwidth = 1};
  for (int devices = least; devices <= most; devices *= 2) {
    const int count = layouts_of(&p->model, devices, all);
    for (int i = 0; i < count; i++) want(on, all[i].tensor, layout_rows(&p->model, all[i]));
  }
  free(all);
  timing t = {on, p, on_gpu};
  if (hd_comm_run(1, on_gpu ? HD_COMM_CUDA : HD_COMM_THREADS, HD_ORDER_RANK, threads, 0, timing_body, &t))
    return -1;
  if (most == 1) return 0;
  return hd_link_cost(on_gpu, (size_t)p->model.rows * (size_t)p->model.width + 1, &on->latency,
                      &on->bandwidth);
}
