// SPDX-License-Identifier: MIT
// Idea: the plan is known to all ranks, so nobody asks for anything. Each rank opens its receives ahead,
// works through its operations in the plan's order and sends what others read as soon as it is there.
#include <heddle/error.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

// Results that one peer sends to this rank, in the order in which it does; or what this rank sends to it.
typedef struct inbox {
  int count, list[MOST_OPS], opened, taken, sent;
} inbox;

typedef struct runner {
  trial *trial;
  hd_comm *comm;
  int rank, readers[MOST_OPS][MOST_DEVICES], reader_count[MOST_OPS];
  part *part;
  inbox in[MOST_DEVICES];
  bool here[MOST_OPS];
} runner;

typedef struct shared {
  trial *trial;
  pthread_mutex_t lock;
} shared;

static void address_messages(runner *r) {
  const plan *p = r->trial->plan;
  for (int i = 0; i < r->trial->net->graph.count; i++) {
    const int n = p->order[i];
    r->reader_count[n] = plan_readers(&r->trial->net->graph, p, n, r->readers[n]);
    for (int k = 0; k < r->reader_count[n]; k++)
      if (r->readers[n][k] == r->rank) {
        inbox *in = &r->in[p->device[n]];
        in->list[in->count++] = n;
      }
  }
}

// ---------------------------------------------------------------- messages

static size_t elements(const runner *r) {
  return (size_t)r->trial->problem->rows * (size_t)r->trial->problem->width;
}

static int open_receives(runner *r) {
  for (int peer = 0; peer < r->trial->plan->devices; peer++) {
    inbox *in = &r->in[peer];
    while (in->opened < in->count && in->opened - in->taken < HD_OPEN_RECEIVES)
      if (hd_recv_start(r->comm, r->part->value[in->list[in->opened++]], elements(r), HD_F32, peer))
        return -1;
  }
  return 0;
}

// Waits until a result is here. What the same peer sent before comes before it.
static int receive(runner *r, int op) {
  const int peer = r->trial->plan->device[op];
  if (peer == r->rank) return 0;
  inbox *in = &r->in[peer];
  while (!r->here[op]) {
    if (hd_recv_wait(r->comm, peer)) return -1;
    r->here[in->list[in->taken++]] = true;
    if (open_receives(r)) return -1;
  }
  return 0;
}

static int send(runner *r, int op) {
  for (int k = 0; k < r->reader_count[op]; k++) {
    const int peer = r->readers[op][k];
    if (hd_send_start(r->comm, r->part->value[op], elements(r), HD_F32, peer)) return -1;
    r->in[peer].sent++;
  }
  return 0;
}

// ---------------------------------------------------------------- a step

static int step(runner *r, bool marks) {
  const trial *t = r->trial;
  const graph *g = &t->net->graph;
  hd_ops *o = r->part->ops;
  int mine = 0, done = 0;
  for (int i = 0; i < g->count; i++) mine += t->plan->device[i] == r->rank;
  memset(r->here, 0, sizeof r->here);
  for (int peer = 0; peer < t->plan->devices; peer++)
    r->in[peer].opened = r->in[peer].taken = r->in[peer].sent = 0;
  if (marks) o->mark(o, 0);
  if (open_receives(r)) return -1;
  for (int i = 0; i < g->count; i++) {
    const int n = t->plan->order[i];
    if (t->plan->device[n] != r->rank) continue;
    const bool half = done++ == mine / 2 && t->fault && t->faulty == r->rank;
    if (half && t->fault == OTHER_CALL) return hd_barrier(r->comm);
    if (half && t->fault == STALLS) hd_comm_stall(r->comm, 3 * t->deadline_s);
    if (half && t->fault == DIES) {
      hd_comm_abort(r->comm, "it was told to die");
      return -1;
    }
    for (int k = 0; k < g->ops[n].inputs; k++)
      if (receive(r, g->ops[n].input[k])) return -1;
    if (marks) o->mark(o, 2 * n + 1);
    part_run(r->part, o, n);
    if (marks) o->mark(o, 2 * n + 2);
    if (send(r, n)) return -1;
  }
  for (int peer = 0; peer < t->plan->devices; peer++)
    for (; r->in[peer].sent > 0; r->in[peer].sent--)
      if (hd_send_wait(r->comm, peer)) return -1;
  return 0;
}

static int timed_part(runner *r, shared *s) {
  trial *t = s->trial;
  hd_ops *o = r->part->ops;
  if (t->timed_steps == 0) return 0;
  if (hd_barrier(r->comm)) return -1;
  o->synchronize(o);
  const hd_traffic before = hd_comm_traffic(r->comm);
  o->timer_start(o);
  for (int i = 1; i <= t->timed_steps; i++) {
    // The last step shows what happened when: all ranks begin it together.
    if (t->span && i == t->timed_steps && hd_barrier(r->comm)) return -1;
    if (step(r, t->span && i == t->timed_steps)) return -1;
  }
  const double seconds = o->timer_stop(o) / t->timed_steps;
  const hd_traffic after = hd_comm_traffic(r->comm);
  for (int n = 0; t->span && n < 2 * t->net->graph.count; n++)
    if (t->plan->device[n / 2] == r->rank) t->span[n] = o->mark_time(o, n + 1);
  pthread_mutex_lock(&s->lock);
  t->step_s = fmax(t->step_s, seconds);
  t->messages += (double)(after.messages - before.messages) / t->timed_steps;
  t->bytes += (double)(after.bytes - before.bytes) / t->timed_steps;
  t->memory = fmax(t->memory, (double)o->bytes);
  pthread_mutex_unlock(&s->lock);
  return 0;
}

static void rank_body(hd_comm *comm, void *arg) {
  shared *s = arg;
  const trial *t = s->trial;
  runner *r = hd_alloc(1, sizeof *r);
  memset(r, 0, sizeof *r);
  r->trial = s->trial;
  r->comm = comm;
  r->rank = hd_comm_rank(comm);
  hd_ops *ops = hd_ops_open(t->place == ON_GPU, hd_comm_stream(comm));
  r->part = part_open(t->net, t->problem, t->plan, r->rank, ops);
  r->part->mistake = t->mistake;
  address_messages(r);
  if (step(r, false) == 0) {
    part_collect(r->part, t->gradient);
    timed_part(r, s);
  }
  part_close(r->part);
  ops->close(ops);
  free(r);
}

int run_ranks(trial *t) {
  shared s = {.trial = t, .lock = PTHREAD_MUTEX_INITIALIZER};
  t->step_s = t->messages = t->bytes = t->memory = 0;
  const enum hd_backend backend = t->place == ON_GPU ? HD_COMM_CUDA : HD_COMM_THREADS;
  return hd_comm_run(t->plan->devices, backend, HD_ORDER_RANK, t->threads, t->deadline_s, rank_body, &s) ? -1
                                                                                                         : 0;
}
