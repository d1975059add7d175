// SPDX-License-Identifier: MIT
// Idea: layouts are many, but what one device does in them is one of a few things: a block's share of some
// width with some rows. Those are timed; everything else is a formula.
#include <heddle/error.h>
#include <kernels/nn/link.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <stdlib.h>

#include "hybrid.h"

typedef struct timing {
  machine *on;
  const problem *problem;
  bool on_gpu;
} timing;

// One device with so many blocks and, where the kind has them, both ends.
static profile timed(const profile *of, const problem *whole, hd_ops *o, int blocks, bool checkpoint) {
  problem part = *whole;
  part.model.blocks = blocks;
  part.model.rows = of->rows;
  piece *p = piece_open(&part, (layout){1, of->tensor, 1, 1, checkpoint}, 0, o, NULL);
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
  profile t = *of;
  t.forward = o->mark_time(o, 1);
  t.loss = o->mark_time(o, 2) - o->mark_time(o, 1);
  t.backward = o->mark_time(o, 3) - o->mark_time(o, 2);
  t.update = o->mark_time(o, 4) - o->mark_time(o, 3);
  piece_close(p);
  return t;
}

// What a second block adds is a block; what is left of the first without it are the ends.
static profile without_ends(profile one, const problem *whole, hd_ops *o) {
  profile block = timed(&one, whole, o, 2, false);
  block.forward = fmax(0, block.forward - one.forward);
  block.backward = fmax(0, block.backward - one.backward);
  block.update = fmax(0, block.update - one.update);
  block.loss = one.loss + fmax(0, one.forward - block.forward) + fmax(0, one.backward - block.backward);
  return block;
}

static void time_block(profile *to, const problem *whole, hd_ops *o) {
  const profile one = timed(to, whole, o, 1, false);
  *to = whole->kind && whole->kind->ends ? without_ends(one, whole, o) : one;
  if (to->again > 0) to->again = timed(to, whole, o, 1, true).backward - one.backward;
}

static void timing_body(hd_comm *comm, void *arg) {
  const timing *t = arg;
  hd_ops *o = hd_ops_open(t->on_gpu, hd_comm_stream(comm));
  for (int i = 0; i < t->on->count; i++) time_block(&t->on->known[i], t->problem, o);
  o->close(o);
}

// again: 1 until it is timed, where some layout checkpoints.
static void want(machine *on, layout l, long rows) {
  int i = 0;
  while (i < on->count && (on->known[i].tensor != l.tensor || on->known[i].rows != rows)) i++;
  if (i == MOST_PROFILES) return;
  if (i == on->count) on->known[on->count++] = (profile){.tensor = l.tensor, .rows = rows};
  if (l.checkpoint) on->known[i].again = 1;
}

int probe(machine *on, const problem *p, bool on_gpu, int least, int most, int threads) {
  layout *all = hd_alloc(MOST_LAYOUTS, sizeof *all);
  *on = (machine){.latency = 0, .bandwidth = 1};
  for (int devices = least; devices <= most; devices *= 2) {
    const int count = layouts_of(&p->model, devices, all);
    for (int i = 0; i < count; i++) want(on, all[i], layout_rows(&p->model, all[i]));
  }
  free(all);
  timing t = {on, p, on_gpu};
  if (hd_comm_run(1, on_gpu ? HD_COMM_CUDA : HD_COMM_THREADS, HD_ORDER_RANK, threads, 0, timing_body, &t))
    return -1;
  if (most == 1) return 0;
  return hd_link_cost(on_gpu, (size_t)p->model.rows * (size_t)p->model.width + 1, &on->latency,
                      &on->bandwidth);
}
