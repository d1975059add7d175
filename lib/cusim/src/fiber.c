// SPDX-License-Identifier: MIT
#include "fiber.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#if defined(SIM_ANNOUNCED_FIBERS)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <string.h>
#include <valgrind/valgrind.h>
#endif
#endif

enum { COLOURS = 64 };  // as many as a first-level cache has sets

char *sim_stack_top(char *base, size_t bytes, unsigned colour) {
  return base + bytes - 64 * (size_t)(colour % COLOURS);
}

#if defined(__x86_64__) && !defined(CUSIM_PORTABLE_FIBERS)
// Continued by the end of a waiting function: eight bytes of padding, six registers, the place to jump to.
static void prepare(sim_fiber *fiber, char *base, size_t bytes, unsigned colour, void (*entry)(void)) {
  // entry finds the stack as a call would leave it; a zero return address ends a debugger's walk.
  void **top = (void **)(void *)sim_stack_top(base, bytes, colour) - 9;
  for (int i = 0; i < 9; i++) top[i] = NULL;
  top[7] = (void *)entry;
  fiber->stack_pointer = top;
}
#else
static void prepare(sim_fiber *fiber, char *base, size_t bytes, unsigned colour, void (*entry)(void)) {
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = base;
  fiber->context.uc_stack.ss_size = (size_t)(sim_stack_top(base, bytes, colour) - base);
  fiber->context.uc_link = NULL;
  makecontext(&fiber->context, entry, 0);
}
#endif

sim_switch sim_fiber_to(sim_fiber *from, sim_fiber *to);
sim_switch sim_fiber_to(sim_fiber *from, sim_fiber *to) {
  return (sim_switch){from, to};
}
#if defined(SIM_ANNOUNCED_FIBERS)
void sim_bare_switch(sim_fiber *from, sim_fiber *to);
SIM_BARE_WAITING_FUNCTION(sim_bare_switch, sim_fiber_to, (sim_fiber * from, sim_fiber *to), (from, to));

static _Thread_local sim_fiber *left, *reached;

static void announce_arrival(void) {
  __sanitizer_finish_switch_fiber(reached->announced.fake_stack, &left->announced.base,
                                  &left->announced.bytes);
}

void sim_fiber_switch(sim_fiber *from, sim_fiber *to) {
  left = from;
  reached = to;
  __sanitizer_start_switch_fiber(&from->announced.fake_stack, to->announced.base, to->announced.bytes);
  sim_bare_switch(from, to);
  announce_arrival();
}

static void arrive_first(void) {
  announce_arrival();
  reached->announced.entry();
}

void sim_fiber_prepare(sim_fiber *fiber, char *base, size_t bytes, unsigned colour, void (*entry)(void)) {
  // What an abandoned fiber had on this stack is no one's any more.
  __asan_unpoison_memory_region(base, bytes);
  fiber->announced = (sim_announced){.base = base, .bytes = bytes, .entry = entry};
  prepare(fiber, base, bytes, colour, arrive_first);
}
#else
SIM_WAITING_FUNCTION(sim_fiber_switch, sim_fiber_to, (sim_fiber * from, sim_fiber *to), (from, to));

void sim_fiber_prepare(sim_fiber *fiber, char *base, size_t bytes, unsigned colour, void (*entry)(void)) {
  prepare(fiber, base, bytes, colour, entry);
}
#endif

char *sim_stack_at(char *stacks, size_t index, size_t bytes) {
  return stacks + index * (bytes + SIM_GUARD_BYTES) + SIM_GUARD_BYTES;
}

// Each guard page splits a mapping, and a process may have 65,530 mappings: on a machine with many cores the
// stacks of the last workers go without.
enum { MOST_GUARDS = 16384 };
static atomic_size_t guards;

// Valgrind takes a switch to memory that it does not know as a stack for one huge frame. Each stack keeps its
// number at its far end.
static void register_stacks(char *stacks, size_t count, size_t bytes) {
  (void)stacks, (void)count, (void)bytes;
#if defined(VALGRIND_STACK_REGISTER)
  for (size_t i = 0; RUNNING_ON_VALGRIND && i < count; i++) {
    char *stack = sim_stack_at(stacks, i, bytes);
    const unsigned number = VALGRIND_STACK_REGISTER(stack, stack + bytes);
    memcpy(stack, &number, sizeof number);
  }
#endif
}

static void forget_stacks(char *stacks, size_t count, size_t bytes) {
  (void)stacks, (void)count, (void)bytes;
#if defined(VALGRIND_STACK_DEREGISTER)
  for (size_t i = 0; RUNNING_ON_VALGRIND && i < count; i++) {
    unsigned number;
    memcpy(&number, sim_stack_at(stacks, i, bytes), sizeof number);
    VALGRIND_STACK_DEREGISTER(number);
  }
#endif
}

// A worker's guard pages are a thousand system calls: what it leaves when its OS thread ends serves the next
// one. A program whose host threads come and go, a thread for each rank, would pay them for every rank.
enum { MOST_KEPT = 16 };
typedef struct {
  char *stacks;
  size_t count, bytes;
} stack_set;
static stack_set kept[MOST_KEPT];
static size_t kept_sets;
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;

static bool keep(stack_set set) {
  pthread_mutex_lock(&kept_lock);
  const bool room = kept_sets < MOST_KEPT;
  if (room) kept[kept_sets++] = set;
  pthread_mutex_unlock(&kept_lock);
  return room;
}

static bool take_kept(stack_set *set) {
  pthread_mutex_lock(&kept_lock);
  const bool any = kept_sets > 0;
  if (any) *set = kept[--kept_sets];
  pthread_mutex_unlock(&kept_lock);
  return any;
}

static void unmap(stack_set set) {
  forget_stacks(set.stacks, set.count, set.bytes);
  munmap(set.stacks, set.count * (set.bytes + SIM_GUARD_BYTES));
  atomic_fetch_sub(&guards, set.count);
}

char *sim_stacks_map(size_t count, size_t bytes) {
  stack_set set;
  while (take_kept(&set)) {
    if (set.count == count && set.bytes == bytes) return set.stacks;
    unmap(set);  // the limit has changed: nobody will ask for that size again
  }
  const size_t all = count * (bytes + SIM_GUARD_BYTES);
  char *stacks = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stacks == MAP_FAILED) return NULL;
  const bool guarded = atomic_fetch_add(&guards, count) + count <= MOST_GUARDS;
  for (size_t i = 0; guarded && i < count; i++)
    mprotect(sim_stack_at(stacks, i, bytes) - SIM_GUARD_BYTES, SIM_GUARD_BYTES, PROT_NONE);
  register_stacks(stacks, count, bytes);
  return stacks;
}

void sim_stacks_unmap(char *stacks, size_t count, size_t bytes) {
  const stack_set set = {stacks, count, bytes};
  if (!keep(set)) unmap(set);
}
