// SPDX-License-Identifier: MIT
// Host accesses to pinned and managed memory that an operation uses, before the host has waited for it. The
// pages are taken from the host until it does: an access faults, is noted, and gets its page back. Only pages
// that the operation uses as a whole are taken, so that nobody is accused for what stands beside.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "check_problem.h"

enum { PAGE = 4096, WORD = 4 };

typedef struct taken {
  uintptr_t low, high;
  unsigned op;
  bool write;  // the operation writes: the host may not even read
} taken;

static taken *list;
static size_t count, room;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction before;

static void give(const taken *t) {
  mprotect((void *)t->low, t->high - t->low, PROT_READ | PROT_WRITE);
}

bool sim_host_fault(uintptr_t address, bool write) {
  pthread_mutex_lock(&lock);
  size_t i = 0;
  while (i < count && address - list[i].low >= list[i].high - list[i].low) i++;
  const bool ours = i < count;
  taken t = {0};
  if (ours) {
    t = list[i];
    give(&t);
    list[i] = list[--count];
  }
  pthread_mutex_unlock(&lock);
  if (!ours) return false;
  sim_check_context c = {.launch = t.op};
  sim_check_backtrace(c.pc);
  sim_check_problem(
      "host-race", &c,
      "the host %s 0x%zx, which %s %s, before it has waited for that: a synchronization is missing",
      write ? "writes" : "reads", (size_t)address, sim_op_name(t.op), t.write ? "writes" : "reads");
  return true;
}

static void sim_host_on_fault(int signal, siginfo_t *info, void *context) {
  bool write = false;
#ifdef __x86_64__
  write = ((const ucontext_t *)context)->uc_mcontext.gregs[REG_ERR] & 2;
#endif
  if (sim_host_fault((uintptr_t)info->si_addr, write)) return;
  // Somebody else's, or the program's end: then what was found so far is worth its report.
  if ((before.sa_flags & SA_SIGINFO) && before.sa_sigaction) {
    before.sa_sigaction(signal, info, context);
    return;
  }
  sim_check_write_report();
  sigaction(SIGSEGV, &before, NULL);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void listen_for_faults(void) {
  struct sigaction a = {.sa_sigaction = sim_host_on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGSEGV, &a, &before);
}

// Locked.
static void take(uintptr_t low, uintptr_t high, unsigned op, bool write) {
  if (count == room) {
    const size_t larger = room ? 2 * room : 64;
    taken *grown = realloc(list, larger * sizeof *grown);
    if (!grown) return;
    list = grown;
    room = larger;
  }
  pthread_once(&once, listen_for_faults);
  list[count] = (taken){low, high, op, write};
  mprotect((void *)low, high - low, write ? PROT_NONE : PROT_READ);
  count++;
}

static bool has_pages_of_its_own(const sim_region *r) {
  return r && r->live && r->ours && (r->a.kind == SIM_PINNED || r->a.kind == SIM_MANAGED) &&
         r->a.base % PAGE == 0;
}

void sim_host_protect_range(const sim_range *b) {
  if (!sim_check_wants(SIM_CHECK_HOST)) return;
  const sim_region *r = sim_region_at(b->low);
  if (!has_pages_of_its_own(r)) return;
  // Whole pages; the last one of an allocation holds nothing behind it.
  const uintptr_t low = (b->low + PAGE - 1) / PAGE * PAGE, end = r->a.base + r->a.bytes;
  const uintptr_t high = b->high >= end ? (end + PAGE - 1) / PAGE * PAGE : b->high / PAGE * PAGE;
  pthread_mutex_lock(&lock);
  if (high > low) take(low, high, b->op, b->write);
  pthread_mutex_unlock(&lock);
}

// What the operation did with a page: 0: not all of it, or flags that the host may look at; 1: read; 2:
// wrote.
static int use_of_page(const sim_region *r, uintptr_t page, unsigned op) {
  const uintptr_t end = r->a.base + r->a.bytes;
  int use = 1;
  for (uintptr_t a = page; a < page + PAGE && a < end; a += WORD) {
    const sim_cell *cell = &r->cells[(a - r->a.base) / WORD];
    bool used = false;
    for (int i = 0; i < SIM_CELL_STAMPS; i++) {
      const sim_stamp *s = &cell->at[i];
      if (s->op != op) continue;
      used = true;
      if (s->flags & (SIM_CHECK_ATOMIC | SIM_CHECK_VOLATILE)) return 0;
      if (s->flags & SIM_CHECK_WRITE) use = 2;
    }
    if (!used) return 0;
  }
  return use;
}

void sim_host_protect_region(const sim_region *r, unsigned op) {
  if (!sim_check_wants(SIM_CHECK_HOST) || r->used_by != op || !r->cells || !has_pages_of_its_own(r)) return;
  pthread_mutex_lock(&lock);
  for (uintptr_t page = r->a.base; page < r->a.base + r->a.bytes; page += PAGE) {
    const int use = use_of_page(r, page, op);
    if (use) take(page, page + PAGE, op, use == 2);
  }
  pthread_mutex_unlock(&lock);
}

void sim_host_release(void) {
  pthread_mutex_lock(&lock);
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    if (sim_op_host_knows(list[i].op))
      give(&list[i]);
    else
      list[kept++] = list[i];
  }
  // Pages of a range that is still taken may have been given back with another one.
  for (size_t i = 0; i < kept && kept < count; i++)
    mprotect((void *)list[i].low, list[i].high - list[i].low, list[i].write ? PROT_NONE : PROT_READ);
  count = kept;
  pthread_mutex_unlock(&lock);
}

void sim_host_forget(const sim_region *r) {
  pthread_mutex_lock(&lock);
  for (size_t i = count; i-- > 0;) {
    if (list[i].low < r->a.base || list[i].low >= r->a.base + r->a.bytes) continue;
    give(&list[i]);
    list[i] = list[--count];
  }
  pthread_mutex_unlock(&lock);
}

void sim_host_suspend(bool on) {
  pthread_mutex_lock(&lock);
  for (size_t i = 0; i < count; i++) {
    if (on)
      give(&list[i]);
    else
      mprotect((void *)list[i].low, list[i].high - list[i].low, list[i].write ? PROT_NONE : PROT_READ);
  }
  pthread_mutex_unlock(&lock);
}
