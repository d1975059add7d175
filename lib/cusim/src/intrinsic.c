// SPDX-License-Identifier: MIT
// What device code asks of the block it runs in: clocks, address spaces, an end by __trap.
#include <stdio.h>
#include <time.h>

#include "block.h"
#include "fiber.h"

// Cycles since the block began, on this OS thread.
static __thread long long cycles;

void sim_clock_reset(void) {
  cycles = 0;
}

// Memory of the device, a thread's own stack, or what is left: the block's shared memory. In the order of
// cusim::address_space.
int cusim_address_space(const void *address) {
  enum { LOCAL, GLOBAL, SHARED };
  sim_allocation found;
  if (sim_memory_find(address, &found)) return GLOBAL;
  const uintptr_t here = (uintptr_t)__builtin_frame_address(0), there = (uintptr_t)address;
  const uintptr_t distance = here > there ? here - there : there - here;
  return distance < SIM_STACK_BYTES ? LOCAL : SHARED;
}

enum { CYCLES_PER_LOOK = 32 };

long long cusim_clock(void) {
  return cycles += CYCLES_PER_LOOK;
}

void cusim_sleep(unsigned nanoseconds) {
  cycles += (long long)(nanoseconds * 1e-9 * sim_machine_get()->card->boost_hz);
  cusim_yield();
}

// C's clock under its own name: in a kernel it counts cycles, as CUDA's does.
clock_t clock(void) {
  if (sim_inside_kernel()) return (clock_t)cusim_clock();
  struct timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return (clock_t)used.tv_sec * CLOCKS_PER_SEC + used.tv_nsec / (1000000000 / CLOCKS_PER_SEC);
}

void cusim_trap(void) {
  const sim_index b = cusim_block_idx, t = cusim_thread_idx;
  if (!sim_inside_kernel()) __builtin_trap();
  fprintf(stderr, "cusim: __trap in block (%u,%u,%u), thread (%u,%u,%u)\n", b.x, b.y, b.z, t.x, t.y, t.z);
  sim_block_fail(SIM_RUN_TRAP);
}
