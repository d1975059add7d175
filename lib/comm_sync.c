// SPDX-License-Identifier: MIT
// How ranks wait for each other: counters that only grow, one writer each. A rank that finds a counter too
// low spins while that is cheaper than sleeping, then gives its core away, then sleeps; it never waits longer
// than the deadline, nor for a rank that is gone.
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "comm_internal.h"
#include "heddle/clock.h"

static const double SPIN_S = 2e-6, YIELD_S = 200e-6;
static const long SLEEP_NS = 1000000;  // short, so that poison and ranks that left are noticed without a wake

void hd_poison(hd_group *g, const char *format, ...) {
  pthread_mutex_lock(&g->lock);
  if (!hd_poisoned(g)) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(g->error, sizeof g->error, format, arguments);
    va_end(arguments);
    __atomic_store_n(&g->poisoned, 1, __ATOMIC_SEQ_CST);
  }
  pthread_mutex_unlock(&g->lock);
}

bool hd_poisoned(const hd_group *g) {
  return __atomic_load_n(&g->poisoned, __ATOMIC_SEQ_CST);
}

int hd_failed(hd_comm *c) {
  hd_group *g = c->group;
  __atomic_store_n(&c->failed, 1, __ATOMIC_RELAXED);
  for (int r = 0; r < g->world; r++)
    for (int k = 0; k < HD_LANES; k++)
      while (__atomic_load_n(&g->ranks[r].lanes[k].moving, __ATOMIC_SEQ_CST)) sched_yield();
  return -1;
}

// Either the poisoner sees `moving`, or the mover sees the poison: both orders are sequentially consistent.
int hd_move_begin(hd_lane *l) {
  __atomic_store_n(&l->moving, 1, __ATOMIC_SEQ_CST);
  if (!hd_poisoned(l->comm->group)) return 0;
  hd_move_end(l);
  return hd_failed(l->comm);
}

void hd_move_end(hd_lane *l) {
  __atomic_store_n(&l->moving, 0, __ATOMIC_RELEASE);
}

static void pause_core(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void sleep_on(uint32_t *flag, uint32_t *sleepers, uint32_t seen) {
  const struct timespec limit = {0, SLEEP_NS};
  __atomic_fetch_add(sleepers, 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(flag, __ATOMIC_SEQ_CST) == seen)
    syscall(SYS_futex, flag, FUTEX_WAIT_PRIVATE, seen, &limit, NULL, 0);
  __atomic_fetch_sub(sleepers, 1, __ATOMIC_SEQ_CST);
}

void hd_raise(uint32_t *flag, uint32_t *sleepers, uint32_t value) {
  __atomic_store_n(flag, value, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(sleepers, __ATOMIC_SEQ_CST))
    syscall(SYS_futex, flag, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static bool reached(const uint32_t *flag, uint32_t goal) {
  return (int32_t)(__atomic_load_n(flag, __ATOMIC_ACQUIRE) - goal) >= 0;  // right across the wrap as well
}

enum hd_outcome hd_await_flag(const hd_lane *l, int peer, uint32_t *flag, uint32_t *sleepers, uint32_t goal,
                              double until) {
  if (reached(flag, goal)) return HD_REACHED;
  const hd_group *g = l->comm->group;
  // A background lane never spins: its rank computes meanwhile, and the core is the rank's.
  const bool spin = g->spin && (l->kind == HD_LANE_CALLS || g->cuda);
  const double start = hd_wall();
  while (spin && hd_wall() < start + SPIN_S)
    for (int i = 0; i < 8; i++) {
      if (reached(flag, goal)) return HD_REACHED;
      pause_core();
    }
  for (int yields = 0;; yields++) {
    const uint32_t seen = __atomic_load_n(flag, __ATOMIC_ACQUIRE);
    const bool gone = __atomic_load_n(&g->ranks[peer].left, __ATOMIC_ACQUIRE);
    if (reached(flag, goal)) return HD_REACHED;
    if (hd_poisoned(g)) return HD_POISONED;
    if (gone) return HD_PEER_LEFT;
    const double now = hd_wall();
    if (now > until) return HD_TOO_LATE;
    if (spin ? now < start + YIELD_S : yields < 8)
      sched_yield();
    else
      sleep_on(flag, sleepers, seen);
  }
}

// "1" or "1, 3": the ranks that have not arrived.
static void list_missing(const hd_lane *l, uint32_t goal, char *text, size_t size) {
  size_t at = 0;
  text[0] = '\0';
  for (int r = 0; r < l->world && at + 8 < size; r++)
    if (!reached(&l->comm->group->ranks[r].lanes[l->kind].arrived, goal))
      at += (size_t)snprintf(text + at, size - at, at ? ", %d" : "%d", r);
}

static int missing(hd_lane *l, enum hd_outcome outcome, int peer, uint32_t goal) {
  hd_group *g = l->comm->group;
  const char *name = hd_call_name(l->call[(l->seq - 1) % 2].kind);
  const char *started = l->kind == HD_LANE_STARTED ? "started " : "";
  const unsigned long long seq = l->seq - 1;
  char ranks[128];
  list_missing(l, goal, ranks, sizeof ranks);
  if (outcome == HD_PEER_LEFT)
    hd_poison(g, "rank %d: %s%s #%llu: rank %d ended without it", l->rank, started, name, seq, peer);
  else if (outcome == HD_TOO_LATE)
    hd_poison(g, "rank %d: %s%s #%llu: no answer within %g s from rank %s", l->rank, started, name, seq,
              g->deadline_s, ranks);
  return hd_failed(l->comm);
}

int hd_fence(hd_lane *l) {
  hd_group *g = l->comm->group;
  const uint32_t goal = l->arrived + 1;  // only this thread writes it
  g->transport->record(l, goal % 2);
  hd_raise(&l->arrived, &l->sleepers, goal);
  const double until = hd_wall() + g->deadline_s;
  for (int step = 1; step < l->world; step++) {
    const int peer = (l->rank + step) % l->world;
    hd_lane *other = &g->ranks[peer].lanes[l->kind];
    const enum hd_outcome outcome = hd_await_flag(l, peer, &other->arrived, &other->sleepers, goal, until);
    if (outcome != HD_REACHED) return missing(l, outcome, peer, goal);
  }
  for (int r = 0; r < l->world; r++)
    if (r != l->rank) g->transport->await(l, &g->ranks[r].lanes[l->kind], goal % 2);
  return 0;
}
