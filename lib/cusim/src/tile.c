// SPDX-License-Identifier: MIT
// Tiles of several warps: a barrier and an exchange among 64 to 1024 neighbouring threads of a block.
// Whoever waits polls and lets the others run, as a thread of a block runs on until it waits itself: one turn
// each is the usual case.
#include <string.h>

#include "check.h"
#include "worker.h"

enum { SMALLEST = 64, SIZES = 5, MOST_TILES = MOST_THREADS / SMALLEST };

typedef struct tile {
  unsigned arrived, generation;
} tile;

// Of the block that this OS thread runs.
static __thread struct {
  bool used;
  tile tile[SIZES][MOST_TILES];
  const void *given[MOST_THREADS];  // each thread's value, where it stands on that thread's stack
} tiles;

void sim_tiles_reset(void) {
  if (tiles.used) memset(&tiles, 0, sizeof tiles);
}

bool sim_tiles_own(const void *address) {
  return (uintptr_t)address - (uintptr_t)tiles.given < sizeof tiles.given;
}

static unsigned rank_in_block(void) {
  sim_settle(sim_self);
  return sim_self->here->number * 32 + sim_self->lane;
}

static unsigned alive_from(const worker *w, unsigned first, unsigned size) {
  unsigned count = 0;
  for (unsigned i = first / 32; i < (first + size) / 32 && i < w->warps; i++)
    count += (unsigned)__builtin_popcount(w->warp[i].alive);
  return count;
}

void cusim_sync_tile(unsigned size) {
  worker *w = sim_self;
  const unsigned first = rank_in_block() / size * size;
  tile *t = &tiles.tile[__builtin_ctz(size / SMALLEST)][first / size];
  const unsigned generation = t->generation;
  tiles.used = true;
  if (w->traced) sim_check_give(t);
  t->arrived++;
  while (t->generation == generation) {
    if (t->arrived >= alive_from(w, first, size)) {  // those who have ended are not waited for
      t->arrived = 0;
      t->generation++;
    } else {
      sim_yield();
    }
  }
  if (w->traced) sim_check_take(t);
}

const void *const *cusim_tile_gather(unsigned size, const void *value) {
  const unsigned rank = rank_in_block();
  tiles.given[rank] = value;
  cusim_sync_tile(size);
  return &tiles.given[rank / size * size];
}

void cusim_tile_release(unsigned size) {
  cusim_sync_tile(size);
  tiles.given[rank_in_block()] = NULL;
}
