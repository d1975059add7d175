// SPDX-License-Identifier: MIT
// Kernels that kernels launch (dynamic parallelism). A child runs when the grid that launched it has ended:
// since CUDA 12 no kernel can wait for its children, so that none can tell.
#ifndef CUSIM_CHILD_H
#define CUSIM_CHILD_H
#include "exec.h"

typedef struct sim_child {
  const sim_launch *parent;
  uint64_t block, thread, order;  // of the thread that launched it; of all launches
  sim_kernel *kernel;
  sim_call call;
  void *packet;  // the arguments
} sim_child;

// How deep kernels may launch kernels, as on a device; deeper launches do nothing.
enum { SIM_DEEPEST_CHILD = 24 };

// The next child of this launch, by block, thread and order of launching; false: there is none. The caller
// releases its packet.
bool sim_child_take(const sim_launch *parent, sim_child *taken);
// How many children wait; forgets those that were launched behind the first `count`: a block that runs once
// more for the checker launches nothing.
size_t sim_children_waiting(void);
void sim_children_forget(size_t count);
#endif
