// SPDX-License-Identifier: MIT
#include "hybrid.h"

#include <heddle/error.h>
#include <kernels/nn/ops.h>
#include <lessons/24-pipeline/schedule.h>
#include <math.h>
#include <pthread.h>

// What comes from one neighbour, and what goes to it.
typedef struct neighbour {
  int rank;                           // -1: none
  int opened, taken, sent, finished;  // messages, all in the order of micro-batches
} neighbour;

typedef struct runner {
  trial *trial;
  hd_comm *world, *tensor, *data;
  piece *piece;
  schedule plan;
  neighbour before, after;
  int freed;  // micro-batches that have left
} runner;

typedef struct shared {
  trial *trial;
  pthread_mutex_t lock;
} shared;

static size_t message_size(const runner *r) {
  return (size_t)r->piece->rows * (size_t)r->piece->width;
}

static int finish_sends(runner *r, neighbour *n, int until) {
  for (; n->finished < until; n->finished++)
    if (hd_send_wait(r->world, n->rank)) return -1;
  return 0;
}

// Every receive is opened as soon as its slot is free. A slot's gradient may still be on its way to the stage
// before: that must be over.
static int open_receives(runner *r) {
  const int all = r->trial->layout.micro_batches, room = r->freed + r->piece->slots;
  for (; r->before.rank >= 0 && r->before.opened < all && r->before.opened < room; r->before.opened++)
    if (hd_recv_start(r->world, piece_input(r->piece, r->before.opened), message_size(r), HD_F32,
                      r->before.rank))
      return -1;
  for (; r->after.rank >= 0 && r->after.opened < all && r->after.opened < room; r->after.opened++) {
    if (r->before.rank >= 0 && finish_sends(r, &r->before, r->after.opened - r->piece->slots + 1)) return -1;
    if (hd_recv_start(r->world, piece_gradient(r->piece, r->after.opened), message_size(r), HD_F32,
                      r->after.rank))
      return -1;
  }
  return 0;
}

static int receive(runner *r, neighbour *n) {
  if (n->rank < 0) return 0;
  n->taken++;
  return hd_recv_wait(r->world, n->rank);
}

static int send(runner *r, neighbour *n, const float *data) {
  if (n->rank < 0) return 0;
  n->sent++;
  return hd_send_start(r->world, data, message_size(r), HD_F32, n->rank);
}

static int run_instruction(runner *r, instruction i) {
  piece *p = r->piece;
  if (i.kind == FORWARD) {
    if (receive(r, &r->before)) return -1;
    if (r->after.rank >= 0 && finish_sends(r, &r->after, i.micro - p->slots + 1)) return -1;
    return piece_forward(p, i.micro) || send(r, &r->after, piece_output(p, i.micro)) ? -1 : 0;
  }
  if (receive(r, &r->after)) return -1;
  if (r->after.rank < 0) {
    // The slot's last gradient must have left before the next one is written.
    if (r->before.rank >= 0 && finish_sends(r, &r->before, i.micro - p->slots + 1)) return -1;
    piece_loss(p, i.micro);
  }
  if (piece_backward(p, i.micro) || send(r, &r->before, piece_gradient(p, i.micro))) return -1;
  r->freed++;
  return 0;
}

// Tests: this rank fails in the middle of its instructions.
static int strike(const runner *r) {
  const trial *t = r->trial;
  if (t->fault == STALLS) hd_comm_stall(r->world, 3 * t->deadline_s);
  if (t->fault == OTHER_SIZE) r->piece->rows--, r->piece->parameters--;
  if (t->fault == DIES) hd_comm_abort(r->world, "it was told to die");
  if (t->fault == OTHER_CALL) return hd_barrier(r->world);
  return t->fault == DIES ? -1 : 0;
}

// One batch; the gradient of this rank's parameters is complete afterwards.
static int step(runner *r) {
  const trial *t = r->trial;
  const int stage = r->piece->stage, rank = hd_comm_rank(r->world);
  r->freed = 0;
  r->before = (neighbour){.rank = stage > 0 ? rank - t->layout.tensor : -1};
  r->after = (neighbour){.rank = stage < t->layout.pipeline - 1 ? rank + t->layout.tensor : -1};
  for (int k = 0; k < r->plan.count[stage]; k++) {
    if (t->fault && t->faulty == rank && k == r->plan.count[stage] / 2 && strike(r)) return -1;
    if (open_receives(r) || run_instruction(r, r->plan.list[stage][k])) return -1;
  }
  if (r->before.rank >= 0 && finish_sends(r, &r->before, r->before.sent)) return -1;
  if (r->after.rank >= 0 && finish_sends(r, &r->after, r->after.sent)) return -1;
  hd_comm *group = t->mistake == WRONG_GROUP ? r->world : r->data;
  return hd_all_reduce(group, r->piece->gradient, r->piece->parameters, HD_F32, HD_SUM);
}

static double bytes_sent(const runner *r) {
  return (double)(hd_comm_traffic(r->world).bytes + hd_comm_traffic(r->tensor).bytes +
                  hd_comm_traffic(r->data).bytes);
}

static int timed_part(runner *r, shared *s) {
  trial *t = s->trial;
  hd_ops *o = r->piece->ops;
  if (t->timed_steps == 0) return 0;
  if (hd_barrier(r->world)) return -1;
  o->synchronize(o);
  const double before = bytes_sent(r);
  o->timer_start(o);
  for (int i = 0; i < t->timed_steps; i++) {
    if (step(r)) return -1;
    piece_update(r->piece);
  }
  const double seconds = o->timer_stop(o) / t->timed_steps;
  pthread_mutex_lock(&s->lock);
  t->step_s = fmax(t->step_s, seconds);
  t->bytes = fmax(t->bytes, (bytes_sent(r) - before) / t->timed_steps);
  pthread_mutex_unlock(&s->lock);
  return 0;
}

static void rank_body(hd_comm *comm, void *arg) {
  shared *s = arg;
  trial *t = s->trial;
  const layout l = t->layout;
  const int rank = hd_comm_rank(comm), share = rank % l.tensor, column = rank / l.tensor;
  runner r = {.trial = t, .world = comm};
  r.tensor = hd_comm_split(comm, column, share);
  r.data = hd_comm_split(comm, rank % (l.tensor * l.pipeline), rank);
  if (!r.tensor || !r.data) return;
  hd_ops *ops = hd_ops_open(t->on_gpu, hd_comm_stream(comm));
  r.piece = piece_open(t->problem, l, rank, ops, l.tensor > 1 ? r.tensor : NULL);
  r.plan = schedule_one_f_one_b(l.pipeline, l.micro_batches);
  pthread_mutex_lock(&s->lock);
  t->memory = fmax(t->memory, (double)ops->bytes);
  pthread_mutex_unlock(&s->lock);
  const int checked = t->checked_steps ? t->checked_steps : 1;
  int done = 0;
  for (; done < checked && step(&r) == 0; done++) {
    piece_collect(r.piece, done, t->gradient);
    piece_update(r.piece);
  }
  if (done == checked) timed_part(&r, s);
  schedule_free(&r.plan);
  piece_close(r.piece);
  ops->close(ops);
}

int run_layout(trial *t) {
  shared s = {.trial = t, .lock = PTHREAD_MUTEX_INITIALIZER};
  t->step_s = t->bytes = t->memory = 0;
  const int world = t->layout.data * t->layout.tensor * t->layout.pipeline;
  return hd_comm_run(world, t->on_gpu ? HD_COMM_CUDA : HD_COMM_THREADS, HD_ORDER_RANK, t->threads,
                     t->deadline_s, rank_body, &s)
             ? -1
             : 0;
}
