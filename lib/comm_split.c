// SPDX-License-Identifier: MIT
// Parts of a communicator: everybody shows colour and key, the first rank of each colour makes the part's
// group, and the others take it from there.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm_internal.h"
#include "heddle/error.h"

// What a rank shows the others while it splits.
typedef struct choice {
  int colour, key, number;
  hd_group *made;
} choice;

static const choice *shown(const hd_comm *c, int rank) {
  return hd_meet_call(c, HD_LANE_CALLS, rank)->in;
}

// The ranks of my colour in the order of (key, rank) into member; returns how many.
static int members(const hd_comm *c, const choice *mine, int *member) {
  int count = 0;
  for (int r = 0; r < c->world; r++) {
    const choice *theirs = shown(c, r);
    if (theirs->colour != mine->colour) continue;
    int at = count++;
    for (; at > 0 && shown(c, member[at - 1])->key > theirs->key; at--) member[at] = member[at - 1];
    member[at] = r;
  }
  return count;
}

static hd_group *make_part(const hd_comm *c, const int *member, int count) {
  const hd_group *parent = c->group;
  hd_group *g = hd_group_new(count, parent->whole, NULL);
  g->order = parent->order;
  g->deadline_s = parent->deadline_s;
  g->spin = parent->spin;
  g->backend = parent->backend;
  for (int i = 0; i < count; i++) {
    const size_t used = strlen(g->ranks);
    g->numbers[i] = shown(c, member[i])->number;
    snprintf(g->ranks + used, sizeof g->ranks - used, "%s%d", i ? ", " : "{", g->numbers[i]);
  }
  const size_t used = strlen(g->ranks);
  snprintf(g->ranks + used, sizeof g->ranks - used, "}");
  return g;
}

static int meet(hd_comm *c, const choice *mine) {
  hd_call call = {.operation = HD_OP_SPLIT, .in = mine};
  return hd_meet_enter(c, HD_LANE_CALLS, &call);
}

static hd_comm *join(hd_comm *c, hd_group *g, int rank) {
  hd_comm *part = hd_alloc(1, sizeof *part);
  memset(part, 0, sizeof *part);
  part->group = g;
  part->rank = rank;
  part->world = g->world;
  part->threads = c->threads;
  part->number = c->number;
  part->parent = c;
  if (g->backend->open(part)) {
    free(part);
    return NULL;
  }
  part->next = c->parts;
  c->parts = part;
  return part;
}

hd_comm *hd_comm_split(hd_comm *c, int colour, int key) {
  if (hd_comm_own(c)) return NULL;
  if (c->group->backend->collectives_only) {
    hd_comm_fail(c, "rank %d: split: ranks that are processes have one communicator", c->rank);
    return NULL;
  }
  choice mine = {colour, key, c->number, NULL};
  int member[HD_MOST_RANKS] = {0}, count = 0, rank = 0;
  if (meet(c, &mine)) return NULL;
  if (colour >= 0) {
    count = members(c, &mine, member);
    while (member[rank] != c->rank) rank++;
    if (rank == 0) mine.made = make_part(c, member, count);
  }
  // Meeting again publishes the groups. The choice stays where it is until all have looked.
  if (hd_meet_leave(c, HD_LANE_CALLS) || meet(c, &mine)) return NULL;
  hd_comm *part = NULL;
  if (colour >= 0) part = join(c, shown(c, member[0])->made, rank);
  // Nobody uses the part's state of another rank before all have opened theirs.
  return hd_meet_leave(c, HD_LANE_CALLS) ? NULL : part;
}
