// SPDX-License-Identifier: MIT
// Barriers, warp operations and fences of the running block: clocks for the order of accesses, and the
// barriers that not all threads reach.
//
// A block barrier waits for threads that have not ended, so that some returned early is legal. What is not: a
// thread goes around the barrier. It is known by what it did since the barrier before: it left the loop that
// the barrier stands in, or it ran code that others run behind the barrier.
#include <stdlib.h>
#include <string.h>

#include "check_block.h"

enum {
  MOST_GROUPS = 40,
  WARPS = SIM_MOST_THREADS / SIM_LANES,
  LAST = 8,
  PLACES = 8192,
  MOST_SKIPS = 64,
  MOST_OTHERS = 64
};

typedef struct sim_warp_group {  // lanes of one mask; a lane is at most one operation ahead of the others
  unsigned mask, arrived, side;
  uint32_t seen[2][SIM_LANES];
  uintptr_t site;
} sim_warp_group;

typedef struct place {  // of accesses by the threads of one warp
  uintptr_t pc;
  uint32_t warp, generation, epoch;
  uint64_t time;
} place;

typedef struct last_places {
  uintptr_t pc[LAST];
  unsigned count;
  bool ended;
} last_places;

typedef struct skip {  // a lane ended while others waited for it in a warp operation
  unsigned thread, mask;
  uintptr_t site;
  uint64_t time;
} skip;

typedef struct other_barrier {  // a thread waits at another place than the first one of its epoch
  unsigned thread, epoch;
  uintptr_t site;
} other_barrier;

typedef struct sim_steps {
  uint32_t generation;  // of places: one per block
  uint64_t time;
  uint32_t epochs;
  uintptr_t barrier[SIM_MOST_EPOCHS];
  uint16_t barrier_thread[SIM_MOST_EPOCHS];
  sim_warp_group group[WARPS][MOST_GROUPS];
  unsigned groups[WARPS];
  last_places last[SIM_MOST_THREADS];
  place places[PLACES];
  skip skips[MOST_SKIPS];
  unsigned skip_count;
  other_barrier others[MOST_OTHERS];
  unsigned other_count;
} sim_steps;

// ---------------------------------------------------------------- the launch's operations

// Each part of a cooperative kernel between grid barriers is an operation of its own.
enum { MOST_PHASES = 1024 };
static struct {
  unsigned op[MOST_PHASES], count;
  sim_check_context site[MOST_PHASES];  // where a block first waited for the grid
  unsigned reached, ended_at;           // grid barriers reached by any block; passed by the first one to end
  sim_check_context ended;
  bool any_ended;
} phases;

static unsigned op_of_phase(unsigned first, unsigned phase) {
  if (!phases.count) phases.op[phases.count++] = first;
  while (phases.count <= phase && phases.count < MOST_PHASES) {
    phases.op[phases.count] = sim_op_next(first);
    phases.count++;
  }
  return phases.op[phase < phases.count ? phase : phases.count - 1];
}

void sim_check_grid_sync(void) {
  sim_check *c = sim_check_current;
  if (c) c->view.op = op_of_phase(c->launch.check_op, ++c->phase);
}

void sim_check_grid_reached(void) {
  const sim_check *c = sim_check_current;
  if (!c || c->phase >= MOST_PHASES || c->phase < phases.reached) return;
  phases.site[c->phase] = sim_check_here(c, c->thread[c->running].site);
  phases.reached = c->phase + 1;
}

void sim_check_grid_done(void) {
  if (!sim_check_on()) return;
  sim_sync_forget();
  if (phases.any_ended && phases.ended_at < phases.reached && sim_check_wants(SIM_CHECK_SYNC))
    sim_check_problem("divergent-barrier", &phases.site[phases.ended_at],
                      "waits for the grid here, but block %llu has ended without coming",
                      (unsigned long long)phases.ended.block);
  phases.count = phases.reached = 0;
  phases.any_ended = false;
}

// ---------------------------------------------------------------- a block

void sim_sync_open(sim_check *c) {
  if (!c->steps && !(c->steps = calloc(1, sizeof *c->steps))) abort();
  sim_steps *s = c->steps;
  s->generation++;
  s->epochs = s->skip_count = s->other_count = 0;
  memset(s->groups, 0, sizeof s->groups);
  memset(s->last, 0, c->threads * sizeof *s->last);
  memset(c->thread, 0, c->threads * sizeof *c->thread);
  for (unsigned i = 0; i < c->threads; i++) c->thread[i].clock = 1;
  c->phase = 0;
  c->view = (sim_view){.thread = c->thread, .op = c->launch.check_op, .block = (uint32_t)c->block};
}

void sim_sync_free(sim_check *c) {
  free(c->steps);
}

// Takes over what the lanes of the last warp operation had seen; it is complete when the thread runs again.
static void settle(sim_check_thread *t) {
  if (!t->group) return;
  const uint32_t *seen = t->group->seen[t->group_side];
  for (int i = 0; i < SIM_LANES; i++)
    if (seen[i] > t->seen[i]) t->seen[i] = seen[i];
  t->group = NULL;
}

static place *place_of(sim_steps *s, uintptr_t pc, unsigned warp) {
  size_t i = (pc * 0x9e3779b97f4a7c15u >> 32 ^ warp * 0x9e37u) % PLACES;
  for (int tries = 0; tries < 16; tries++, i = (i + 1) % PLACES) {
    place *p = &s->places[i];
    if (p->generation != s->generation || (p->pc == pc && p->warp == warp)) return p;
  }
  return NULL;
}

void sim_sync_note_site(sim_check *c, uintptr_t pc) {
  sim_check_thread *t = &c->thread[c->running];
  settle(t);
  if (!sim_check_wants(SIM_CHECK_SYNC)) return;
  sim_steps *s = c->steps;
  const unsigned warp = (unsigned)c->running / SIM_LANES;
  place *p = place_of(s, pc, warp);
  s->time++;
  if (p && p->generation != s->generation)
    *p = (place){.pc = pc, .warp = warp, .generation = s->generation, .epoch = t->epoch};
  if (p) {
    p->time = s->time;
    if (t->epoch > p->epoch) p->epoch = t->epoch;
  }
  last_places *l = &s->last[c->running];
  for (unsigned i = 0; i < LAST && i < l->count; i++)
    if (l->pc[i] == pc) return;
  l->pc[l->count++ % LAST] = pc;
}

void sim_check_site(uintptr_t pc) {
  sim_check *c = sim_check_current;
  if (c && c->running >= 0 && !c->replays) c->thread[c->running].site = pc;
}

void sim_check_source(uintptr_t pc, unsigned mask, unsigned lane) {
  sim_check *c = sim_check_current;
  if (!c || c->replays || c->running < 0 || !sim_check_wants(SIM_CHECK_SYNC)) return;
  const sim_check_context where = sim_check_here(c, pc);
  sim_check_problem("warp-mask", &where, "takes the value of lane %u, which mask 0x%08x does not name", lane,
                    mask);
}

// ---------------------------------------------------------------- block barriers

static bool same_line(uintptr_t a, uintptr_t b) {
  static _Thread_local uintptr_t known_a, known_b;
  static _Thread_local bool answer;
  if (a == b) return true;
  if (a == known_a && b == known_b) return answer;
  char x[256], y[256];
  sim_line_name(a, x, sizeof x);
  sim_line_name(b, y, sizeof y);
  known_a = a;
  known_b = b;
  // Without line information the compiler's copies of one barrier cannot be told from two.
  answer = strcmp(x, y) == 0 || strncmp(x, "0x", 2) == 0;
  return answer;
}

void sim_check_barrier(int thread) {
  sim_check *c = sim_check_current;
  if (!c || c->replays) return;
  sim_check_thread *t = &c->thread[thread];
  sim_steps *s = c->steps;
  settle(t);
  const uint32_t epoch = t->epoch++;
  if (t->epoch > s->epochs) s->epochs = t->epoch;
  s->last[thread].count = 0;
  if (epoch >= SIM_MOST_EPOCHS || !sim_check_wants(SIM_CHECK_SYNC)) return;
  if (t->epoch == s->epochs && !s->barrier[epoch]) {
    s->barrier[epoch] = t->site;
    s->barrier_thread[epoch] = (uint16_t)thread;
  } else if (t->site != s->barrier[epoch] && s->other_count < MOST_OTHERS) {
    s->others[s->other_count++] = (other_barrier){(unsigned)thread, epoch, t->site};
  }
}

// Asked when the block has ended: finding lines takes more stack than a thread has.
static void find_different_barriers(sim_check *c) {
  const sim_steps *s = c->steps;
  for (unsigned i = 0; i < s->other_count; i++) {
    const other_barrier *o = &s->others[i];
    if (same_line(s->barrier[o->epoch], o->site)) continue;
    c->running = (int)o->thread;
    sim_check_context where = sim_check_here(c, o->site);
    const sim_index t = sim_check_thread_index(c, s->barrier_thread[o->epoch]);
    where.other_pc = s->barrier[o->epoch];
    where.tail = ": all threads of a block must come to the same one";
    sim_check_problem("divergent-barrier", &where,
                      "waits at this __syncthreads() while thread (%u,%u,%u) waits at another", t.x, t.y,
                      t.z);
  }
}

static bool others_went_on_here(sim_check *c, unsigned thread) {
  const last_places *l = &c->steps->last[thread];
  for (unsigned i = 0; i < LAST && i < l->count; i++)
    for (unsigned warp = 0; warp * SIM_LANES < c->threads; warp++) {
      const place *p = place_of(c->steps, l->pc[i], warp);
      if (p && p->generation == c->steps->generation && p->epoch > c->thread[thread].epoch) return true;
    }
  return false;
}

// Did the block, and so the thread, wait at this barrier in an earlier epoch?
static bool waited_here_before(const sim_steps *s, uint32_t epoch) {
  for (uint32_t i = 0; i < epoch; i++)
    if (s->barrier[i] == s->barrier[epoch]) return true;
  return false;
}

static void find_bypassed_barriers(sim_check *c) {
  const sim_steps *s = c->steps;
  for (unsigned i = 0; i < c->threads; i++) {
    const uint32_t epoch = c->thread[i].epoch;
    if (!s->last[i].ended || epoch >= s->epochs || epoch >= SIM_MOST_EPOCHS) continue;
    c->running = (int)i;
    sim_check_context where = sim_check_here(c, s->barrier[epoch]);
    const sim_index t = sim_check_thread_index(c, s->barrier_thread[epoch]);
    if (waited_here_before(s, epoch) || others_went_on_here(c, i)) {
      sim_check_problem(
          "divergent-barrier", &where,
          "goes around this __syncthreads(), at which thread (%u,%u,%u) waits: a barrier is for all "
          "threads of the block or for none",
          t.x, t.y, t.z);
    } else {
      where.warning = true;
      sim_check_problem("divergent-barrier", &where,
                        "ended before this __syncthreads(), at which thread (%u,%u,%u) waits: allowed from "
                        "compute capability 7.0 on, undefined before",
                        t.x, t.y, t.z);
    }
  }
}

// ---------------------------------------------------------------- warp operations

static sim_warp_group *group_of(sim_steps *s, unsigned warp, unsigned mask) {
  const unsigned count = s->groups[warp] < MOST_GROUPS ? s->groups[warp] : MOST_GROUPS;
  for (unsigned i = 0; i < count; i++)
    if (s->group[warp][i].mask == mask) return &s->group[warp][i];
  sim_warp_group *g = &s->group[warp][s->groups[warp]++ % MOST_GROUPS];
  memset(g, 0, sizeof *g);
  g->mask = mask;
  return g;
}

void sim_check_warp_op(int thread, unsigned mask) {
  sim_check *c = sim_check_current;
  if (!c || c->replays) return;
  sim_check_thread *t = &c->thread[thread];
  const unsigned lane = (unsigned)thread % SIM_LANES;
  settle(t);
  if (!(mask >> lane & 1) && sim_check_wants(SIM_CHECK_SYNC)) {
    const sim_check_context where = sim_check_here(c, t->site);
    sim_check_problem("warp-mask", &where,
                      "lane %u calls a warp operation with mask 0x%08x, which lacks its bit", lane, mask);
  }
  sim_warp_group *g = group_of(c->steps, (unsigned)thread / SIM_LANES, mask);
  if (g->arrived >> lane & 1) {
    g->side ^= 1;
    g->arrived = 0;
    memset(g->seen[g->side], 0, sizeof g->seen[g->side]);
  }
  for (int i = 0; i < SIM_LANES; i++)
    if (t->seen[i] > g->seen[g->side][i]) g->seen[g->side][i] = t->seen[i];
  g->seen[g->side][lane] = t->clock++;
  g->arrived |= 1u << lane;
  g->site = t->site;
  t->group = g;
  t->group_side = g->side;
}

void sim_check_exit(int thread) {
  sim_check *c = sim_check_current;
  if (!c || c->replays) return;
  sim_steps *s = c->steps;
  s->last[thread].ended = true;
  const unsigned warp = (unsigned)thread / SIM_LANES, lane = (unsigned)thread % SIM_LANES;
  const unsigned count = s->groups[warp] < MOST_GROUPS ? s->groups[warp] : MOST_GROUPS;
  for (unsigned i = 0; i < count; i++) {
    const sim_warp_group *g = &s->group[warp][i];
    bool waits = false;  // does a lane wait in this group?
    for (unsigned l = 0; l < SIM_LANES && warp * SIM_LANES + l < c->threads; l++)
      waits |= (g->arrived >> l & 1) && l != lane && c->thread[warp * SIM_LANES + l].group == g &&
               !s->last[warp * SIM_LANES + l].ended;
    if (!waits || !(g->mask >> lane & 1) || (g->arrived >> lane & 1) || s->skip_count == MOST_SKIPS) continue;
    s->skips[s->skip_count++] =
        (skip){.thread = (unsigned)thread, .mask = g->mask, .site = g->site, .time = s->time};
  }
}

static void find_skipped_operations(sim_check *c) {
  sim_steps *s = c->steps;
  for (unsigned i = 0; i < s->skip_count; i++) {
    const skip *k = &s->skips[i];
    const last_places *l = &s->last[k->thread];
    bool went_on = false;
    for (unsigned j = 0; j < LAST && j < l->count; j++) {
      const place *p = place_of(s, l->pc[j], k->thread / SIM_LANES);
      went_on |= p && p->generation == s->generation && p->pc == l->pc[j] && p->time > k->time;
    }
    if (!went_on) continue;
    c->running = (int)k->thread;
    const sim_check_context where = sim_check_here(c, k->site);
    sim_check_problem(
        "warp-mask", &where,
        "mask 0x%08x names lane %u, which does not come to this warp operation: it goes around it", k->mask,
        k->thread % SIM_LANES);
  }
}

void sim_sync_close(sim_check *c) {
  if (!phases.any_ended || c->phase < phases.ended_at ||
      (c->phase == phases.ended_at && c->block < phases.ended.block)) {
    phases.any_ended = true;
    phases.ended_at = c->phase;
    phases.ended = sim_check_here(c, 0);
  }
  if (!sim_check_wants(SIM_CHECK_SYNC)) return;
  find_different_barriers(c);
  find_bypassed_barriers(c);
  find_skipped_operations(c);
  for (uint32_t i = 0; i < c->steps->epochs && i < SIM_MOST_EPOCHS; i++) c->steps->barrier[i] = 0;
}

void sim_check_stuck(unsigned warps, const unsigned *barrier_waiters, const unsigned *warp_waiters) {
  sim_check *c = sim_check_current;
  if (!c || c->replays || !sim_check_wants(SIM_CHECK_SYNC)) return;
  for (unsigned warp = 0; warp < warps; warp++)
    for (unsigned lane = 0; lane < SIM_LANES; lane++) {
      const unsigned thread = warp * SIM_LANES + lane;
      if (thread >= c->threads) break;
      c->running = (int)thread;
      const sim_check_context where = sim_check_here(c, c->thread[thread].site);
      if (barrier_waiters[warp] >> lane & 1)
        sim_check_problem(
            "divergent-barrier", &where,
            "waits for ever at this __syncthreads(), to which other threads of the block never come");
      const sim_warp_group *g = c->thread[thread].group;
      if ((warp_waiters[warp] >> lane & 1) && g)
        sim_check_problem(
            "warp-mask", &where,
            "waits for ever in a warp operation with mask 0x%08x: of its lanes only 0x%08x come", g->mask,
            g->arrived);
    }
}

// ---------------------------------------------------------------- fences

void sim_check_fence(void) {
  sim_check *c = sim_check_current;
  if (!c || c->replays || c->running < 0) return;
  sim_check_thread *t = &c->thread[c->running];
  settle(t);
  t->fenced = true;
  t->fence_clock = t->clock++;
  t->fence_epoch = t->epoch;
  if (t->epoch + 1 > c->view.fence_epoch) c->view.fence_epoch = t->epoch + 1;
}

void sim_check_give(const void *at) {
  sim_check *c = sim_check_current;
  if (!c || c->replays || c->running < 0) return;
  sim_check_fence();
  sim_sync_release(&c->view, (unsigned)c->running, (uintptr_t)at);
}

void sim_check_take(const void *at) {
  sim_check *c = sim_check_current;
  if (!c || c->replays || c->running < 0) return;
  sim_sync_acquire(&c->view, (unsigned)c->running, (uintptr_t)at);
}
