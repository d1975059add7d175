// SPDX-License-Identifier: MIT
// Races: an access against what the memory's cells remember of earlier ones.
#include <stdio.h>
#include <string.h>

#include "check_block.h"

enum { WORD = 4 };
static const char BETWEEN_WARPS[] = ", with no __syncthreads() in between";
static const char IN_A_WARP[] = ", with no __syncwarp() in between: lanes of a warp do not run in step";
static const char BETWEEN_BLOCKS[] = ", in the same launch: blocks run in any order and at the same time";
static const char BETWEEN_STREAMS[] = " in another stream: no event or synchronization orders the two";

static const char *verb(unsigned flags) {
  return flags & SIM_CHECK_ATOMIC ? "updates atomically" : flags & SIM_CHECK_WRITE ? "writes" : "reads";
}

static const char *noun(unsigned flags) {
  return flags & SIM_CHECK_ATOMIC ? "atomic operation" : flags & SIM_CHECK_WRITE ? "write" : "read";
}

void sim_check_pending(sim_check *c) {
  sim_pending *p = &c->pending;
  p->open = false;
  if (memcmp((const void *)p->address, p->before, p->bytes) == 0) return;
  sim_check_problem(p->kind, &p->context, "%s", p->text);
}

static void conflict(sim_check *c, uintptr_t pc, const sim_stamp *s, uintptr_t address, size_t bytes,
                     unsigned flags, const sim_region *region, const sim_shared *shared) {
  sim_check_context where = sim_check_here(c, pc);
  where.other_pc = sim_pc_unpack(s->pc);
  const bool same_block = s->op == c->view.op && s->block == (uint32_t)c->block;
  const bool same_warp = same_block && s->thread / SIM_LANES == (unsigned)c->running / SIM_LANES;
  where.tail = s->op != c->view.op ? BETWEEN_STREAMS
               : !same_block       ? BETWEEN_BLOCKS
               : same_warp         ? IN_A_WARP
                                   : BETWEEN_WARPS;
  const sim_index t = sim_check_thread_index(c, s->thread);
  char who[160] = "", what[160];
  if (s->op != c->view.op) {
    snprintf(who, sizeof who, "kernel %s", sim_op_name(s->op));
  } else if (!same_block) {
    const sim_dim3 g = c->launch.grid;
    snprintf(who, sizeof who, "thread (%u,%u,%u) of block (%u,%u,%u)", t.x, t.y, t.z, s->block % g.x,
             s->block / g.x % g.y, s->block / g.x / g.y);
  } else {
    snprintf(who, sizeof who, "thread (%u,%u,%u)", t.x, t.y, t.z);
  }
  if (shared)
    snprintf(what, sizeof what, "offset %zu of a shared variable of %zu bytes",
             (size_t)(address - shared->base), shared->bytes);
  else
    snprintf(what, sizeof what, "0x%zx, offset %zu of the allocation of %zu bytes", (size_t)address,
             (size_t)(address - region->a.base), region->a.bytes);
  sim_pending *p = &c->pending;
  p->kind = shared ? "race-shared" : s->op != c->view.op ? "race-stream" : "race-global";
  p->context = where;
  snprintf(p->text, sizeof p->text, "%s of %zu bytes at %s, which %s %s", noun(flags), bytes, what, who,
           verb(s->flags));
  // The hook comes before the store. One that changes nothing (every thread sets the same flag) is harmless.
  const bool store = (flags & SIM_CHECK_WRITE) && !(flags & SIM_CHECK_ATOMIC) && bytes <= sizeof p->before;
  if (!store) {
    sim_check_problem(p->kind, &where, "%s", p->text);
    return;
  }
  p->address = address;
  p->bytes = bytes;
  memcpy(p->before, (const void *)address, bytes);
  p->open = true;
}

// Two atomics do not race, nor do a write and a look at a flag that both sides know to be one. A plain look
// at what others update atomically in global memory is taken for a hint that an atomic confirms.
static bool harmless(unsigned a, unsigned b, bool global) {
  const unsigned flag = SIM_CHECK_ATOMIC | SIM_CHECK_VOLATILE;
  if ((a & flag) && (b & flag)) return ((a | b) & SIM_CHECK_ATOMIC) || !(a & b & SIM_CHECK_WRITE);
  if (!global) return false;
  const bool a_plain_read = !(a & (SIM_CHECK_WRITE | SIM_CHECK_ATOMIC)),
             b_plain_read = !(b & (SIM_CHECK_WRITE | SIM_CHECK_ATOMIC));
  return (a_plain_read && (b & SIM_CHECK_ATOMIC)) || (b_plain_read && (a & SIM_CHECK_ATOMIC));
}

static bool same_thread(const sim_stamp *a, const sim_stamp *b) {
  return a->thread == b->thread && a->block == b->block && a->op == b->op;
}

// Earlier accesses to the same bytes have been held against the write and are forgotten.
static void remember_write(sim_cell *cell, const sim_stamp *now) {
  sim_stamp *at = cell->at;
  for (int i = 0; i < SIM_CELL_STAMPS; i++)
    if (!(at[i].mask & ~now->mask)) at[i].op = 0;
  if (at[0].op) {
    at[2] = at[1];
    at[1] = at[0];
  }
  at[0] = *now;
}

static void remember_read(sim_cell *cell, const sim_stamp *now) {
  sim_stamp *at = cell->at;
  for (int i = 1; i < SIM_CELL_STAMPS; i++) {
    if (at[i].op && !(same_thread(&at[i], now) && !(at[i].mask & ~now->mask))) continue;
    at[i] = *now;
    return;
  }
  at[2] = at[1];
  at[1] = *now;
}

// What the access conflicts with, or NULL.
static const sim_stamp *check_word(const sim_check *c, sim_cell *cell, const sim_stamp *now,
                                   const sim_region *region) {
  for (int i = 0; i < SIM_CELL_STAMPS; i++) {
    sim_stamp *s = &cell->at[i];
    if (!s->op) continue;
    if (!region && (s->op != now->op || s->block != now->block)) {  // of an earlier block
      s->op = 0;
      continue;
    }
    if (same_thread(s, now) || !(s->mask & now->mask) || !((s->flags | now->flags) & SIM_CHECK_WRITE) ||
        harmless(s->flags, now->flags, region != NULL) || sim_ordered(&c->view, now->thread, s))
      continue;
    return s;
  }
  return NULL;
}

void sim_check_race(sim_check *c, uintptr_t pc, sim_cell *cells, uintptr_t base, uintptr_t address,
                    size_t bytes, unsigned flags, const sim_region *region, const sim_shared *shared) {
  const sim_check_thread *t = &c->thread[c->running];
  sim_stamp now = {.pc = sim_pc_pack(pc),
                   .op = c->view.op,
                   .block = (uint32_t)c->block,
                   .clock = t->clock,
                   .epoch = t->epoch,
                   .thread = (uint16_t)c->running,
                   .flags = (uint8_t)flags};
  const size_t from = address - base, end = from + bytes;
  bool found = false;
  for (size_t word = from / WORD; word * WORD < end; word++) {
    const size_t first = word * WORD < from ? from - word * WORD : 0,
                 last = end - word * WORD < WORD ? end - word * WORD : WORD;
    now.mask = (uint8_t)(((1u << last) - 1) & ~((1u << first) - 1));
    sim_cell *cell = &cells[word];
    // The loop's usual case: the thread reads what it wrote itself, and nothing has ordered others behind
    // that write but not behind this read.
    const bool own_write = same_thread(&cell->at[0], &now) && cell->at[0].epoch == now.epoch &&
                           cell->at[0].clock == now.clock && !(now.mask & ~cell->at[0].mask) &&
                           !(cell->at[0].flags & (SIM_CHECK_ATOMIC | SIM_CHECK_VOLATILE));
    if (own_write && !(flags & SIM_CHECK_WRITE)) continue;
    const sim_stamp *with = found ? NULL : check_word(c, cell, &now, region);
    if (with) {
      found = true;
      conflict(c, pc, with, address, bytes, flags, region, shared);
    }
    if (flags & SIM_CHECK_WRITE)
      remember_write(cell, &now);
    else
      remember_read(cell, &now);
  }
}
