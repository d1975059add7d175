// SPDX-License-Identifier: MIT
#include "child.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "worker.h"

static sim_child *waiting;
static size_t count, room;
static uint64_t launched;
static bool sorted = true;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t linear(sim_index at, sim_index size) {
  return at.x + size.x * (at.y + (uint64_t)size.y * at.z);
}

void cusim_launch_inside(sim_kernel *kernel, const void *packet) {
  sim_call call;
  if (!sim_call_take(&call)) {
    fprintf(stderr, "cusim: %s: a kernel was called like a function in device code\n",
            sim_kernel_name(kernel));
    exit(2);
  }
  sim_kernel *plain = sim_kernel_plain(kernel);
  void *own = plain->copy(packet);
  if (!own) return;  // as a launch that fails for want of memory
  pthread_mutex_lock(&lock);
  if (count == room) {
    const size_t more = room ? 2 * room : 64;
    sim_child *grown = realloc(waiting, more * sizeof *grown);
    if (!grown) {
      pthread_mutex_unlock(&lock);
      plain->release(own);
      return;
    }
    waiting = grown;
    room = more;
  }
  waiting[count++] = (sim_child){.parent = sim_self->launch,
                                 .block = linear(cusim_block_idx, cusim_grid_dim),
                                 .thread = linear(cusim_thread_idx, cusim_block_dim),
                                 .order = launched++,
                                 .kernel = plain,
                                 .call = call,
                                 .packet = own};
  sorted = false;
  pthread_mutex_unlock(&lock);
}

// Last is next.
static int by_turn(const void *a, const void *b) {
  const sim_child *x = a, *y = b;
  if (x->parent != y->parent) return x->parent < y->parent ? 1 : -1;
  if (x->block != y->block) return x->block < y->block ? 1 : -1;
  if (x->thread != y->thread) return x->thread < y->thread ? 1 : -1;
  return x->order < y->order ? 1 : -1;
}

bool sim_child_take(const sim_launch *parent, sim_child *taken) {
  pthread_mutex_lock(&lock);
  if (!sorted) qsort(waiting, count, sizeof *waiting, by_turn);
  sorted = true;
  size_t i = count;
  while (i > 0 && waiting[i - 1].parent != parent) i--;
  const bool found = i > 0;
  if (found) {
    *taken = waiting[i - 1];
    count--;
    for (size_t k = i - 1; k < count; k++) waiting[k] = waiting[k + 1];
  }
  pthread_mutex_unlock(&lock);
  return found;
}

size_t sim_children_waiting(void) {
  pthread_mutex_lock(&lock);
  const size_t now = count;
  pthread_mutex_unlock(&lock);
  return now;
}

void sim_children_forget(size_t from) {
  pthread_mutex_lock(&lock);
  while (count > from) {
    const sim_child *c = &waiting[--count];
    c->kernel->release(c->packet);
  }
  pthread_mutex_unlock(&lock);
}
