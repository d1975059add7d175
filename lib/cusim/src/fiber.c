// SPDX-License-Identifier: MIT
#include "fiber.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

static char *top_of(char *base, unsigned colour) {
  const uintptr_t top = (uintptr_t)base + SIM_STACK_BYTES - 64 * (size_t)(colour % 32);
  return (char *)(top & ~(uintptr_t)63);
}

#if defined(__x86_64__) && !defined(CUSIM_PORTABLE_FIBERS)
// The System V calling convention leaves six registers to the callee; all others are saved by whoever calls
// the switch. MXCSR and the x87 control word are the same in every thread of a kernel and are not switched.
__asm__(
    ".text\n"
    ".p2align 4\n"
    ".globl sim_fiber_switch\n"
    ".type sim_fiber_switch, @function\n"
    "sim_fiber_switch:\n"
    "  pushq %rbp\n"
    "  pushq %rbx\n"
    "  pushq %r12\n"
    "  pushq %r13\n"
    "  pushq %r14\n"
    "  pushq %r15\n"
    "  movq %rsp, (%rdi)\n"
    "  movq (%rsi), %rsp\n"
    "  popq %r15\n"
    "  popq %r14\n"
    "  popq %r13\n"
    "  popq %r12\n"
    "  popq %rbx\n"
    "  popq %rbp\n"
    "  ret\n"
    ".size sim_fiber_switch, .-sim_fiber_switch\n"
    // The first switch to a fiber "returns" here, with entry in r12 and its argument in r13.
    ".p2align 4\n"
    ".type sim_fiber_begin, @function\n"
    "sim_fiber_begin:\n"
    "  movq %r13, %rdi\n"
    "  xorl %ebp, %ebp\n"
    "  pushq $0\n"  // a zero return address ends a debugger's walk
    "  jmp *%r12\n"
    ".size sim_fiber_begin, .-sim_fiber_begin\n");
extern void sim_fiber_begin(void);

void sim_fiber_prepare(sim_fiber *fiber, char *base, unsigned colour, void (*entry)(void *), void *argument) {
  // From the lowest address: r15 r14 r13 r12 rbx rbp, the return address; popped with the stack 16-byte
  // aligned.
  void **sp = (void **)top_of(base, colour) - 9;  // entry then finds the stack as a call would leave it
  memset(sp, 0, 9 * sizeof *sp);
  sp[2] = argument;
  sp[3] = (void *)entry;
  sp[6] = (void *)sim_fiber_begin;
  fiber->stack_pointer = sp;
}
#else
void sim_fiber_prepare(sim_fiber *fiber, char *base, unsigned colour, void (*entry)(void *), void *argument) {
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = base;
  fiber->context.uc_stack.ss_size = (size_t)(top_of(base, colour) - base);
  fiber->context.uc_link = NULL;
  // makecontext passes ints: a pointer travels as two of them.
  (void)argument;
  makecontext(&fiber->context, (void (*)(void))entry, 1, argument);
}

void sim_fiber_switch(sim_fiber *from, sim_fiber *to) {
  swapcontext(&from->context, &to->context);
}
#endif

char *sim_stack_at(char *stacks, size_t index) {
  return stacks + index * (SIM_STACK_BYTES + SIM_GUARD_BYTES) + SIM_GUARD_BYTES;
}

char *sim_stacks_map(size_t count) {
  const size_t bytes = count * (SIM_STACK_BYTES + SIM_GUARD_BYTES);
  char *stacks =
      mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stacks == MAP_FAILED) return NULL;
  for (size_t i = 0; i < count; i++)
    mprotect(sim_stack_at(stacks, i) - SIM_GUARD_BYTES, SIM_GUARD_BYTES, PROT_NONE);
  return stacks;
}

void sim_stacks_unmap(char *stacks, size_t count) {
  munmap(stacks, count * (SIM_STACK_BYTES + SIM_GUARD_BYTES));
}
