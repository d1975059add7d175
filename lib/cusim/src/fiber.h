// SPDX-License-Identifier: MIT
// Fibers: the threads of a block, run one at a time on one OS thread.
#ifndef CUSIM_FIBER_H
#define CUSIM_FIBER_H
#include <stddef.h>

enum { SIM_STACK_BYTES = 64 << 10, SIM_GUARD_BYTES = 4 << 10 };  // stacks are at least that large

// AddressSanitizer must be told of every switch: there a waiting function is plain C around the bare switch.
#if defined(__SANITIZE_ADDRESS__)
#define SIM_ANNOUNCED_FIBERS
typedef struct sim_announced {
  void *fake_stack;
  const void *base;  // of the stack
  size_t bytes;
  void (*entry)(void);
} sim_announced;
#define SIM_ANNOUNCED sim_announced announced;
#else
#define SIM_ANNOUNCED
#endif

// A suspended context. Contents are the switch's own.
#if defined(__x86_64__) && !defined(CUSIM_PORTABLE_FIBERS)
typedef struct sim_fiber {
  void *stack_pointer;  // first: the switch knows no other member
  SIM_ANNOUNCED
} sim_fiber;
#else
#include <ucontext.h>
typedef struct sim_fiber {
  ucontext_t context;
  SIM_ANNOUNCED
} sim_fiber;
#endif

// What a waiting function decided: suspend the running context into *from and continue *to. to NULL: go on.
typedef struct sim_switch {
  sim_fiber *from, *to;
} sim_switch;

// Defines `void name parameters`, at whose end the fiber may have changed: decide is a global function that
// takes the same parameters and returns the sim_switch to make. The System V convention leaves six registers
// to the callee; MXCSR and the x87 control word are the same in every thread of a kernel and are not
// switched. The end is a jump, not a return: fibers that wait at different calls of a kernel would have every
// return mispredicted, as the processor expects the caller that came last.
#if defined(__x86_64__) && !defined(CUSIM_PORTABLE_FIBERS)
#define SIM_BARE_WAITING_FUNCTION(name, decide, parameters, arguments) \
  __asm__(                                                             \
      ".text\n"                                                        \
      ".p2align 5\n"                                                   \
      ".globl " #name                                                  \
      "\n"                                                             \
      ".type " #name ", @function\n" #name                             \
      ":\n"                                                            \
      "  pushq %rbp\n"                                                 \
      "  pushq %rbx\n"                                                 \
      "  pushq %r12\n"                                                 \
      "  pushq %r13\n"                                                 \
      "  pushq %r14\n"                                                 \
      "  pushq %r15\n"                                                 \
      "  subq $8, %rsp\n"                                              \
      "  call " #decide                                                \
      "\n"                                                             \
      "  testq %rdx, %rdx\n"                                           \
      "  je 1f\n"                                                      \
      "  movq %rsp, (%rax)\n"                                          \
      "  movq (%rdx), %rsp\n"                                          \
      "1:\n"                                                           \
      "  addq $8, %rsp\n"                                              \
      "  popq %r15\n"                                                  \
      "  popq %r14\n"                                                  \
      "  popq %r13\n"                                                  \
      "  popq %r12\n"                                                  \
      "  popq %rbx\n"                                                  \
      "  popq %rbp\n"                                                  \
      "  popq %rcx\n"                                                  \
      "  jmp *%rcx\n"                                                  \
      ".size " #name ", .-" #name                                      \
      "\n"                                                             \
      ".text\n")
#else
#define SIM_BARE_WAITING_FUNCTION(name, decide, parameters, arguments)         \
  void name parameters {                                                       \
    const sim_switch s = decide arguments;                                     \
    if (s.to && s.to != s.from) swapcontext(&s.from->context, &s.to->context); \
  }                                                                            \
  _Static_assert(sizeof(ucontext_t) > 0, "a waiting function needs its contexts")
#endif

#if defined(SIM_ANNOUNCED_FIBERS)
#define SIM_WAITING_FUNCTION(name, decide, parameters, arguments) \
  void name parameters {                                          \
    const sim_switch s = decide arguments;                        \
    if (s.to && s.to != s.from) sim_fiber_switch(s.from, s.to);   \
  }                                                               \
  _Static_assert(sizeof(sim_announced) > 0, "a waiting function announces its switches")
#else
#define SIM_WAITING_FUNCTION SIM_BARE_WAITING_FUNCTION
#endif

// Suspends the running context into *from and continues *to.
void sim_fiber_switch(sim_fiber *from, sim_fiber *to);

// The top of the stack [base, base + bytes): `colour` shifts it by whole cache lines, so that the hot frames
// of a thousand fibers do not compete for the same cache sets.
char *sim_stack_top(char *base, size_t bytes, unsigned colour);

// Prepares `fiber` to run entry() on such a stack. entry must never return: it switches away for good.
void sim_fiber_prepare(sim_fiber *fiber, char *base, size_t bytes, unsigned colour, void (*entry)(void));

// Stacks of `bytes` for `count` fibers, with a guard page below each as long as the process has few; NULL if
// there is no memory. Touched lazily.
char *sim_stacks_map(size_t count, size_t bytes);
char *sim_stack_at(char *stacks, size_t index, size_t bytes);
void sim_stacks_unmap(char *stacks, size_t count, size_t bytes);
#endif
