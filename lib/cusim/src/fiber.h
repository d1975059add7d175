// SPDX-License-Identifier: MIT
// Fibers: the threads of a block, run one at a time on one OS thread.
#ifndef CUSIM_FIBER_H
#define CUSIM_FIBER_H
#include <stddef.h>

enum { SIM_STACK_BYTES = 64 << 10, SIM_GUARD_BYTES = 4 << 10 };

// A suspended context. Contents are the switch's own.
#if defined(__x86_64__) && !defined(CUSIM_PORTABLE_FIBERS)
typedef struct sim_fiber {
  void *stack_pointer;
} sim_fiber;
#else
#include <ucontext.h>
typedef struct sim_fiber {
  ucontext_t context;
} sim_fiber;
#endif

// Prepares `fiber` to run entry(argument) on the stack [base, base + SIM_STACK_BYTES). `colour` shifts the
// stack's top by whole cache lines, so that the hot frames of a thousand fibers do not compete for the same
// cache sets. entry must never return: it switches away for good.
void sim_fiber_prepare(sim_fiber *fiber, char *base, unsigned colour, void (*entry)(void *), void *argument);

// Suspends the running context into *from and continues *to.
void sim_fiber_switch(sim_fiber *from, sim_fiber *to);

// Stacks for `count` fibers with a guard page below each; NULL if there is no memory. Touched lazily.
char *sim_stacks_map(size_t count);
char *sim_stack_at(char *stacks, size_t index);
void sim_stacks_unmap(char *stacks, size_t count);
#endif
