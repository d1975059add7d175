// SPDX-License-Identifier: MIT
#include "queue.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "block.h"
#include "observe.h"
#include "stream.h"

enum { MOST_PENDING = 1024, SCHEDULE_PLACE = 100, ISSUE_PLACE = 101 };
static const double patience_s = 2;  // without any event until the host is thought to be waited for

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static sim_op *oldest, *newest;         // what is not done, in the order of issue
static sim_op *first_line, *last_line;  // what is not placed
static uint64_t issued, choices;
static int pending, empty;  // of them: without work of their own
static unsigned stamps;
static _Atomic uint64_t events;
static _Thread_local bool inside;

void sim_queue_lock(void) {
  pthread_mutex_lock(&lock);
}
void sim_queue_unlock(void) {
  pthread_mutex_unlock(&lock);
}
bool sim_inside_operation(void) {
  return inside;
}
uint64_t sim_queue_events(void) {
  return atomic_load(&events) + sim_watch_progress();
}

// ---------------------------------------------------------------- operations (all locked)

void *sim_op_new(size_t bytes) {
  sim_op *op = calloc(1, bytes);
  if (!op) return NULL;
  op->before = op->few;
  op->before_room = sizeof op->few / sizeof *op->few;
  op->references = 1;
  op->device = -1;
  op->share = 1;
  return op;
}

sim_op *sim_op_keep(sim_op *op) {
  if (op) op->references++;
  return op;
}

void sim_op_drop(sim_op *op) {
  if (!op || --op->references > 0) return;
  if (op->discard) op->discard(op);
  if (op->before != op->few) free(op->before);
  free(op);
}

void sim_op_after(sim_op *op, sim_op *before) {
  if (!before || before->state == SIM_DONE || before == op) return;
  if (op->before_count == op->before_room) {
    sim_op **more = malloc(2 * (size_t)op->before_room * sizeof *more);
    if (!more) abort();
    memcpy(more, op->before, (size_t)op->before_count * sizeof *more);
    if (op->before != op->few) free(op->before);
    op->before = more;
    op->before_room *= 2;
  }
  op->before[op->before_count++] = sim_op_keep(before);
}

static bool ready(const sim_op *op) {
  if (op->state != SIM_QUEUED) return false;
  for (int i = 0; i < op->before_count; i++)
    if (op->before[i]->state != SIM_DONE) return false;
  return true;
}

// Places what can be placed.
static void settle(void) {
  sim_host *self = sim_host_self();
  while (first_line && first_line->state == SIM_DONE) {
    sim_op *op = first_line;
    first_line = op->next_issued;
    if (!first_line) last_line = NULL;
    sim_host_act_as(op->host);
    if (op->place) op->place(op);
    op->placed = true;
    sim_op_drop(op);
  }
  sim_host_act_as(self);
}

static void complete(sim_op *op) {
  op->state = SIM_DONE;
  if (op->older)
    op->older->newer = op->newer;
  else
    oldest = op->newer;
  if (op->newer)
    op->newer->older = op->older;
  else
    newest = op->older;
  pending--;
  empty -= !op->run;
  for (int i = 0; i < op->before_count; i++) sim_op_drop(op->before[i]);
  op->before_count = 0;
  atomic_fetch_add(&events, 1);
  settle();
  pthread_cond_broadcast(&moved);
}

void sim_op_issue(sim_op *op) {
  op->number = ++issued;
  op->host = sim_host_self();
  if (last_line)
    last_line->next_issued = op;
  else
    first_line = op;
  last_line = op;
  if (newest)
    newest->newer = op;
  else
    oldest = op;
  op->older = newest;
  newest = op;
  pending++;
  empty += !op->run;
  atomic_fetch_add(&events, 1);
  if (!op->run && ready(op)) complete(op);
}

// Gives the lock away while it works.
static void execute(sim_op *op) {
  op->state = SIM_RUNNING;
  op->skipped = op->run && !op->always && sim_sticky_error();
  if (op->run && !op->skipped) {
    atomic_fetch_add(&events, 1);
    sim_queue_unlock();
    inside = true;
    op->run(op);
    inside = false;
    sim_queue_lock();
  }
  complete(op);
  sim_op *next;
  for (sim_op *o = empty ? oldest : NULL; o; o = next) {
    next = o->newer;
    if (!o->run && ready(o)) complete(o);
  }
}

// ---------------------------------------------------------------- what is asked for (all locked)

typedef struct work {
  sim_op **op;  // in the order of issue, each kept
  size_t count, done;
} work;

static bool wanted(const sim_op *op, const sim_target *t) {
  switch (t->kind) {
    case SIM_TARGET_OP:
      return op == t->op;
    case SIM_TARGET_STREAM:
      return op->stream == t->stream;
    case SIM_TARGET_DEVICE:
      return op->device == t->device;
    case SIM_TARGET_UPTO:
      return op->number <= t->upto;
  }
  return false;
}

static work collect(const sim_target *t) {
  work w = {0};
  const unsigned stamp = ++stamps;
  for (sim_op *op = newest; op; op = op->older) {
    if (op->stamp != stamp && !wanted(op, t)) continue;
    op->stamp = stamp;
    w.count++;
    for (int i = 0; i < op->before_count; i++) op->before[i]->stamp = stamp;
  }
  if (!w.count) return w;
  w.op = calloc(w.count, sizeof(sim_op *));
  if (!w.op) abort();
  size_t kept = 0;
  for (sim_op *op = oldest; op && kept < w.count; op = op->newer) {
    if (op->stamp != stamp) continue;
    op->references++;
    w.op[kept++] = op;
  }
  w.count = kept;
  return w;
}

static bool all_done(work *w) {
  if (!w->op) return true;
  while (w->done < w->count && w->op[w->done]->state == SIM_DONE) w->done++;
  return w->done == w->count;
}

static void let_go(work *w) {
  for (size_t i = 0; i < w->count; i++) sim_op_drop(w->op[i]);
  free(w->op);
}

static void wait_a_while(void) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += 20000000;
  if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
  pthread_cond_timedwait(&moved, &lock, &until);
}

// Waits for others to do it; false: nothing happens any more.
static bool await(work *w) {
  uint64_t before = sim_queue_events();
  for (double waited = 0; !all_done(w); waited += 20e-3) {
    wait_a_while();
    const uint64_t now = sim_queue_events();
    if (now != before) waited = 0;
    before = now;
    if (waited > patience_s) return false;
  }
  return true;
}

// One of the operations that can run, by seed. Those that nobody waits for run elsewhere: they may wait for
// the host.
static bool run_chosen(const work *w) {
  uint64_t count = 0;
  for (const sim_op *op = oldest; op; op = op->newer) count += ready(op);
  if (!count) return false;
  uint64_t which = sim_schedule_choice(SCHEDULE_PLACE, choices++, count);
  sim_op *op = oldest;
  for (; !ready(op) || which-- > 0; op = op->newer) {
  }
  for (size_t i = w->done; i < w->count; i++)
    if (w->op[i] == op) {
      execute(op);
      return true;
    }
  const sim_target one = {.kind = SIM_TARGET_OP, .op = op};
  work other = collect(&one);
  sim_queue_unlock();
  sim_background(&one);
  sim_queue_lock();
  await(&other);
  let_go(&other);
  return true;
}

static bool run_next(work *w) {
  for (size_t i = w->done; i < w->count; i++)
    if (ready(w->op[i])) {
      execute(w->op[i]);
      return true;
    }
  return false;
}

static void finish(const sim_target *t, bool by_seed) {
  if (inside) return;
  sim_queue_lock();
  atomic_fetch_add(&events, 1);
  work w = collect(t);
  while (!all_done(&w))
    if (!(by_seed && run_chosen(&w)) && !run_next(&w)) wait_a_while();
  let_go(&w);
  sim_queue_unlock();
}

// ---------------------------------------------------------------- finishing

void sim_finish(const sim_target *t) {
  finish(t, sim_schedule_shuffled());
}
void sim_finish_plainly(const sim_target *t) {
  finish(t, false);
}
void sim_finish_issued(void) {
  sim_finish(&(sim_target){.kind = SIM_TARGET_UPTO, .upto = UINT64_MAX});
}

bool sim_finish_patiently(const sim_target *t) {
  if (inside) return false;
  sim_queue_lock();
  work w = collect(t);
  bool done = all_done(&w);
  if (!done) {
    sim_queue_unlock();
    sim_background(t);
    sim_queue_lock();
    done = await(&w);
  }
  let_go(&w);
  sim_queue_unlock();
  return done;
}

bool sim_times_known(void) {
  sim_queue_lock();
  const bool known = first_line == NULL;
  sim_queue_unlock();
  return known;
}

void sim_queue_look(bool *any, bool *running, bool *waiting) {
  sim_queue_lock();
  *any = oldest != NULL;
  *running = *waiting = false;
  for (const sim_op *op = oldest; op; op = op->newer) {
    *running |= op->state == SIM_RUNNING;
    *waiting |= ready(op);
  }
  sim_queue_unlock();
}

void sim_run_some(void) {
  if (inside) return;
  sim_queue_lock();
  const bool full = pending > MOST_PENDING, waiting = oldest != NULL;
  if (waiting && !full && sim_schedule_choice(ISSUE_PLACE, choices, 2)) run_chosen(&(work){0});
  sim_queue_unlock();
  // As on hardware, a launch waits when too many are under way.
  if (full) sim_finish_issued();
  if (waiting) sim_background_watch();
}

// ---------------------------------------------------------------- the host's own time

typedef struct host_call {
  sim_op op;
  void (*then)(const void *argument);
  _Alignas(16) char argument[];
} host_call;

static void place_spend(sim_op *op) {
  sim_host_spend(op->spend);
}

void sim_host_spends(double seconds) {
  sim_queue_lock();
  if (!first_line) {
    sim_host_spend(seconds);
  } else {
    sim_op *op = sim_op_new(sizeof *op);
    if (op) {
      op->spend = seconds;
      op->place = place_spend;
      sim_op_issue(op);
    }
  }
  sim_queue_unlock();
}

static void place_call(sim_op *op) {
  const host_call *call = (const host_call *)op;
  call->then(call->argument);
}

void sim_host_when_known(void (*then)(const void *argument), const void *argument, size_t bytes) {
  sim_queue_lock();
  if (!first_line) {
    then(argument);
  } else {
    host_call *call = sim_op_new(sizeof *call + bytes);
    if (call) {
      call->then = then;
      memcpy(call->argument, argument, bytes);
      call->op.place = place_call;
      sim_op_issue(&call->op);
    }
  }
  sim_queue_unlock();
}
