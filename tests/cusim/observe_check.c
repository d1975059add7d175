// SPDX-License-Identifier: MIT
// The observer's tests have no checker: nobody listens beside the counters.
#include "check.h"

_Thread_local sim_check *sim_check_current __attribute__((tls_model("initial-exec")));

void sim_check_access(uintptr_t pc, const void *address, size_t bytes, unsigned flags) {
  (void)pc, (void)address, (void)bytes, (void)flags;
}
void sim_check_fence(void) {}
void sim_check_source(uintptr_t pc, unsigned mask, unsigned lane) {
  (void)pc, (void)mask, (void)lane;
}
void sim_check_site(uintptr_t pc) {
  (void)pc;
}

// Nobody else could run here.
void sim_traced_step(void) {}
void sim_lanes_in_step(const void *address) {
  (void)address;
}
