// SPDX-License-Identifier: MIT
// The log of one traced block, and the warp requests rebuilt from it.
//
// A block's threads run one after the other, so a warp's 32 accesses of one instruction arrive far apart.
// They are joined by their place in the program: the k-th execution of an access site by each lane of a warp
// between two barriers is one request. A request is counted and forgotten as soon as all lanes have joined
// it; what is left (divergent lanes, and shared loads, whose merging needs the order of a whole epoch) is
// counted when the warp's next epoch starts, when its last thread exits, or when the block is closed.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "observe.h"

enum { LANES = SIM_LANES, SECTOR = 32, MOST_RANGES = 64, MOST_ALLOCATIONS = 64, NO_SLOT = -1 };
// Shared loads further apart than this many accesses of one thread are not merged: registers are finite.
enum { MERGE_WINDOW = 80 };

typedef struct request {
  sim_request lanes;
  uint32_t site;
  uint32_t order;  // of the first lane to join: how many accesses that thread had made in this epoch
  int allocation;  // index into sim_trace.allocation, for global requests
} request;

typedef struct request_list {  // of one site and warp: slot[k] is the request of the k-th execution
  int32_t *slot;
  uint32_t count, capacity;
} request_list;

typedef struct slot_vector {
  int32_t *slot;
  size_t count, capacity;
} slot_vector;

typedef struct range {
  uintptr_t base, end;
} range;

typedef struct key_table {  // open addressing; key 0 is empty
  uint64_t *key;
  uint32_t *value;
  size_t capacity, count;
} key_table;

// The last lookups, by the low bits of the key: a loop repeats a handful of addresses.
enum { RECENT = 256 };
typedef struct recent_key {
  uint64_t key;
  uint32_t value;
} recent_key;

typedef struct touched {  // an allocation used by the block
  sim_allocation allocation;
  uint64_t load_sectors, store_sectors;  // distinct
} touched;

struct sim_trace {
  sim_launch launch;
  uint64_t block;
  sim_counters sum;
  int threads, warps, thread;
  const void *function;  // whose sites and basic blocks the tables hold

  range shared[MOST_RANGES];
  int shared_count;
  touched allocation[MOST_ALLOCATIONS];
  int allocation_count, allocation_last;

  sim_site *site;
  uint32_t site_count, site_capacity;
  key_table site_index;
  recent_key recent_site[RECENT], recent_block[RECENT];
  uint32_t *executions;       // [thread][site], within the thread's epoch
  request_list *list;         // [warp][site]
  slot_vector *shared_loads;  // [warp], in the order of the first lane
  request *pool;
  slot_vector free_slots;
  size_t pool_count, pool_capacity;

  uint32_t *thread_epoch, *thread_order;               // [thread]
  uint32_t *warp_epoch, *warp_exited, *warp_barriers;  // [warp]
  int thread_capacity;

  sim_block_work *block_work;  // of each basic block
  uint32_t block_count, block_capacity;
  key_table block_index;
  uint32_t *block_executions;  // [thread][basic block]

  uint8_t *epoch_flags;   // [epoch]: EPOCH_GLOBAL | EPOCH_SHARED | EPOCH_LOADS
  uint32_t *epoch_chain;  // [epoch]: most executions of one global load site by one thread
  size_t epoch_capacity, epoch_count;

  struct {  // an atomic that the executor announced and whose hook has not come yet, or has
    const void *address;
    uintptr_t pc;
    size_t bytes;
    int thread;
    bool open, counted;
  } noted;
  unsigned warp_op_lanes[LANES];  // [warp]: lanes that have joined the warp operation under way

  key_table sectors, hot;  // distinct sectors of the block; atomics per address
  size_t frame;
};
enum { EPOCH_GLOBAL = 1, EPOCH_SHARED = 2, EPOCH_LOADS = 4 };

_Thread_local sim_trace *sim_trace_current __attribute__((tls_model("initial-exec")));
static _Thread_local sim_trace *own;
static pthread_key_t own_key;
static pthread_once_t own_once = PTHREAD_ONCE_INIT;

// ---------------------------------------------------------------- memory and tables

static void *grow(void *old, size_t count, size_t size) {
  void *memory = realloc(old, count * size);
  if (!memory) {
    fprintf(stderr, "cusim: out of memory while tracing a block (%zu bytes); set CUSIM_TRACE=off\n",
            count * size);
    exit(1);
  }
  return memory;
}

static void *grow_zeroed(void *old, size_t old_count, size_t count, size_t size) {
  char *memory = grow(old, count, size);
  memset(memory + old_count * size, 0, (count - old_count) * size);
  return memory;
}

static size_t mix(uint64_t key) {
  key *= 0x9e3779b97f4a7c15u;
  return (size_t)(key ^ key >> 29);
}

static void table_clear(key_table *table) {
  if (table->count) memset(table->key, 0, table->capacity * sizeof *table->key);
  table->count = 0;
}

// The value of a key, which is made with value 0 if it is new.
static uint32_t *table_at(key_table *table, uint64_t key, bool *fresh) {
  if (table->count * 2 >= table->capacity) {
    key_table old = *table;
    table->capacity = old.capacity ? old.capacity * 2 : 1024;
    table->key = grow_zeroed(NULL, 0, table->capacity, sizeof *table->key);
    table->value = grow(NULL, table->capacity, sizeof *table->value);
    table->count = 0;
    for (size_t i = 0; i < old.capacity; i++) {
      if (old.key[i]) *table_at(table, old.key[i], &(bool){false}) = old.value[i];
    }
    free(old.key);
    free(old.value);
  }
  size_t i = mix(key) & (table->capacity - 1);
  while (table->key[i] && table->key[i] != key) i = (i + 1) & (table->capacity - 1);
  *fresh = !table->key[i];
  if (*fresh) {
    table->key[i] = key;
    table->value[i] = 0;
    table->count++;
  }
  return &table->value[i];
}

static void push_slot(slot_vector *vector, int32_t slot) {
  if (vector->count == vector->capacity) {
    vector->capacity = vector->capacity ? vector->capacity * 2 : 64;
    vector->slot = grow(vector->slot, vector->capacity, sizeof *vector->slot);
  }
  vector->slot[vector->count++] = slot;
}

// ---------------------------------------------------------------- counting a request

static void add_model_request(sim_trace *t, unsigned cycles) {
  t->sum.model_requests++;
  t->sum.model_lsu32 += cycles > 1 ? cycles : 1;
  t->sum.model_lsu16 += cycles > 2 ? cycles : 2;
}

static void count_unique(sim_trace *t, const request *r, const uintptr_t *sector, unsigned count,
                         bool store) {
  for (unsigned i = 0; i < count; i++) {
    bool fresh;
    table_at(&t->sectors, (uint64_t)sector[i] << 1 | store, &fresh);
    if (!fresh) continue;
    touched *a = &t->allocation[r->allocation];
    if (store) {
      t->sum.unique_st_sectors++;
      a->store_sectors++;
    } else {
      t->sum.unique_ld_sectors++;
      a->load_sectors++;
    }
  }
}

static void count_hot(sim_trace *t, const request *r) {
  for (int lane = 0; lane < LANES; lane++) {
    bool fresh;
    if (r->lanes.mask >> lane & 1) ++*table_at(&t->hot, r->lanes.address[lane], &fresh);
  }
}

static void count_global(sim_trace *t, const request *r, sim_site *site) {
  uintptr_t unit[LANES * 2 + 1];
  unsigned sectors = sim_request_units(&r->lanes, site->bytes, 5, unit), ideal,
           waves = sim_request_wavefronts(&r->lanes, site->bytes, &ideal);
  count_unique(t, r, unit, sectors, site->access != SIM_LOAD);
  site->sectors += sectors;
  site->wavefronts += waves;
  site->ideal += ideal;
  uint64_t useful = (uint64_t)__builtin_popcount(r->lanes.mask) * site->bytes;
  sim_counters *c = &t->sum;
  switch (site->access) {
    case SIM_LOAD:
      c->ld_requests++;
      c->ld_sectors += sectors;
      c->ld_bytes += useful;
      c->ld_wavefronts += waves;
      break;
    case SIM_STORE:
      c->st_requests++;
      c->st_sectors += sectors;
      c->st_bytes += useful;
      c->st_wavefronts += waves;
      c->st_lines += sim_request_units(&r->lanes, site->bytes, 7, unit);
      break;
    case SIM_ATOMIC:
      c->atom_requests++;
      c->atom_sectors += sectors;
      c->atom_degree += sim_request_degree(&r->lanes);
      count_hot(t, r);
      break;
  }
  add_model_request(t, sim_request_paired_wavefronts(&r->lanes, site->bytes));
}

static void count_shared(sim_trace *t, const request *r, sim_site *site) {
  unsigned ideal, waves = sim_request_wavefronts(&r->lanes, site->bytes, &ideal);
  site->wavefronts += waves;
  site->ideal += ideal;
  sim_counters *c = &t->sum;
  if (site->access == SIM_LOAD) {
    c->shld_requests++;
    c->shld_wavefronts += waves;
    c->shld_ideal += ideal;
    return;  // the model's share is added by merge_shared_loads
  }
  if (site->access == SIM_STORE) {
    c->shst_requests++;
    c->shst_wavefronts += waves;
    c->shst_ideal += ideal;
    add_model_request(t, sim_request_paired_wavefronts(&r->lanes, site->bytes));
    return;
  }
  unsigned degree = sim_request_degree(&r->lanes);
  c->shatom_requests++;
  c->shatom_degree += degree;
  add_model_request(t, degree > waves ? degree : waves);
}

static void count_request(sim_trace *t, const request *r) {
  sim_site *site = &t->site[r->site];
  unsigned lanes = (unsigned)__builtin_popcount(r->lanes.mask);
  site->requests++;
  site->lanes += lanes;
  t->sum.active_lanes += lanes;
  t->sum.active_slots += LANES;
  if (site->space == SIM_SPACE_GLOBAL)
    count_global(t, r, site);
  else
    count_shared(t, r, site);
}

// ---------------------------------------------------------------- merging adjacent shared loads

typedef struct merge_group {  // loads of the words of one 16-byte chunk per lane
  uint32_t first_order;
  unsigned words;  // bit w: the chunk's word w is loaded
  int32_t slot;    // any request of the group
} merge_group;

static void add_merged(sim_trace *t, const merge_group *group, unsigned word, unsigned bytes) {
  request r = t->pool[group->slot];
  for (int lane = 0; lane < LANES; lane++)
    r.lanes.address[lane] = (r.lanes.address[lane] & ~(uintptr_t)15) + 4 * word;
  add_model_request(t, sim_request_paired_wavefronts(&r.lanes, bytes));
}

// One 16-byte load, or 8-byte loads for aligned pairs and 4-byte loads for the rest: what nvcc makes of them.
static void close_group(sim_trace *t, const merge_group *group) {
  if (group->words == 15) {
    add_merged(t, group, 0, 16);
    return;
  }
  for (unsigned pair = 0; pair < 4; pair += 2) {
    unsigned words = group->words >> pair & 3;
    if (words == 3)
      add_merged(t, group, pair, 8);
    else if (words)
      add_merged(t, group, words == 1 ? pair : pair + 1, 4);
  }
}

static bool mergeable(const request *r, unsigned bytes, unsigned *word) {
  if (bytes != 4) return false;
  uintptr_t offset = r->lanes.address[__builtin_ctz(r->lanes.mask)] & 15;
  if (offset % 4) return false;
  for (int lane = 0; lane < LANES; lane++) {
    if ((r->lanes.mask >> lane & 1) && (r->lanes.address[lane] & 15) != offset) return false;
  }
  *word = (unsigned)offset / 4;
  return true;
}

static uint64_t chunk_key(const request *r) {
  uint64_t key = r->lanes.mask;
  for (int lane = 0; lane < LANES; lane++) {
    if (r->lanes.mask >> lane & 1)
      key = (key ^ r->lanes.address[lane] >> 4) * 0x100000001b3u + (uint64_t)lane;
  }
  return key ? key : 1;
}

// Hands the shared loads of one warp and epoch to the model, the mergeable ones as the wide loads nvcc would
// emit.
static void merge_shared_loads(sim_trace *t, slot_vector *loads) {
  if (!loads->count) return;
  merge_group *group = grow_zeroed(NULL, 0, loads->count, sizeof *group);
  size_t groups = 0;
  key_table open = {0};
  for (size_t i = 0; i < loads->count; i++) {
    const request *r = &t->pool[loads->slot[i]];
    unsigned word = 0;
    if (!mergeable(r, t->site[r->site].bytes, &word)) {
      add_model_request(t, sim_request_paired_wavefronts(&r->lanes, t->site[r->site].bytes));
      continue;
    }
    bool fresh = true;
    uint32_t *at = table_at(&open, chunk_key(r), &fresh);
    bool joins =
        !fresh && r->order - group[*at].first_order <= MERGE_WINDOW && !(group[*at].words >> word & 1);
    if (!joins) {
      *at = (uint32_t)groups;
      group[groups++] = (merge_group){.first_order = r->order, .slot = loads->slot[i]};
    }
    group[*at].words |= 1u << word;
  }
  for (size_t i = 0; i < groups; i++) close_group(t, &group[i]);
  free(group);
  free(open.key);
  free(open.value);
}

// ---------------------------------------------------------------- requests of a warp

static uint32_t warp_lanes(const sim_trace *t, int warp) {
  int lanes = t->threads - warp * LANES;
  return lanes >= LANES ? UINT32_MAX : (1u << lanes) - 1;
}

static void flush_warp(sim_trace *t, int warp) {
  request_list *lists = t->list + (size_t)warp * t->site_capacity;
  for (uint32_t s = 0; s < t->site_count; s++) {
    for (uint32_t k = 0; k < lists[s].count; k++) {
      if (lists[s].slot[k] != NO_SLOT) count_request(t, &t->pool[lists[s].slot[k]]);
    }
  }
  merge_shared_loads(t, &t->shared_loads[warp]);
  t->shared_loads[warp].count = 0;
  for (uint32_t s = 0; s < t->site_count; s++) {
    for (uint32_t k = 0; k < lists[s].count; k++) {
      if (lists[s].slot[k] != NO_SLOT) push_slot(&t->free_slots, lists[s].slot[k]);
    }
    lists[s].count = 0;
  }
}

static int32_t new_slot(sim_trace *t) {
  if (t->free_slots.count) return t->free_slots.slot[--t->free_slots.count];
  if (t->pool_count == t->pool_capacity) {
    t->pool_capacity = t->pool_capacity ? t->pool_capacity * 2 : 1024;
    t->pool = grow(t->pool, t->pool_capacity, sizeof *t->pool);
  }
  return (int32_t)t->pool_count++;
}

static int32_t request_of(sim_trace *t, int warp, uint32_t site, uint32_t k, uint32_t order, int allocation) {
  request_list *list = &t->list[(size_t)warp * t->site_capacity + site];
  if (k < list->count) return list->slot[k];
  if (list->count == list->capacity) {
    list->capacity = list->capacity ? list->capacity * 2 : 8;
    list->slot = grow(list->slot, list->capacity, sizeof *list->slot);
  }
  int32_t slot = new_slot(t);
  request *r = &t->pool[slot];
  r->lanes.mask = 0;
  r->site = site;
  r->order = order;
  r->allocation = allocation;
  list->slot[list->count++] = slot;
  const sim_site *s = &t->site[site];
  if (s->space == SIM_SPACE_SHARED && s->access == SIM_LOAD) push_slot(&t->shared_loads[warp], slot);
  return slot;
}

// ---------------------------------------------------------------- sites, address spaces, epochs

static void grow_sites(sim_trace *t) {
  uint32_t old = t->site_capacity, capacity = old ? old * 2 : 64;
  t->site = grow_zeroed(t->site, old, capacity, sizeof *t->site);
  uint32_t *executions = grow_zeroed(NULL, 0, (size_t)t->thread_capacity * capacity, sizeof *executions);
  request_list *list = grow_zeroed(NULL, 0, (size_t)t->thread_capacity / LANES * capacity, sizeof *list);
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

static uint32_t site_of(sim_trace *t, uintptr_t pc, enum sim_space space, enum sim_access access,
                        size_t bytes) {
  uint64_t key = (uint64_t)pc << 9 | (uint64_t)space << 7 | (uint64_t)access << 5 | bytes;
  recent_key *recent = &t->recent_site[mix(key) % RECENT];
  if (recent->key == key) return recent->value;
  bool fresh;
  uint32_t *at = table_at(&t->site_index, key, &fresh);
  *recent = (recent_key){key, fresh ? t->site_count : *at};
  if (!fresh) return *at;
  *at = t->site_count;
  if (t->site_count == t->site_capacity) grow_sites(t);
  t->site[t->site_count] = (sim_site){.pc = pc, .space = space, .access = access, .bytes = (unsigned)bytes};
  return t->site_count++;
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
  sim_allocation found;
  if (!sim_memory_find(pointer, &found)) return SIM_SPACE_OTHER;
  // A block that touches more allocations than we keep apart has the rest counted into the last one.
  if (t->allocation_count < MOST_ALLOCATIONS)
    t->allocation[t->allocation_count++] = (touched){.allocation = found};
  *allocation = t->allocation_last = t->allocation_count - 1;
  return SIM_SPACE_GLOBAL;
}

static void mark_epoch(sim_trace *t, uint32_t epoch, uint8_t flags, uint32_t chain) {
  if (epoch >= t->epoch_capacity) {
    size_t capacity = t->epoch_capacity ? t->epoch_capacity : 64;
    while (capacity <= epoch) capacity *= 2;
    t->epoch_flags = grow_zeroed(t->epoch_flags, t->epoch_capacity, capacity, sizeof *t->epoch_flags);
    t->epoch_chain = grow_zeroed(t->epoch_chain, t->epoch_capacity, capacity, sizeof *t->epoch_chain);
    t->epoch_capacity = capacity;
  }
  if (epoch >= t->epoch_count) t->epoch_count = epoch + 1;
  t->epoch_flags[epoch] |= flags;
  if (chain > t->epoch_chain[epoch]) t->epoch_chain[epoch] = chain;
}

// ---------------------------------------------------------------- events

static void count_access(sim_trace *t, int thread, uintptr_t pc, const void *address, size_t bytes,
                         enum sim_access access) {
  int warp = thread / LANES, lane = thread % LANES, allocation = 0;
  enum sim_space space = space_of(t, address, &allocation);
  if (space == SIM_SPACE_OTHER) return;
  uint32_t site = site_of(t, pc, space, access, bytes), epoch = t->thread_epoch[thread];
  if (t->warp_epoch[warp] != epoch) {
    flush_warp(t, warp);
    t->warp_epoch[warp] = epoch;
  }
  uint32_t k = t->executions[(size_t)thread * t->site_capacity + site]++;
  uint8_t flags = EPOCH_SHARED;
  if (space == SIM_SPACE_GLOBAL) flags = access == SIM_STORE ? EPOCH_GLOBAL : EPOCH_GLOBAL | EPOCH_LOADS;
  mark_epoch(t, epoch, flags, flags & EPOCH_LOADS ? k + 1 : 0);
  int32_t slot = request_of(t, warp, site, k, t->thread_order[thread], allocation);
  request *r = &t->pool[slot];
  r->lanes.address[lane] = (uintptr_t)address;
  r->lanes.mask |= 1u << lane;
  t->thread_order[thread]++;
  bool keep = space == SIM_SPACE_SHARED && access == SIM_LOAD;
  if (!keep && r->lanes.mask == warp_lanes(t, warp)) {
    count_request(t, r);
    t->list[(size_t)warp * t->site_capacity + site].slot[k] = NO_SLOT;
    push_slot(&t->free_slots, slot);
  }
}

// An announced atomic counts once, whether it is inline code that calls our hooks (then with the line of the
// first one: the rest are retries of a compare-and-swap loop) or a library function that doesn't.
static void resolve_noted(sim_trace *t) {
  bool count = t->noted.open && !t->noted.counted;
  t->noted.open = false;
  if (count) count_access(t, t->noted.thread, t->noted.pc, t->noted.address, t->noted.bytes, SIM_ATOMIC);
}

void sim_trace_atomic(int thread, const void *address, size_t bytes) {
  sim_trace *t = sim_trace_current;
  if (!t) return;
  resolve_noted(t);
  t->noted.open = true;
  t->noted.counted = false;
  t->noted.thread = thread;
  t->noted.pc = (uintptr_t)__builtin_return_address(0);
  t->noted.address = address;
  t->noted.bytes = bytes;
}

static bool part_of_noted(sim_trace *t, uintptr_t pc, const void *address, enum sim_access access) {
  if (address == t->noted.address && t->noted.thread == t->thread &&
      (access == SIM_ATOMIC || !t->noted.counted)) {
    if (access == SIM_ATOMIC && !t->noted.counted) {
      t->noted.counted = true;
      count_access(t, t->thread, pc, address, t->noted.bytes, SIM_ATOMIC);
    }
    return true;
  }
  resolve_noted(t);
  return false;
}

void sim_trace_access(uintptr_t pc, const void *address, size_t bytes, enum sim_access access) {
  sim_trace *t = sim_trace_current;
  if (!t || t->thread < 0) return;
  if (t->noted.open && part_of_noted(t, pc, address, access)) return;
  count_access(t, t->thread, pc, address, bytes, access);
}

static void grow_blocks(sim_trace *t) {
  uint32_t old = t->block_capacity, capacity = old ? old * 2 : 64;
  t->block_work = grow(t->block_work, capacity, sizeof *t->block_work);
  uint32_t *executions = grow_zeroed(NULL, 0, (size_t)t->thread_capacity * capacity, sizeof *executions);
  for (int i = 0; i < t->thread_capacity && old; i++) {
    memcpy(executions + (size_t)i * capacity, t->block_executions + (size_t)i * old,
           old * sizeof *executions);
  }
  free(t->block_executions);
  t->block_executions = executions;
  t->block_capacity = capacity;
}

static uint32_t block_of(sim_trace *t, const void *pointer) {
  uintptr_t pc = (uintptr_t)pointer;
  recent_key *recent = &t->recent_block[mix(pc) % RECENT];
  if (recent->key == pc) return recent->value;
  bool fresh;
  uint32_t *at = table_at(&t->block_index, pc, &fresh);
  *recent = (recent_key){pc, fresh ? t->block_count : *at};
  if (!fresh) return *at;
  *at = t->block_count;
  if (t->block_count == t->block_capacity) grow_blocks(t);
  t->block_work[t->block_count] = sim_decode_block(pointer);
  return t->block_count++;
}

void sim_trace_basic_block(const void *pc) {
  sim_trace *t = sim_trace_current;
  if (!t || t->thread < 0) return;
  uint32_t block = block_of(t, pc);
  t->block_executions[(size_t)t->thread * t->block_capacity + block]++;
}

void sim_trace_frame(size_t bytes) {
  sim_trace *t = sim_trace_current;
  if (t && t->thread >= 0 && bytes > t->frame) t->frame = bytes;
}

void sim_trace_switch(int thread) {
  if (sim_trace_current) sim_trace_current->thread = thread;
}

void sim_trace_shared(const void *base, size_t bytes) {
  sim_trace *t = sim_trace_current;
  if (!t || !bytes) return;
  uintptr_t from = (uintptr_t)base;
  for (int i = 0; i < t->shared_count; i++) {
    if (t->shared[i].base == from) return;
  }
  if (t->shared_count == MOST_RANGES) return;
  t->shared[t->shared_count++] = (range){from, from + bytes};
  t->sum.static_shared_bytes += bytes;
}

void sim_trace_barrier(int thread) {
  sim_trace *t = sim_trace_current;
  if (!t) return;
  resolve_noted(t);
  int warp = thread / LANES;
  uint32_t reached = ++t->thread_epoch[thread];
  if (t->site_count) {
    memset(t->executions + (size_t)thread * t->site_capacity, 0, t->site_count * sizeof *t->executions);
  }
  t->thread_order[thread] = 0;
  mark_epoch(t, reached, 0, 0);
  if (reached > t->warp_barriers[warp]) {
    t->warp_barriers[warp] = reached;
    t->sum.barriers++;
  }
}

void sim_trace_warp_op(int thread, int lanes) {
  sim_trace *t = sim_trace_current;
  if (!t) return;
  unsigned *joined = &t->warp_op_lanes[thread / LANES];
  if (++*joined < (unsigned)lanes) return;
  *joined = 0;
  t->sum.warp_ops++;
}

void sim_trace_exit(int thread) {
  sim_trace *t = sim_trace_current;
  if (!t) return;
  resolve_noted(t);
  int warp = thread / LANES;
  uint32_t exited = ++t->warp_exited[warp];
  if (exited == (uint32_t)__builtin_popcount(warp_lanes(t, warp))) flush_warp(t, warp);
}

void sim_trace_flops(int thread, int kind, uint64_t count) {
  (void)thread;
  sim_trace *t = sim_trace_current;
  if (!t) return;
  if (kind == SIM_FLOP_HALF) t->sum.flop_hp += count;
  if (kind == SIM_FLOP_TENSOR) t->sum.flop_tensor += count;
  if (kind == SIM_FLOP_SPECIAL) t->sum.special += count;
}

bool sim_trace_active(void) {
  return sim_trace_current != NULL;
}

// ---------------------------------------------------------------- one block

static void forget_function(sim_trace *t) {
  table_clear(&t->site_index);
  table_clear(&t->block_index);
  t->site_count = t->block_count = 0;
  memset(t->recent_site, 0, sizeof t->recent_site);
  memset(t->recent_block, 0, sizeof t->recent_block);
}

static void release(void *trace) {
  sim_trace *t = trace;
  for (size_t i = 0; t->list && i < (size_t)t->thread_capacity / LANES * t->site_capacity; i++)
    free(t->list[i].slot);
  for (int i = 0; i < t->thread_capacity / LANES; i++) free(t->shared_loads[i].slot);
  void *const owned[] = {t->site,
                         t->executions,
                         t->list,
                         t->shared_loads,
                         t->pool,
                         t->free_slots.slot,
                         t->thread_epoch,
                         t->thread_order,
                         t->warp_epoch,
                         t->warp_exited,
                         t->warp_barriers,
                         t->block_work,
                         t->block_executions,
                         t->epoch_flags,
                         t->epoch_chain,
                         t->site_index.key,
                         t->site_index.value,
                         t->block_index.key,
                         t->block_index.value,
                         t->sectors.key,
                         t->sectors.value,
                         t->hot.key,
                         t->hot.value,
                         t};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
}

static void make_key(void) {
  pthread_key_create(&own_key, release);
}

enum { THREADS_PER_BLOCK = 1024 };

static sim_trace *create(void) {
  sim_trace *t = grow_zeroed(NULL, 0, 1, sizeof *t);
  t->thread_capacity = THREADS_PER_BLOCK;
  int warps = THREADS_PER_BLOCK / LANES;
  t->thread_epoch = grow_zeroed(NULL, 0, THREADS_PER_BLOCK, sizeof *t->thread_epoch);
  t->thread_order = grow_zeroed(NULL, 0, THREADS_PER_BLOCK, sizeof *t->thread_order);
  t->warp_epoch = grow_zeroed(NULL, 0, (size_t)warps, sizeof *t->warp_epoch);
  t->warp_exited = grow_zeroed(NULL, 0, (size_t)warps, sizeof *t->warp_exited);
  t->warp_barriers = grow_zeroed(NULL, 0, (size_t)warps, sizeof *t->warp_barriers);
  t->shared_loads = grow_zeroed(NULL, 0, (size_t)warps, sizeof *t->shared_loads);
  pthread_once(&own_once, make_key);
  pthread_setspecific(own_key, t);
  return t;
}

void sim_trace_open(const sim_launch *launch, uint64_t block, void *dynamic_shared, size_t dynamic_bytes) {
  if (!own) own = create();
  sim_trace *t = own;
  if (sim_trace_current) {  // a block that an error ended early
    for (int warp = 0; warp < t->warps; warp++) flush_warp(t, warp);
  }
  if (t->function != launch->function || !launch->function) forget_function(t);
  t->function = launch->function;
  t->launch = *launch;
  t->block = block;
  t->sum = (sim_counters){0};
  t->thread = -1;
  t->threads = (int)(launch->block.x * launch->block.y * launch->block.z);
  t->warps = (t->threads + LANES - 1) / LANES;
  t->shared_count = t->allocation_count = t->allocation_last = 0;
  t->epoch_count = 1;
  t->frame = 0;
  t->noted.open = false;
  memset(t->warp_op_lanes, 0, sizeof t->warp_op_lanes);
  if (t->epoch_capacity) {
    memset(t->epoch_flags, 0, t->epoch_capacity * sizeof *t->epoch_flags);
    memset(t->epoch_chain, 0, t->epoch_capacity * sizeof *t->epoch_chain);
  }
  table_clear(&t->sectors);
  table_clear(&t->hot);
  for (uint32_t s = 0; s < t->site_count; s++) {
    sim_site *site = &t->site[s];
    site->requests = site->sectors = site->wavefronts = site->ideal = site->lanes = 0;
  }
  size_t threads = (size_t)t->threads;
  if (t->site_capacity) memset(t->executions, 0, threads * t->site_capacity * sizeof *t->executions);
  if (t->block_capacity)
    memset(t->block_executions, 0, threads * t->block_capacity * sizeof *t->block_executions);
  memset(t->thread_epoch, 0, threads * sizeof *t->thread_epoch);
  memset(t->thread_order, 0, threads * sizeof *t->thread_order);
  memset(t->warp_epoch, 0, (size_t)t->warps * sizeof *t->warp_epoch);
  memset(t->warp_exited, 0, (size_t)t->warps * sizeof *t->warp_exited);
  memset(t->warp_barriers, 0, (size_t)t->warps * sizeof *t->warp_barriers);
  sim_trace_current = t;
  if (dynamic_bytes) {
    sim_trace_shared(dynamic_shared, dynamic_bytes);
    t->sum.static_shared_bytes = 0;
  }
}

static void count_blocks(sim_trace *t) {
  sim_counters *c = &t->sum;
  for (uint32_t b = 0; b < t->block_count; b++) {
    const sim_block_work *w = &t->block_work[b];
    uint64_t executions = 0, by_warp = 0;
    for (int warp = 0; warp < t->warps; warp++) {
      uint32_t most = 0;
      for (int thread = warp * LANES; thread < t->threads && thread < (warp + 1) * LANES; thread++) {
        uint32_t n = t->block_executions[(size_t)thread * t->block_capacity + b];
        executions += n;
        if (n > most) most = n;
      }
      by_warp += most;
    }
    c->flop_sp_add += executions * w->sp_add;
    c->flop_sp_mul += executions * w->sp_mul;
    c->flop_sp_fma += executions * w->sp_fma;
    c->flop_dp_add += executions * w->dp_add;
    c->flop_dp_mul += executions * w->dp_mul;
    c->flop_dp_fma += executions * w->dp_fma;
    c->special += executions * w->special;
    c->inst += executions * w->instructions;
    c->fp_sp_warp_inst += by_warp * w->fp_sp;
    c->fp_dp_warp_inst += by_warp * w->fp_dp;
    c->special_warp_inst += by_warp * w->special;
  }
  c->fp_warp_inst = c->fp_sp_warp_inst + c->fp_dp_warp_inst;
}

// Up to this many executions of a load in one epoch (the fill of a tile) are in flight together; more are a
// loop.
enum { ONE_ROUND = 8 };

static void count_epochs(sim_trace *t) {
  sim_counters *c = &t->sum;
  c->epochs += t->epoch_count;
  for (size_t e = 0; e < t->epoch_count && e < t->epoch_capacity; e++) {
    c->epochs_global += (t->epoch_flags[e] & EPOCH_GLOBAL) != 0;
    c->epochs_shared += (t->epoch_flags[e] & EPOCH_SHARED) != 0;
    uint32_t chain = t->epoch_chain[e];
    if (chain > ONE_ROUND)
      c->load_chain += chain;
    else if (chain)
      c->load_rounds++;
  }
}

// This block's share of what the whole grid must move between DRAM and L2, if L2 absorbs every re-read by
// another block: no more than each allocation holds.
static void count_footprint(sim_trace *t) {
  uint64_t grid = (uint64_t)t->launch.grid.x * t->launch.grid.y * t->launch.grid.z;
  for (int i = 0; i < t->allocation_count; i++) {
    const touched *a = &t->allocation[i];
    uint64_t most = (a->allocation.bytes + grid - 1) / grid;
    uint64_t loads = a->load_sectors * SECTOR, stores = a->store_sectors * SECTOR;
    t->sum.dram_ld_bytes += loads < most ? loads : most;
    t->sum.dram_st_bytes += stores < most ? stores : most;
  }
}

static void count_hottest(sim_trace *t) {
  uint32_t most = 0;
  for (size_t i = 0; t->hot.count && i < t->hot.capacity; i++) {
    if (t->hot.key[i] && t->hot.value[i] > most) most = t->hot.value[i];
  }
  t->sum.atom_hottest += most;
}

// Every field is a sum of integers, so the order in which workers add their blocks does not show.
static void add_counters(sim_counters *sum, const sim_counters *c, uint64_t weight) {
  _Static_assert(sizeof(sim_counters) % sizeof(uint64_t) == 0, "only 64-bit counts");
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  uint64_t shared = c->static_shared_bytes;
  pthread_mutex_lock(&lock);
  if (sum->static_shared_bytes > shared) shared = sum->static_shared_bytes;
  uint64_t *to = (uint64_t *)sum;
  const uint64_t *from = (const uint64_t *)c;
  for (size_t i = 0; i < sizeof *sum / sizeof *to; i++) to[i] += from[i] * weight;
  sum->traced -= weight - 1;
  sum->static_shared_bytes = shared;
  pthread_mutex_unlock(&lock);
}

void sim_trace_close(sim_counters *sum) {
  sim_trace *t = sim_trace_current;
  if (!t) return;
  resolve_noted(t);
  sim_trace_current = NULL;
  for (int warp = 0; warp < t->warps; warp++) flush_warp(t, warp);
  t->sum.traced = t->sum.blocks = 1;
  t->sum.warps = (uint64_t)t->warps;
  t->sum.threads = (uint64_t)t->threads;
  t->sum.frame_bytes = t->frame;
  count_blocks(t);
  count_epochs(t);
  count_footprint(t);
  count_hottest(t);
  add_counters(sum, &t->sum, sim_trace_weight(&t->launch, t->block));
  if (sim_profile_wants_sites()) sim_profile_sites(t->launch.kernel, t->site, t->site_count);
}
