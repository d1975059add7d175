// SPDX-License-Identifier: MIT
// Where the pages of managed memory are, for their times alone: the bytes never move (managed.c).
#ifndef CUSIM_MANAGED_H
#define CUSIM_MANAGED_H
#include "sim.h"

// The managed allocations that a launch's arguments point into.
typedef struct sim_managed_use {
  struct {
    uintptr_t base;
    size_t bytes;
  } of[8];
  int count;
} sim_managed_use;

// While the arguments of a launch are gone through (between the two calls with a list and with NULL), each
// allocation that they point into is told; those of managed memory go to the list, once each.
void sim_managed_collect(sim_managed_use *list);
void sim_managed_note(const sim_allocation *a);

// The pages that a kernel on this device touches come to it: how long it waits for them. bytes: what it
// touches of managed memory in all; negative: not known, so all of it. To be called in the order of issue.
double sim_managed_fault(const sim_managed_use *use, int device, double bytes);
// So many bytes of the allocation are asked for on a device (-1: the host): how many have to move.
size_t sim_managed_move(uintptr_t base, size_t allocated, size_t bytes, int device);
// The allocation is new, or gone: its pages are the host's.
void sim_managed_forget(uintptr_t base);
#endif
