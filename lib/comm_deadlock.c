// SPDX-License-Identifier: MIT
// Waits that can never end. Whoever is about to sleep shows what it waits for, then follows from rank to rank
// who could end that: a thread that waits itself, for another one … If that leads back to where it began,
// everybody on the way waits for ever, and need not wait for the deadline to say so.
//
// What is seen of several threads one after the other need not have been true at any one moment. Hence the
// second look. Nothing that has come is ever taken back: what is still missing then was missing all the time,
// so at the moment between the two looks all of them were waiting. Only threads on the way could have ended
// that. The last thread of a circle shows its wait before it looks, so it sees the others.
#include "comm_internal.h"

enum { MOST_THREADS = HD_LANES * HD_MOST_RANKS };

// A thread on the way, what it waited for when seen, and which rank it waits for.
typedef struct step {
  const hd_waiting *thread;
  hd_waiting seen;
  int rank;
} step;

typedef struct way {
  const hd_group *whole;
  const hd_waiting *start;
  step steps[MOST_THREADS];
  const hd_waiting *known[MOST_THREADS];  // threads that have been followed
  int length, known_count;
} way;

// The record of the thread that runs a lane's operations of a rank.
static hd_waiting *thread_of(const hd_group *g, int lane, int rank) {
  if (lane == HD_LANE_HELPER && g->backend->has_helpers) return &g->waiting[HD_LANE_HELPER][rank];
  return &g->whole->waiting[HD_LANE_CALLS][g->numbers[rank]];
}

static uint64_t turn_of(const hd_waiting *w) {
  return __atomic_load_n(&w->turn, __ATOMIC_SEQ_CST);
}

void hd_deadlock_wait(hd_comm *c, int lane, hd_waiting what) {
  hd_waiting *own = thread_of(c->group, lane, c->rank);
  __atomic_store_n(&own->group, c->group, __ATOMIC_RELAXED);
  __atomic_store_n(&own->lane, what.lane, __ATOMIC_RELAXED);
  __atomic_store_n(&own->peer, what.peer, __ATOMIC_RELAXED);
  __atomic_store_n(&own->word, what.word, __ATOMIC_RELAXED);
  __atomic_store_n(&own->value, what.value, __ATOMIC_RELAXED);
  __atomic_store_n(&own->turn, own->turn + 1, __ATOMIC_SEQ_CST);
}

void hd_deadlock_go_on(hd_comm *c, int lane) {
  hd_waiting *own = thread_of(c->group, lane, c->rank);
  __atomic_store_n(&own->turn, own->turn + 1, __ATOMIC_SEQ_CST);
}

// Does the thread wait? Then what it waits for. (A copy torn by the next wait has another turn.)
static bool look(const way *w, const hd_waiting *thread, hd_waiting *seen) {
  seen->turn = turn_of(thread);
  if (seen->turn % 2 == 0) return false;
  seen->group = w->whole->memory ? w->whole : __atomic_load_n(&thread->group, __ATOMIC_ACQUIRE);
  seen->lane = __atomic_load_n(&thread->lane, __ATOMIC_ACQUIRE);
  seen->peer = __atomic_load_n(&thread->peer, __ATOMIC_ACQUIRE);
  seen->word = __atomic_load_n(&thread->word, __ATOMIC_ACQUIRE);
  seen->value = __atomic_load_n(&thread->value, __ATOMIC_ACQUIRE);
  return turn_of(thread) == seen->turn;
}

static bool waits_for(const hd_waiting *w, int rank) {
  const uint64_t *word = (const uint64_t *)((uintptr_t)w->group->whole->memory + w->word);
  if (w->peer != HD_ALL_RANKS) return w->peer == rank && __atomic_load_n(word, __ATOMIC_SEQ_CST) < w->value;
  return __atomic_load_n(&w->group->slots[w->lane][rank].arrived, __ATOMIC_SEQ_CST) < w->value;
}

// The thread that could end this wait for a rank. A helper arrives where its rank has sent it.
static const hd_waiting *who_could(const hd_waiting *w, int rank) {
  const hd_slot *slot = &w->group->slots[w->lane][rank];
  const bool unsent = w->peer == HD_ALL_RANKS && w->lane == HD_LANE_HELPER &&
                      w->group->backend->has_helpers &&
                      __atomic_load_n(&slot->started, __ATOMIC_SEQ_CST) < w->value;
  return thread_of(w->group, unsent ? HD_LANE_CALLS : w->lane, rank);
}

static bool still_true(const way *w) {
  for (int i = 0; i < w->length; i++) {
    const step *s = &w->steps[i];
    const hd_waiting *next = i + 1 < w->length ? w->steps[i + 1].thread : w->start;
    if (!waits_for(&s->seen, s->rank) || who_could(&s->seen, s->rank) != next) return false;
  }
  return true;
}

static bool is_known(const way *w, const hd_waiting *thread) {
  for (int i = 0; i < w->known_count; i++)
    if (w->known[i] == thread) return true;
  return w->known_count == MOST_THREADS;
}

static bool leads_back(way *w, const hd_waiting *thread) {
  hd_waiting seen;
  w->known[w->known_count++] = thread;
  if (!look(w, thread, &seen)) return false;
  for (int r = 0; r < seen.group->world; r++) {
    if (!waits_for(&seen, r)) continue;
    const hd_waiting *next = who_could(&seen, r);
    w->steps[w->length++] = (step){thread, seen, r};
    if (next == w->start ? still_true(w) : !is_known(w, next) && leads_back(w, next)) return true;
    w->length--;
  }
  return false;
}

bool hd_deadlock_waits(const hd_group *g, int rank) {
  return turn_of(thread_of(g, HD_LANE_CALLS, rank)) % 2 == 1;
}

bool hd_deadlock_found(const hd_comm *c, int lane) {
  way w = {.whole = c->group->whole, .start = thread_of(c->group, lane, c->rank)};
  return leads_back(&w, w.start);
}
