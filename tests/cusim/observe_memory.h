// SPDX-License-Identifier: MIT
// Device memory of the observer's tests: address ranges that need not exist, since the observer only looks at
// addresses.
#ifndef OBSERVE_MEMORY_H
#define OBSERVE_MEMORY_H
#include "sim.h"

enum { TEST_ALLOCATIONS = 4 };
static sim_allocation test_memory[TEST_ALLOCATIONS];

bool sim_memory_find(const void *address, sim_allocation *found) {
  for (int i = 0; i < TEST_ALLOCATIONS; i++) {
    if ((uintptr_t)address - test_memory[i].base < test_memory[i].bytes) {
      *found = test_memory[i];
      return true;
    }
  }
  return false;
}
#endif
