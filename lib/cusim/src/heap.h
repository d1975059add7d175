// SPDX-License-Identifier: MIT
// Small pieces of device memory, apart from the host's heap: a kernel that writes past the end of one finds
// others like it or nobody's memory there, as on a device, and not what malloc keeps about the host's.
#ifndef CUSIM_HEAP_H
#define CUSIM_HEAP_H
#include <stdbool.h>
#include <stddef.h>

// Multiples of this, and so aligned.
enum { SIM_HEAP_STEP = 512, SIM_HEAP_MOST = 2 << 20 };

// A piece of so many bytes (rounded up to a step), at most SIM_HEAP_MOST. NULL: no memory.
void *sim_heap_take(size_t bytes);
// Gives it back; bytes: as it was taken.
void sim_heap_give(void *p, size_t bytes);
#endif
