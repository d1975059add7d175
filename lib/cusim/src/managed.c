// SPDX-License-Identifier: MIT
// Managed memory is one for all here; what its pages would do on hardware is kept per allocation: on which
// side they are, and how many bytes of them. New memory is the host's. A kernel or a prefetch takes what it
// needs from the other side; what has come stays. The host's own loads and stores are not seen: for them
// nothing moves back.
#include "managed.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct pages {
  uintptr_t base;
  int device;    // -1: all on the host
  size_t there;  // bytes on that device
} pages;

static pages *known;
static size_t count, room;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local sim_managed_use *collecting;

void sim_managed_collect(sim_managed_use *list) {
  collecting = list;
}

void sim_managed_note(const sim_allocation *a) {
  enum { MOST = sizeof collecting->of / sizeof collecting->of[0] };
  sim_managed_use *list = collecting;
  if (!list || a->kind != SIM_MANAGED || list->count == MOST) return;
  for (int i = 0; i < list->count; i++)
    if (list->of[i].base == a->base) return;
  list->of[list->count].base = a->base;
  list->of[list->count++].bytes = a->bytes;
}

// Locked. NULL: there is no memory to remember it.
static pages *find(uintptr_t base) {
  for (size_t i = 0; i < count; i++)
    if (known[i].base == base) return &known[i];
  if (count == room) {
    const size_t larger = room ? 2 * room : 16;
    pages *grown = realloc(known, larger * sizeof *grown);
    if (!grown) return NULL;
    known = grown;
    room = larger;
  }
  known[count] = (pages){base, -1, 0};
  return &known[count++];
}

void sim_managed_forget(uintptr_t base) {
  pthread_mutex_lock(&lock);
  for (size_t i = 0; i < count; i++)
    if (known[i].base == base) known[i--] = known[--count];
  pthread_mutex_unlock(&lock);
}

static size_t smaller(size_t a, size_t b) {
  return a < b ? a : b;
}

size_t sim_managed_move(uintptr_t base, size_t allocated, size_t bytes, int device) {
  size_t moved = bytes;
  pthread_mutex_lock(&lock);
  pages *p = find(base);
  if (p && device < 0) {
    moved = smaller(bytes, p->there);
    p->there -= moved;
    if (!p->there) p->device = -1;
  } else if (p) {
    if (p->device != device) p->there = 0;
    p->device = device;
    moved = smaller(bytes, allocated - p->there);
    p->there += moved;
  }
  pthread_mutex_unlock(&lock);
  return moved;
}

double sim_managed_fault(const sim_managed_use *use, int device, double bytes) {
  const sim_machine *m = sim_machine_get();
  double moved = 0;
  for (int i = 0; i < use->count && (bytes < 0 || moved < bytes); i++) {
    size_t wanted = use->of[i].bytes;
    if (bytes >= 0) wanted = smaller(wanted, (size_t)(bytes - moved));
    moved += (double)sim_managed_move(use->of[i].base, use->of[i].bytes, wanted, device);
  }
  return moved > 0 ? m->fault_s + moved / (m->host->bytes_per_s * m->fault_share) : 0;
}
