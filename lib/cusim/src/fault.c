// SPDX-License-Identifier: MIT
// Signals that a kernel's own mistakes raise (a wild pointer, an overflowing stack, a division by zero) end
// its grid with an error of CUDA. Outside kernels they do what they did before.
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker.h"

enum { SIGNAL_STACK = 64 << 10, MOST_SIGNALS = 65 };
static const int caught[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
static struct sigaction before[MOST_SIGNALS];

static void say(const worker *w, const char *what) {
  char text[512];
  const sim_index b = cusim_block_idx, t = cusim_thread_idx;
  const int length = snprintf(text, sizeof text, "cusim: %s: block (%u,%u,%u), thread (%u,%u,%u): %s\n",
                              w->launch->kernel, b.x, b.y, b.z, t.x, t.y, t.z, what);
  // Not through stdio, whose locks the interrupted thread may hold.
  if (length > 0 && write(STDERR_FILENO, text, (size_t)length) < 0) return;
}

static bool in_guard(const worker *w, const char *address) {
  const size_t stride = w->stack_bytes + SIM_GUARD_BYTES;
  return sim_worker_owns_stack(w, address) && (size_t)(address - w->stacks) % stride < SIM_GUARD_BYTES;
}

static enum sim_run_status describe(const worker *w, int number, const siginfo_t *info) {
  char text[200];
  switch (number) {
    case SIGSEGV:
      if (in_guard(w, info->si_addr)) {
        snprintf(
            text, sizeof text,
            "stack overflow: more than %zu bytes are needed (cudaDeviceSetLimit(cudaLimitStackSize) grants "
            "more)",
            sim_stack_limit());
        say(w, text);
        return SIM_RUN_STACK;
      }
      // fallthrough
    case SIGBUS:
      if (info->si_code == SI_KERNEL)  // the processor tells no address
        snprintf(text, sizeof text, "access to an address that cannot be one");
      else
        snprintf(text, sizeof text, "access to 0x%" PRIxPTR ", which is nobody's memory",
                 (uintptr_t)info->si_addr);
      say(w, text);
      return SIM_RUN_ILLEGAL_ADDRESS;
    case SIGFPE:
      say(w,
          "integer division by zero, or of the smallest number by -1: undefined, a device gives any number");
      return SIM_RUN_TRAP;
    default:
      say(w, "illegal instruction (__builtin_trap, or the end of a function that must return a value)");
      return SIM_RUN_TRAP;
  }
}

static void on_fault(int number, siginfo_t *info, void *context) {
  worker *w = sim_self;
  // A fiber of ours is running if the interrupted code's frame lies on its stack; the compiler's view of this
  // handler's own stack says nothing, as that is the signal stack.
  if (w && atomic_load(&w->running) && sim_fault_on_fiber(w, context))
    sim_block_fail(describe(w, number, info));
  const struct sigaction *old = &before[number];
  if (old->sa_flags & SA_SIGINFO) {
    old->sa_sigaction(number, info, context);
  } else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN) {
    old->sa_handler(number);
  } else {
    signal(number, SIG_DFL);  // and the same instruction raises it again
    if (info->si_code <= 0) raise(number);
  }
}

static void install(void) {
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < sizeof caught / sizeof caught[0]; i++)
    sigaction(caught[i], &action, &before[caught[i]]);
}

bool sim_fault_prepare(worker *w) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, install);
  stack_t stack;
  if (sigaltstack(NULL, &stack) == 0 && !(stack.ss_flags & SS_DISABLE)) return true;  // the program's own
  w->signal_stack = malloc(SIGNAL_STACK);
  if (!w->signal_stack) return false;
  stack = (stack_t){.ss_sp = w->signal_stack, .ss_size = SIGNAL_STACK};
  return sigaltstack(&stack, NULL) == 0;
}

void sim_fault_release(worker *w) {
  if (!w->signal_stack) return;
  const stack_t none = {.ss_flags = SS_DISABLE};
  sigaltstack(&none, NULL);
  free(w->signal_stack);
}
