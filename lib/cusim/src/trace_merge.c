// SPDX-License-Identifier: MIT
// Merging adjacent shared loads: what nvcc would make of them.
#include <stdlib.h>

#include "trace.h"

// Shared loads further apart than this many accesses of one thread are not merged: registers are finite.
enum { MERGE_WINDOW = 80 };

typedef struct merge_group {  // loads of the words of one 16-byte chunk per lane
  uint32_t first_order;
  unsigned words;  // bit w: the chunk's word w is loaded
  int32_t slot;    // any request of the group
} merge_group;

static void add_merged(sim_trace *t, const merge_group *group, unsigned word, unsigned bytes) {
  request r = t->pool[group->slot];
  for (int lane = 0; lane < LANES; lane++)
    r.lanes.address[lane] = (r.lanes.address[lane] & ~(uintptr_t)15) + 4 * word;
  sim_model_request(t, sim_request_paired_wavefronts(&r.lanes, bytes));
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
// By their place in the program, not by which lane happened to run first: the seeds of CUSIM_SCHEDULE change
// that. Mostly they are in order already.
static void put_in_order(const sim_trace *t, slot_vector *loads) {
  for (size_t i = 1; i < loads->count; i++) {
    int32_t slot = loads->slot[i];
    const request *r = &t->pool[slot];
    size_t to = i;
    for (; to > 0; to--) {
      const request *before = &t->pool[loads->slot[to - 1]];
      bool ordered = before->order != r->order ? before->order < r->order
                     : before->site != r->site ? t->site[before->site].pc < t->site[r->site].pc
                                               : before->k <= r->k;
      if (ordered) break;
      loads->slot[to] = loads->slot[to - 1];
    }
    loads->slot[to] = slot;
  }
}

void sim_merge_shared_loads(sim_trace *t, slot_vector *loads) {
  if (!loads->count) return;
  put_in_order(t, loads);
  merge_group *group = sim_grow_zeroed(NULL, 0, loads->count, sizeof *group);
  size_t groups = 0;
  key_table open = {0};
  for (size_t i = 0; i < loads->count; i++) {
    const request *r = &t->pool[loads->slot[i]];
    unsigned word = 0;
    if (!mergeable(r, t->site[r->site].bytes, &word)) {
      sim_model_request(t, sim_request_paired_wavefronts(&r->lanes, t->site[r->site].bytes));
      continue;
    }
    bool fresh = true;
    uint32_t *at = sim_table_at(&open, chunk_key(r), &fresh);
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
