// SPDX-License-Identifier: MIT
// CUSIM_SCHEDULE=seed: which of several legal orders is taken. A choice depends on the seed and on what is
// being chosen, never on what was chosen before or on which host thread asks: the same seed gives the same
// order.
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

enum { USAGE = 2 };
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool shuffled;
static uint64_t seed;

static void read_seed(void) {
  const char *value = getenv("CUSIM_SCHEDULE");
  if (!value || !*value) return;
  char *end;
  errno = 0;
  seed = strtoull(value, &end, 0);
  if (*end || errno || *value == '-') {
    fprintf(stderr, "cusim: CUSIM_SCHEDULE=%s is not a seed; it must be a whole number from 0\n", value);
    exit(USAGE);
  }
  shuffled = true;
}

bool sim_schedule_shuffled(void) {
  pthread_once(&once, read_seed);
  return shuffled;
}

// The finalizer of splitmix64 (Steele, Lea, Flood 2014): every bit of the key reaches every bit of the
// result.
static uint64_t mix(uint64_t key) {
  key += 0x9e3779b97f4a7c15u;
  key = (key ^ key >> 30) * 0xbf58476d1ce4e5b9u;
  key = (key ^ key >> 27) * 0x94d049bb133111ebu;
  return key ^ key >> 31;
}

uint64_t sim_schedule_choice(uint64_t place, uint64_t step, uint64_t count) {
  if (!sim_schedule_shuffled() || count < 2) return 0;
  return mix(mix(mix(seed) ^ place) ^ step) % count;
}
