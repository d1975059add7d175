// SPDX-License-Identifier: MIT
// Host accesses to pinned and managed memory before the operation that uses it is known to be done.
#include "check_problem.h"

void sim_host_protect(unsigned op) {
  (void)op;
}
void sim_host_release(void) {}
