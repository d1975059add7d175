// SPDX-License-Identifier: MIT
// Warp requests rebuilt from the accesses of single threads.
//
// A block's threads run one after the other, so a warp's 32 accesses of one instruction arrive far apart.
// They are joined by their place in the program: the k-th execution of an access site by each lane of a warp
// between two barriers is one request. A request is counted and forgotten as soon as all lanes have joined
// it; what is left (divergent lanes, and shared loads, whose merging needs the order of a whole epoch) is
// counted when the warp's next epoch starts, when its last thread exits, or when the block is closed.
#include <stdlib.h>
#include <string.h>

#include "trace.h"

uint32_t sim_warp_lanes(const sim_trace *t, int warp) {
  int lanes = t->threads - warp * LANES;
  return lanes >= LANES ? UINT32_MAX : (1u << lanes) - 1;
}

void sim_flush_warp(sim_trace *t, int warp) {
  request_list *lists = t->list + (size_t)warp * t->site_capacity;
  for (uint32_t s = 0; s < t->site_count; s++) {
    for (uint32_t k = 0; k < lists[s].count; k++) {
      if (lists[s].slot[k] != NO_SLOT) sim_count_request(t, &t->pool[lists[s].slot[k]]);
    }
  }
  sim_merge_shared_loads(t, &t->shared_loads[warp]);
  t->shared_loads[warp].count = 0;
  for (uint32_t s = 0; s < t->site_count; s++) {
    for (uint32_t k = 0; k < lists[s].count; k++) {
      if (lists[s].slot[k] != NO_SLOT) sim_push_slot(&t->free_slots, lists[s].slot[k]);
    }
    lists[s].count = 0;
  }
}

static int32_t new_slot(sim_trace *t) {
  if (t->free_slots.count) return t->free_slots.slot[--t->free_slots.count];
  if (t->pool_count == t->pool_capacity) {
    t->pool_capacity = t->pool_capacity ? t->pool_capacity * 2 : 1024;
    t->pool = sim_grow(t->pool, t->pool_capacity, sizeof *t->pool);
  }
  return (int32_t)t->pool_count++;
}

static int32_t request_of(sim_trace *t, int warp, uint32_t site, uint32_t k, uint32_t order, int allocation) {
  request_list *list = &t->list[(size_t)warp * t->site_capacity + site];
  if (k < list->count) return list->slot[k];
  if (list->count == list->capacity) {
    list->capacity = list->capacity ? list->capacity * 2 : 8;
    list->slot = sim_grow(list->slot, list->capacity, sizeof *list->slot);
  }
  int32_t slot = new_slot(t);
  request *r = &t->pool[slot];
  r->lanes.mask = 0;
  r->site = site;
  r->warp = warp;
  r->k = k;
  r->order = order;
  r->allocation = allocation;
  list->slot[list->count++] = slot;
  const sim_site *s = &t->site[site];
  if (s->space == SIM_SPACE_SHARED && s->access == SIM_LOAD) sim_push_slot(&t->shared_loads[warp], slot);
  return slot;
}

// ---------------------------------------------------------------- sites, address spaces, epochs

static void grow_sites(sim_trace *t) {
  uint32_t old = t->site_capacity, capacity = old ? old * 2 : 64;
  t->site = sim_grow_zeroed(t->site, old, capacity, sizeof *t->site);
  uint32_t *executions = sim_grow_zeroed(NULL, 0, (size_t)t->thread_capacity * capacity, sizeof *executions);
  request_list *list = sim_grow_zeroed(NULL, 0, (size_t)t->thread_capacity / LANES * capacity, sizeof *list);
  for (int i = 0; i < t->thread_capacity && old; i++) {
    memcpy(executions + (size_t)i * capacity, t->executions + (size_t)i * old, old * sizeof *executions);
  }
  for (int i = 0; i < t->thread_capacity / LANES && old; i++) {
    memcpy(list + (size_t)i * capacity, t->list + (size_t)i * old, old * sizeof *list);
  }
  free(t->executions);
  free(t->list);
  t->executions = executions;
  t->list = list;
  t->site_capacity = capacity;
}

// Out of line, so that the usual case needs no room on the stack.
static __attribute__((noinline)) uint32_t look_up_site(sim_trace *t, uint64_t key, const sim_site *site) {
  bool fresh;
  uint32_t *at = sim_table_at(&t->site_index, key, &fresh);
  if (fresh) {
    *at = t->site_count;
    if (t->site_count == t->site_capacity) grow_sites(t);
    t->site[t->site_count++] = *site;
  }
  t->recent_site[sim_mix(key) % RECENT] = (recent_key){key, *at};
  return *at;
}

static uint32_t site_of(sim_trace *t, uintptr_t pc, enum sim_space space, enum sim_access access,
                        size_t bytes) {
  uint64_t key = (uint64_t)pc << 9 | (uint64_t)space << 7 | (uint64_t)access << 5 | bytes;
  const recent_key *recent = &t->recent_site[sim_mix(key) % RECENT];
  if (recent->key == key) return recent->value;
  const sim_site site = {.pc = pc, .space = space, .access = access, .bytes = (unsigned)bytes};
  return look_up_site(t, key, &site);
}

static enum sim_space space_of(sim_trace *t, const void *pointer, int *allocation) {
  uintptr_t address = (uintptr_t)pointer;
  for (int i = 0; i < t->shared_count; i++) {
    if (address >= t->shared[i].base && address < t->shared[i].end) return SIM_SPACE_SHARED;
  }
  const sim_allocation *last = &t->allocation[t->allocation_last].allocation;
  if (t->allocation_count && address - last->base < last->bytes) {
    *allocation = t->allocation_last;
    return SIM_SPACE_GLOBAL;
  }
  for (int i = 0; i < t->allocation_count; i++) {
    if (address - t->allocation[i].allocation.base < t->allocation[i].allocation.bytes) {
      *allocation = t->allocation_last = i;
      return SIM_SPACE_GLOBAL;
    }
  }
  uintptr_t piece = address >> 8, *other = &t->recent_other[piece % RECENT];
  if (*other == piece) return SIM_SPACE_OTHER;
  sim_allocation found;
  if (!sim_memory_find(pointer, &found)) {
    *other = piece;
    return SIM_SPACE_OTHER;
  }
  // A block that touches more allocations than we keep apart has the rest counted into the last one.
  if (t->allocation_count < MOST_ALLOCATIONS)
    t->allocation[t->allocation_count++] = (touched){.allocation = found};
  *allocation = t->allocation_last = t->allocation_count - 1;
  return SIM_SPACE_GLOBAL;
}

void sim_mark_epoch(sim_trace *t, uint32_t epoch, uint8_t flags, uint32_t chain) {
  if (epoch >= t->epoch_capacity) {
    size_t capacity = t->epoch_capacity ? t->epoch_capacity : 64;
    while (capacity <= epoch) capacity *= 2;
    t->epoch_flags = sim_grow_zeroed(t->epoch_flags, t->epoch_capacity, capacity, sizeof *t->epoch_flags);
    t->epoch_chain = sim_grow_zeroed(t->epoch_chain, t->epoch_capacity, capacity, sizeof *t->epoch_chain);
    t->epoch_serial = sim_grow_zeroed(t->epoch_serial, t->epoch_capacity, capacity, sizeof *t->epoch_serial);
    t->epoch_span = sim_grow_zeroed(t->epoch_span, t->epoch_capacity, capacity, sizeof *t->epoch_span);
    t->epoch_capacity = capacity;
  }
  if (epoch >= t->epoch_count) t->epoch_count = epoch + 1;
  t->epoch_flags[epoch] |= flags;
  if (chain > t->epoch_chain[epoch]) t->epoch_chain[epoch] = chain;
}

// ---------------------------------------------------------------- chains of loads

static int64_t value_at(uintptr_t address, size_t bytes) {
  int64_t wide = 0;
  int32_t narrow = 0;
  if (bytes == sizeof wide) {
    memcpy(&wide, (const void *)address, sizeof wide);
    return wide;
  }
  memcpy(&narrow, (const void *)address, sizeof narrow);
  return narrow;
}

// A pointer: the address lies at most a structure behind the value. An index: values and addresses move in
// proportion, and not all by the same step, which a plain walk over numbered elements does, too.
static bool comes_from(const request_list *list, uintptr_t address, int64_t value, size_t bytes) {
  enum { STRUCTURE = 4096, ELEMENT = 256 };
  if (bytes == sizeof(void *) && address - (uintptr_t)value < STRUCTURE) return true;
  const int64_t step = (int64_t)(address - list->last), value_step = value - list->last_value;
  if (!value_step || step == list->last_step || step % value_step) return false;
  return step / value_step > 0 && step / value_step <= ELEMENT;
}

static void follow_chain(sim_trace *t, int warp, uint32_t site, uint32_t k, uint32_t epoch,
                         uintptr_t address) {
  request_list *list = &t->list[(size_t)warp * t->site_capacity + site];
  const size_t bytes = t->site[site].bytes;
  if (bytes != 4 && bytes != 8) return;
  if (k == 0) {
    list->dependent = 0;
    list->last_value = list->last_step = 0;
  } else {
    const int64_t value = value_at(list->last, bytes);
    list->dependent += comes_from(list, address, value, bytes);
    list->last_value = value;
    list->last_step = (intptr_t)(address - list->last);
    if (4 * list->dependent > 3 * k && k > t->epoch_serial[epoch]) t->epoch_serial[epoch] = k;
  }
  list->last = address;
}

// ---------------------------------------------------------------- one access

// Most accesses tell nothing new of their epoch.
static inline void mark_epoch(sim_trace *t, uint32_t epoch, uint8_t flags, uint32_t chain) {
  if (epoch < t->epoch_count && chain <= t->epoch_chain[epoch])
    t->epoch_flags[epoch] |= flags;
  else
    sim_mark_epoch(t, epoch, flags, chain);
}

void sim_join_access(sim_trace *t, int thread, uintptr_t pc, const void *address, size_t bytes,
                     enum sim_access access) {
  int warp = thread / LANES, lane = thread % LANES, allocation = 0;
  enum sim_space space = space_of(t, address, &allocation);
  if (space == SIM_SPACE_OTHER) return;
  t->accesses++;
  uint32_t site = site_of(t, pc, space, access, bytes), epoch = t->thread_epoch[thread];
  if (t->warp_epoch[warp] != epoch) {
    sim_flush_warp(t, warp);
    t->warp_epoch[warp] = epoch;
  }
  uint32_t k = t->executions[(size_t)thread * t->site_capacity + site]++;
  if (t->block_count) {
    t->block_touches[t->thread_block[thread]] |= space == SIM_SPACE_GLOBAL ? BLOCK_GLOBAL : BLOCK_SHARED;
  }
  uint8_t flags = EPOCH_SHARED;
  if (space == SIM_SPACE_GLOBAL) flags = access == SIM_STORE ? EPOCH_GLOBAL : EPOCH_GLOBAL | EPOCH_LOADS;
  const bool waits = flags & EPOCH_LOADS && !t->copies[thread].copying;
  mark_epoch(t, epoch, flags, waits ? k + 1 : 0);
  if (lane == 0 && waits && access == SIM_LOAD) follow_chain(t, warp, site, k, epoch, (uintptr_t)address);
  int32_t slot = request_of(t, warp, site, k, t->thread_order[thread], allocation);
  request *r = &t->pool[slot];
  r->lanes.address[lane] = (uintptr_t)address;
  r->lanes.mask |= 1u << lane;
  if (t->thread_order[thread] < r->order) r->order = t->thread_order[thread];
  t->thread_order[thread]++;
  bool keep = space == SIM_SPACE_SHARED && access == SIM_LOAD;
  if (!keep && r->lanes.mask == sim_warp_lanes(t, warp)) {
    sim_count_request(t, r);
    t->list[(size_t)warp * t->site_capacity + site].slot[k] = NO_SLOT;
    sim_push_slot(&t->free_slots, slot);
  }
}
