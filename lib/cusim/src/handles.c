// SPDX-License-Identifier: MIT
// A hash table of addresses with linear probing.
#include "handles.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

static const void **table;
static size_t room, count;  // room: a power of two, more than twice the count
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;

static size_t home_of(const void *handle) {
  return (size_t)((uintptr_t)handle * 0x9e3779b97f4a7c15u >> 20) & (room - 1);
}

// Where the handle is, or where it would be. Locked; room is not 0.
static size_t place_of(const void *handle) {
  size_t i = home_of(handle);
  while (table[i] && table[i] != handle) i = (i + 1) & (room - 1);
  return i;
}

static bool grow(void) {
  const void **old = table;
  const size_t old_room = room, larger = room ? 2 * room : 64;
  const void **fresh = calloc(larger, sizeof *fresh);
  if (!fresh) return false;
  table = fresh;
  room = larger;
  for (size_t i = 0; i < old_room; i++)
    if (old[i]) table[place_of(old[i])] = old[i];
  free(old);
  return true;
}

bool sim_handle_add(const void *handle) {
  pthread_rwlock_wrlock(&lock);
  const bool done = 2 * (count + 1) < room || grow();
  if (done) {
    table[place_of(handle)] = handle;
    count++;
  }
  pthread_rwlock_unlock(&lock);
  return done;
}

bool sim_handle_known(const void *handle) {
  pthread_rwlock_rdlock(&lock);
  const bool known = room && handle && table[place_of(handle)] == handle;
  pthread_rwlock_unlock(&lock);
  return known;
}

bool sim_handle_remove(const void *handle) {
  pthread_rwlock_wrlock(&lock);
  size_t i = room && handle ? place_of(handle) : 0;
  const bool known = room && handle && table[i] == handle;
  if (known) {
    table[i] = NULL;
    count--;
    // What had been pushed further by it moves up.
    for (i = (i + 1) & (room - 1); table[i]; i = (i + 1) & (room - 1)) {
      const void *moved = table[i];
      table[i] = NULL;
      table[place_of(moved)] = moved;
    }
  }
  pthread_rwlock_unlock(&lock);
  return known;
}
