// SPDX-License-Identifier: MIT
// The log of one traced block, shared by the files that keep it: trace.c (a block's life and its events),
// trace_join.c (warp requests rebuilt from the accesses of single threads), trace_merge.c (what nvcc would
// make of shared loads), trace_count.c (what requests and basic blocks add to the counters), trace_table.c.
#ifndef CUSIM_TRACE_H
#define CUSIM_TRACE_H
#include "observe.h"

enum { LANES = SIM_LANES, SECTOR = 32, MOST_RANGES = 64, MOST_ALLOCATIONS = 64, NO_SLOT = -1 };

// ---------------------------------------------------------------- memory and tables (trace_table.c)

// Never NULL: a program that runs out of memory while it is traced ends with one line on stderr.
void *sim_grow(void *old, size_t count, size_t size);
void *sim_grow_zeroed(void *old, size_t old_count, size_t count, size_t size);

typedef struct key_table {  // open addressing; key 0 is empty
  uint64_t *key;
  uint32_t *value;
  size_t capacity, count;
} key_table;

typedef struct slot_vector {
  int32_t *slot;
  size_t count, capacity;
} slot_vector;

static inline size_t sim_mix(uint64_t key) {
  key *= 0x9e3779b97f4a7c15u;
  return (size_t)(key ^ key >> 29);
}
void sim_table_clear(key_table *);
void sim_table_free(key_table *);
// The value of a key, which is made with value 0 if it is new.
uint32_t *sim_table_at(key_table *, uint64_t key, bool *fresh);
// Only if it is there.
bool sim_table_find(const key_table *, uint64_t key, uint32_t *value);
void sim_push_slot(slot_vector *, int32_t slot);

// ---------------------------------------------------------------- the log

typedef struct request {
  sim_request lanes;
  uint32_t site;
  int warp;
  uint32_t k;      // which execution of the site
  uint32_t order;  // of the first lane to join: how many accesses that thread had made in this epoch
  int allocation;  // index into sim_trace.allocation, for global requests
} request;

typedef struct request_list {  // of one site and warp: slot[k] is the request of the k-th execution
  int32_t *slot;
  uint32_t count, capacity;
  // Of a global load, for the first lane: does the address come from what the load before it has read?
  uintptr_t last;      // address of the load before
  int64_t last_value;  // that it read the time before
  intptr_t last_step;
  uint32_t dependent;  // executions whose address does
} request_list;

typedef struct range {
  uintptr_t base, end;
} range;

// The last lookups, by the low bits of the key: a loop repeats a handful of addresses.
enum { RECENT = 1024 };
typedef struct recent_key {
  uint64_t key;
  uint32_t value;
} recent_key;

typedef struct touched {  // an allocation used by the block
  sim_allocation allocation;
  uint64_t load_sectors, store_sectors;  // distinct
} touched;

// A thread's asynchronous copies: is one being made, were there any since the last commit, and for its latest
// groups the epoch of their commit + 1, or 0 for an empty one. PTX waits with at most 7 groups pending.
enum { MOST_GROUPS = 64 };
typedef struct copies {
  bool copying, some;
  uint32_t committed, waited, epoch[MOST_GROUPS];
} copies;

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
  uintptr_t
      recent_other[RECENT];   // pieces of 256 bytes, as allocations are aligned, that no kernel sees: stacks
  uint32_t *executions;       // [thread][site], within the thread's epoch
  request_list *list;         // [warp][site]
  slot_vector *shared_loads;  // [warp], in the order of the first lane
  request *pool;
  slot_vector free_slots;
  size_t pool_count, pool_capacity;

  uint32_t *thread_epoch, *thread_order;               // [thread]
  copies *copies;                                      // [thread]
  uint32_t *warp_epoch, *warp_exited, *warp_barriers;  // [warp]
  int thread_capacity;

  sim_block_work *block_work;  // of each basic block
  uint32_t block_count, block_capacity;
  key_table block_index;
  uint32_t *block_executions;  // [thread][basic block]
  uint8_t *block_touches;      // [basic block]: BLOCK_GLOBAL | BLOCK_SHARED
  uint32_t *thread_block;      // [thread]: the basic block it is in
  uintptr_t last_block;        // of the running thread, 0 if none is known, and
  uint32_t *last_executions;   // where its executions are counted: inner loops often are one block

  uint8_t *epoch_flags;    // [epoch]: EPOCH_GLOBAL | EPOCH_SHARED | EPOCH_LOADS
  uint32_t *epoch_chain;   // [epoch]: most executions of one global load site by one thread
  uint32_t *epoch_serial;  // [epoch]: most executions of one that waits for the one before
  uint32_t *epoch_span;    // [epoch] that waits for copies: 1 + epochs since the latest of them was issued
  size_t epoch_capacity, epoch_count;

  struct {  // an atomic that the executor announced and whose hook has not come yet, or has
    const void *address;
    uintptr_t pc;
    size_t bytes;
    int thread;
    enum sim_access access;  // SIM_ATOMIC or SIM_INCREMENT
    bool open, counted;
  } noted;

  size_t l1_share;         // bytes of L1 for this block, if the SM is full of its like
  key_table sectors, hot;  // distinct sectors of the block; cycles of atomics per piece of L2
  key_table load_windows;  // distinct sectors loaded in each window of each loop
  size_t frame;
  uint64_t accesses;
  double opened_s;        // processor time of its thread
  bool middle_is_enough;  // the middle block of this launch was long: the first and the last are not traced
};
enum { BLOCK_GLOBAL = 1, BLOCK_SHARED = 2 };
enum { EPOCH_GLOBAL = 1, EPOCH_SHARED = 2, EPOCH_LOADS = 4 };

// ---------------------------------------------------------------- trace_join.c

// One access of one thread: joins the request of its warp, which is counted as soon as it is complete.
void sim_join_access(sim_trace *, int thread, uintptr_t pc, const void *address, size_t bytes,
                     enum sim_access);
void sim_flush_warp(sim_trace *, int warp);  // counts what is left of a warp's epoch
uint32_t sim_warp_lanes(const sim_trace *, int warp);
void sim_mark_epoch(sim_trace *, uint32_t epoch, uint8_t flags, uint32_t chain);

// ---------------------------------------------------------------- trace_merge.c, trace_count.c

// Hands the shared loads of one warp and epoch to the model, the mergeable ones as the wide loads nvcc would
// emit.
void sim_merge_shared_loads(sim_trace *, slot_vector *loads);
void sim_count_request(sim_trace *, const request *);
void sim_model_request(sim_trace *,
                       unsigned cycles);  // one memory instruction that takes that many L1 cycles
void sim_count_block(sim_trace *);        // what is known only when all threads have ended
#endif
