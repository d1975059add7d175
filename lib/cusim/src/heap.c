// SPDX-License-Identifier: MIT
// First fit over extents of free memory, which are noted outside of it. What was mapped once stays mapped.
#include "heap.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MAPPED_AT_ONCE = 8 * SIM_HEAP_MOST };

typedef struct extent {
  uintptr_t from, to;
} extent;

static extent *holes;  // sorted, never touching each other
static size_t hole_count, hole_room;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static uintptr_t up(size_t bytes) {
  return (bytes + SIM_HEAP_STEP - 1) / SIM_HEAP_STEP * SIM_HEAP_STEP;
}

static void remove_hole(size_t i) {
  memmove(&holes[i], &holes[i + 1], (--hole_count - i) * sizeof *holes);
}

// False: no memory to note it, so that it is lost.
static bool add_hole(extent e) {
  size_t i = 0, high = hole_count;
  while (i < high) {  // the first that lies behind it
    const size_t middle = (i + high) / 2;
    if (holes[middle].from < e.from)
      i = middle + 1;
    else
      high = middle;
  }
  if (i < hole_count && holes[i].from == e.to) {
    e.to = holes[i].to;
    remove_hole(i);
  }
  if (i > 0 && holes[i - 1].to == e.from) {
    holes[i - 1].to = e.to;
    return true;
  }
  if (hole_count == hole_room) {
    const size_t room = hole_room ? 2 * hole_room : 64;
    extent *more = realloc(holes, room * sizeof *more);
    if (!more) return false;
    holes = more;
    hole_room = room;
  }
  memmove(&holes[i + 1], &holes[i], (hole_count++ - i) * sizeof *holes);
  holes[i] = e;
  return true;
}

static bool map_more(void) {
  void *p =
      mmap(NULL, MAPPED_AT_ONCE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p != MAP_FAILED && add_hole((extent){(uintptr_t)p, (uintptr_t)p + MAPPED_AT_ONCE});
}

static void *first_fit(uintptr_t bytes) {
  for (size_t i = 0; i < hole_count; i++) {
    const uintptr_t at = holes[i].from;
    if (holes[i].to - at < bytes) continue;
    holes[i].from += bytes;
    if (holes[i].from == holes[i].to) remove_hole(i);
    return (void *)at;
  }
  return NULL;
}

void *sim_heap_take(size_t bytes) {
  if (bytes > SIM_HEAP_MOST) return NULL;
  pthread_mutex_lock(&lock);
  void *p = first_fit(up(bytes));
  if (!p && map_more()) p = first_fit(up(bytes));
  pthread_mutex_unlock(&lock);
  return p;
}

void sim_heap_give(void *p, size_t bytes) {
  pthread_mutex_lock(&lock);
  (void)add_hole((extent){(uintptr_t)p, (uintptr_t)p + up(bytes)});
  pthread_mutex_unlock(&lock);
}
