// SPDX-License-Identifier: MIT
// Which accesses of one launch are ordered: by the block's barriers (epochs), by operations of a warp (a
// clock per lane), and by atomics or volatile flags behind a fence. A flag's word keeps a log of releases;
// who reads the flag knows what stood in the log until then. Copying that knowledge would cost as much as
// there are blocks; it is looked up only when two accesses meet that nothing else orders.
#include <stdlib.h>
#include <string.h>

#include "check_problem.h"

typedef struct release {
  uint32_t op, block, epoch, fence_clock, block_fence_epoch;
  uint16_t thread;
  bool fenced, has_fenced_warp;
  uint32_t seen[SIM_LANES];
  const sim_known *known;  // what the releasing thread knew itself: the first known_count items
  size_t known_count;
  uint32_t clock;
} release;

typedef struct sim_sync {
  uintptr_t address;
  release *log;
  uint32_t count, room;
} sim_sync;

static sim_sync **table;
static size_t table_room, table_count;
static sim_known *all_known;

// ---------------------------------------------------------------- flags

static size_t slot_of(uintptr_t address) {
  size_t i = (size_t)(address * 0x9e3779b97f4a7c15u >> 20) & (table_room - 1);
  while (table[i] && table[i]->address != address) i = (i + 1) & (table_room - 1);
  return i;
}

static sim_sync *find(uintptr_t address, bool make) {
  if (make && table_count * 2 >= table_room) {
    sim_sync **old = table;
    const size_t old_room = table_room, room = old_room ? 2 * old_room : 256;
    sim_sync **grown = calloc(room, sizeof *grown);
    if (!grown) return NULL;
    table = grown;
    table_room = room;
    for (size_t i = 0; i < old_room; i++)
      if (old[i]) table[slot_of(old[i]->address)] = old[i];
    free(old);
  }
  if (!table_room) return NULL;
  const size_t i = slot_of(address);
  if (!table[i] && make && (table[i] = calloc(1, sizeof **table))) {
    table[i]->address = address;
    table_count++;
  }
  return table[i];
}

sim_known *sim_known_new(void) {
  sim_known *k = calloc(1, sizeof *k);
  if (!k) return NULL;
  k->next = all_known;
  all_known = k;
  return k;
}

void sim_sync_forget(void) {
  for (size_t i = 0; i < table_room; i++) {
    if (!table[i]) continue;
    free(table[i]->log);
    free(table[i]);
    table[i] = NULL;
  }
  table_count = 0;
  while (all_known) {
    sim_known *k = all_known;
    all_known = k->next;
    free(k->item);
    free(k);
  }
}

void sim_sync_release(sim_view *v, unsigned thread, uintptr_t address) {
  const sim_check_thread *t = &v->thread[thread];
  if (!t->fenced && !v->fence_epoch && !(v->known && v->known->count)) return;
  sim_sync *s = find(address, true);
  if (!s) return;
  if (s->count == s->room) {
    const uint32_t room = s->room ? 2 * s->room : 4;
    release *grown = realloc(s->log, room * sizeof *grown);
    if (!grown) return;
    s->log = grown;
    s->room = room;
  }
  release *r = &s->log[s->count++];
  *r = (release){.op = v->op,
                 .block = v->block,
                 .epoch = t->epoch,
                 .clock = t->clock,
                 .fence_clock = t->fence_clock,
                 .block_fence_epoch = v->fence_epoch,
                 .thread = (uint16_t)thread,
                 .fenced = t->fenced,
                 .has_fenced_warp = t->fenced && t->fence_epoch == t->epoch,
                 .known = v->known,
                 .known_count = v->known ? v->known->count : 0};
  memcpy(r->seen, t->seen, sizeof r->seen);
}

void sim_sync_acquire(sim_view *v, unsigned thread, uintptr_t address) {
  sim_sync *s = find(address, false);
  if (!s || !s->count || (!v->known && !(v->known = sim_known_new()))) return;
  const sim_check_thread *t = &v->thread[thread];
  sim_known *k = v->known;
  for (size_t i = k->count, looked = 0; i-- > 0 && looked < 8; looked++)
    if (k->item[i].at == s && k->item[i].thread == thread && k->item[i].count == s->count) return;
  if (k->count == k->room) {
    const size_t room = k->room ? 2 * k->room : 8;
    sim_acquired *grown = realloc(k->item, room * sizeof *grown);
    if (!grown) return;
    k->item = grown;
    k->room = room;
  }
  k->item[k->count++] = (sim_acquired){s, s->count, t->epoch, t->clock, (uint16_t)thread};
}

// ---------------------------------------------------------------- order

static bool covers(const release *r, const sim_stamp *s) {
  if (r->op != s->op || r->block != s->block) return false;
  if (s->epoch < r->epoch && s->epoch < r->block_fence_epoch) return true;
  if (r->thread == s->thread) return r->fenced && s->clock <= r->fence_clock;
  return r->has_fenced_warp && r->thread / SIM_LANES == s->thread / SIM_LANES &&
         s->clock <= r->seen[s->thread % SIM_LANES];
}

enum { MOST_DEPTH = 8, MOST_STEPS = 50000 };

// Is s known through the first `count` items, as far as thread (at that epoch, with that view of its warp)
// sees them? More than MOST_STEPS: in doubt, yes.
static bool known(const sim_known *k, size_t count, unsigned thread, uint32_t epoch, const uint32_t *seen,
                  const sim_stamp *s, int depth, unsigned *steps) {
  for (size_t i = count; k && i-- > 0;) {
    const sim_acquired *a = &k->item[i];
    if (++*steps > MOST_STEPS) return true;
    const bool visible =
        a->thread == thread || a->epoch < epoch ||
        (a->thread / SIM_LANES == thread / SIM_LANES && a->clock <= seen[a->thread % SIM_LANES]);
    if (!visible) continue;
    for (uint32_t j = a->count; j-- > 0;) {
      const release *r = &a->at->log[j];
      if (++*steps > MOST_STEPS) return true;
      if (covers(r, s)) return true;
    }
    for (uint32_t j = a->count; j-- > 0 && depth < MOST_DEPTH;) {
      const release *r = &a->at->log[j];
      if (r->known_count && r->known != k &&
          known(r->known, r->known_count, r->thread, r->epoch, r->seen, s, depth + 1, steps))
        return true;
    }
  }
  return false;
}

bool sim_ordered(const sim_view *v, unsigned thread, const sim_stamp *s) {
  const sim_check_thread *t = &v->thread[thread];
  if (s->op != v->op && sim_op_before(s->op, v->op)) return true;
  if (s->op == v->op && s->block == v->block) {
    if (s->thread == thread || s->epoch < t->epoch) return true;
    if (s->thread / SIM_LANES == thread / SIM_LANES && s->clock <= t->seen[s->thread % SIM_LANES])
      return true;
  }
  unsigned steps = 0;
  return v->known && known(v->known, v->known->count, thread, t->epoch, t->seen, s, 0, &steps);
}
