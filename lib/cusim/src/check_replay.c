// SPDX-License-Identifier: MIT
// Does a read of shared memory that nobody wrote matter? Much correct code reads such words and throws the
// result away: the lanes behind the last partial sum, the halo of a tile whose outputs are not stored. So a
// block with such reads runs again, from the same global memory but with other garbage in its shared memory.
// Only if it then stores something else is the read a problem. The log of its stores puts everything back.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check_block.h"

enum {
  PIECE = 16,
  MOST_STORES = 1 << 22,
  MOST_SUSPECTS = 16,
  MOST_REPLAYS = 16,
  GARBAGE = 0x5A,
  SPARE = 100000
};

typedef struct store {
  uintptr_t address;
  uint8_t bytes, before[PIECE], behind[PIECE];  // behind: when the block has ended
} store;

typedef struct store_log {
  store *item;
  size_t count, room;
} store_log;

typedef struct suspect {
  sim_check_context context;
  char text[300];
} suspect;

typedef struct sim_replay {
  store_log first, again;
  suspect suspects[MOST_SUSPECTS];
  int suspect_count;
  uint64_t accesses, again_accesses;
  bool impossible, differs;
  uintptr_t spoiled[SIM_MOST_SHARED];
  int spoiled_count;
  unsigned op, replays;  // of this launch
  int output;
} sim_replay;

static sim_replay *state(sim_check *c) {
  if (!c->rehearsal && !(c->rehearsal = calloc(1, sizeof *c->rehearsal))) abort();
  return c->rehearsal;
}

void sim_replay_free(sim_check *c) {
  if (!c->rehearsal) return;
  free(c->rehearsal->first.item);
  free(c->rehearsal->again.item);
  free(c->rehearsal);
}

void sim_replay_open(sim_check *c) {
  sim_replay *r = state(c);
  r->first.count = 0;
  r->suspect_count = 0;
  r->accesses = 0;
  r->impossible = c->launch.cooperative;
  if (r->op != c->launch.check_op) r->replays = 0;
  r->op = c->launch.check_op;
}

static bool keep(store_log *log, uintptr_t address, size_t bytes) {
  for (size_t done = 0; done < bytes; done += PIECE) {
    if (log->count == MOST_STORES) return false;
    if (log->count == log->room) {
      const size_t room = log->room ? 2 * log->room : 1024;
      store *grown = realloc(log->item, room * sizeof *grown);
      if (!grown) return false;
      log->item = grown;
      log->room = room;
    }
    const size_t size = bytes - done < PIECE ? bytes - done : PIECE;
    store *s = &log->item[log->count++];
    s->address = address + done;
    s->bytes = (uint8_t)size;
    memcpy(s->before, (const void *)(address + done), size);
  }
  return true;
}

void sim_replay_store(sim_check *c, uintptr_t address, size_t bytes) {
  sim_replay *r = c->rehearsal;
  // What was stored before the first shared variable came into view is not in the log.
  if (!r->impossible && (!c->shared_count || !keep(&r->first, address, bytes))) r->impossible = true;
}

void sim_replay_impossible(void) {
  if (sim_check_current) state(sim_check_current)->impossible = true;
}

void sim_replay_count(sim_check *c) {
  c->rehearsal->accesses++;
}

void sim_replay_suspect(sim_check *c, const sim_check_context *where, const char *text) {
  sim_replay *r = c->rehearsal;
  for (int i = 0; i < r->suspect_count; i++)
    if (r->suspects[i].context.pc[0] == where->pc[0]) return;
  if (r->suspect_count == MOST_SUSPECTS) return;
  suspect *s = &r->suspects[r->suspect_count++];
  s->context = *where;
  snprintf(s->text, sizeof s->text, "%s", text);
}

// ---------------------------------------------------------------- the second run

static void spoil(sim_replay *r, uintptr_t base, size_t bytes) {
  for (int i = 0; i < r->spoiled_count; i++)
    if (r->spoiled[i] == base) return;
  if (r->spoiled_count == SIM_MOST_SHARED) return;
  r->spoiled[r->spoiled_count++] = base;
  for (size_t i = 0; i < bytes; i++) ((uint8_t *)base)[i] ^= GARBAGE;
}

void sim_replay_shared(sim_check *c, uintptr_t base, size_t bytes) {
  spoil(c->rehearsal, base, bytes);
}

void sim_replay_access(sim_check *c, uintptr_t address, size_t bytes, unsigned flags,
                       const sim_region *region) {
  sim_replay *r = c->rehearsal;
  const bool lost = ++r->again_accesses > 2 * r->accesses + SPARE;
  const bool outside = !region || !region->live || address < region->a.base ||
                       address - region->a.base + bytes > region->a.bytes;
  if (lost || outside || ((flags & SIM_CHECK_WRITE) && !keep(&r->again, address, bytes))) {
    r->differs = true;
    sim_block_fail(SIM_RUN_ILLEGAL_ADDRESS);
  }
}

bool sim_check_replay_begin(void) {
  sim_check *c = sim_check_current;
  if (!c) return false;
  sim_replay *r = c->rehearsal;
  if (c->pending.open) sim_check_pending(c);
  if (!r->suspect_count) return false;
  if (r->impossible) {
    for (int i = 0; i < r->suspect_count; i++)
      sim_check_problem("uninitialised-shared", &r->suspects[i].context, "%s", r->suspects[i].text);
    return false;
  }
  if (r->replays++ >= MOST_REPLAYS) return false;
  store_log *log = &r->first;
  for (size_t i = 0; i < log->count; i++)
    memcpy(log->item[i].behind, (const void *)log->item[i].address, log->item[i].bytes);
  for (size_t i = log->count; i-- > 0;)
    memcpy((void *)log->item[i].address, log->item[i].before, log->item[i].bytes);
  r->again.count = 0;
  r->again_accesses = 0;
  r->differs = false;
  r->spoiled_count = 0;
  c->replays = true;
  if (c->launch.dynamic_shared) spoil(r, c->dynamic, c->launch.dynamic_shared);
  // What it prints has been printed.
  fflush(stdout);
  r->output = dup(1);
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere >= 0) {
    dup2(nowhere, 1);
    close(nowhere);
  }
  return true;
}

void sim_check_replay_end(bool completed) {
  sim_check *c = sim_check_current;
  sim_replay *r = c->rehearsal;
  fflush(stdout);
  if (r->output >= 0) {
    dup2(r->output, 1);
    close(r->output);
  }
  c->replays = false;
  const store_log *first = &r->first, *again = &r->again;
  bool differs = r->differs || !completed || first->count != again->count;
  for (size_t i = 0; i < first->count && !differs; i++)
    differs = first->item[i].address != again->item[i].address ||
              memcmp((const void *)first->item[i].address, first->item[i].behind, first->item[i].bytes) != 0;
  for (size_t i = again->count; i-- > 0;)
    memcpy((void *)again->item[i].address, again->item[i].before, again->item[i].bytes);
  for (size_t i = 0; i < first->count; i++)
    memcpy((void *)first->item[i].address, first->item[i].behind, first->item[i].bytes);
  for (int i = 0; i < r->suspect_count && differs; i++)
    sim_check_problem("uninitialised-shared", &r->suspects[i].context, "%s", r->suspects[i].text);
}

bool sim_check_replays(void) {
  return sim_check_current && sim_check_current->replays;
}
