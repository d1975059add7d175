// SPDX-License-Identifier: MIT
// Inside the checker: the state of the block that a worker runs.
#ifndef CUSIM_CHECK_BLOCK_H
#define CUSIM_CHECK_BLOCK_H
#include "check_problem.h"
#include "exec.h"

enum { SIM_MOST_SHARED = 64, SIM_RECENT = 8, SIM_MOST_EPOCHS = 4096 };

typedef struct sim_shared {  // a shared variable
  uintptr_t base;
  size_t bytes, room;    // room: words that cells and initialised have
  uint8_t *initialised;  // per word, a bit per byte
  sim_cell *cells;
} sim_shared;

struct sim_check {
  sim_launch launch;
  uint64_t block;
  sim_check_place place;
  int running;  // thread; -1: none
  unsigned threads, spins, phase;
  uintptr_t tls, engine_tls, dynamic;
  size_t tls_bytes, engine_tls_bytes;
  bool tls_known;
  sim_shared shared[SIM_MOST_SHARED];
  int shared_count, shared_last;
  sim_region *recent[SIM_RECENT];
  unsigned recent_next;
  const sim_range *beside;
  size_t beside_count;
  sim_pending pending;
  sim_view view;
  sim_check_thread thread[SIM_MOST_THREADS];
  struct sim_steps *steps;       // check_sync.c
  struct sim_replay *rehearsal;  // check_replay.c
  bool replays;                  // the block runs for the second time
};

sim_check_context sim_check_here(const sim_check *c, uintptr_t pc);
sim_index sim_check_thread_index(const sim_check *c, unsigned thread);

// ---------------------------------------------------------------- check_cell.c

// Holds the access against what the cells (of memory from base on) remember, and remembers it. One of region
// and shared is given.
void sim_check_race(sim_check *c, uintptr_t pc, sim_cell *cells, uintptr_t base, uintptr_t address,
                    size_t bytes, unsigned flags, const sim_region *region, const sim_shared *shared);
// The store under way is done now: a conflict that changed nothing is none.
void sim_check_pending(sim_check *c);

// ---------------------------------------------------------------- check_replay.c

void sim_replay_open(sim_check *c);
void sim_replay_free(sim_check *c);
// In the first run: a store to global memory is about to happen; any access; a read that may be a problem.
void sim_replay_store(sim_check *c, uintptr_t address, size_t bytes);
void sim_replay_count(sim_check *c);
void sim_replay_suspect(sim_check *c, const sim_check_context *where, const char *text);
void sim_replay_impossible(void);  // the block does what cannot be done twice
// In the second run: a shared variable comes into view; an access to what is not the thread's own nor shared.
void sim_replay_shared(sim_check *c, uintptr_t base, size_t bytes);
void sim_replay_access(sim_check *c, uintptr_t address, size_t bytes, unsigned flags,
                       const sim_region *region);

// ---------------------------------------------------------------- check_sync.c

void sim_sync_open(sim_check *c);
void sim_sync_close(sim_check *c);
void sim_sync_free(sim_check *c);
// An access of the running thread stands there.
void sim_sync_note_site(sim_check *c, uintptr_t pc);
#endif
