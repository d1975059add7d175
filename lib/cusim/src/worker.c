// SPDX-License-Identifier: MIT
// A worker's memory: stacks, exchange buffers, dynamic shared memory; kept until its OS thread ends.
#include "worker.h"

#include <stdlib.h>

static void free_worker(void *p) {
  worker *w = p;
  if (!w) return;
  sim_unwatch(w);
  sim_fault_release(w);
  if (w->stacks) sim_stacks_unmap(w->stacks, MOST_THREADS, w->stack_bytes);
  for (int i = 0; i < MOST_WARPS; i++) free(w->warp[i].group);
  free(w->dynamic_shared);
  free(w);
}

static pthread_key_t worker_key;
static void make_key(void) {
  pthread_key_create(&worker_key, free_worker);
}

static void take_shape(worker *w, sim_dim3 b) {
  if (w->shape.x == b.x && w->shape.y == b.y && w->shape.z == b.z) return;
  w->shape = b;
  unsigned t = 0;
  for (unsigned z = 0; z < b.z; z++)
    for (unsigned y = 0; y < b.y; y++)
      for (unsigned x = 0; x < b.x; x++) w->thread[t++].index = (sim_index){x, y, z};
}

// A frame of the host is about as large as one of a device, but what a kernel calls here (printf, say) needs
// more.
enum { HOST_EXTRA = 32 << 10, PAGE = 4096 };
static _Atomic size_t limit = SIM_STACK_BYTES;

size_t sim_stack_limit(void) {
  return atomic_load(&limit);
}

bool sim_stack_set_limit(size_t bytes) {
  enum { MOST = 16 << 20 };
  if (bytes > MOST) return false;
  atomic_store(&limit, bytes);
  return true;
}

static bool take_stacks(worker *w) {
  size_t bytes = (2 * sim_stack_limit() + HOST_EXTRA + PAGE - 1) / PAGE * PAGE;
  if (sim_stack_limit() <= SIM_STACK_BYTES) bytes = SIM_STACK_BYTES;
  if (w->stacks && w->stack_bytes == bytes) return true;
  if (w->stacks) sim_stacks_unmap(w->stacks, MOST_THREADS, w->stack_bytes);
  w->stack_bytes = bytes;
  w->stacks = sim_stacks_map(MOST_THREADS, bytes);
  for (unsigned i = 0; w->stacks && i < MOST_THREADS; i++)
    w->stack_top[i] = sim_stack_top(sim_stack_at(w->stacks, i, bytes), bytes, i);
  return w->stacks != NULL;
}

void *sim_worker_shared(const worker *w) {
  return w->dynamic_shared;
}

const char *sim_worker_stacks(const worker *w, size_t *bytes) {
  *bytes = MOST_THREADS * (w->stack_bytes + SIM_GUARD_BYTES);
  return w->stacks;
}

bool sim_worker_owns_stack(const worker *w, const void *address) {
  size_t bytes;
  const char *stacks = sim_worker_stacks(w, &bytes);
  return stacks && (uintptr_t)address - (uintptr_t)stacks < bytes;
}

worker *sim_worker_enter(const sim_launch *launch, void *packet) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_key);
  worker *w = pthread_getspecific(worker_key);
  if (!w) {
    w = calloc(1, sizeof *w);
    if (!w) return NULL;
    sim_all_stacks_free(w);
    w->os_thread = pthread_self();
    w->row_x = &cusim_thread_idx.x;
    w->marches = &sim_march.now;
    for (unsigned i = 0; i < MOST_WARPS; i++) {
      w->warp[i].number = i;
      w->warp[i].thread = &w->thread[32 * i];
    }
    if (!sim_fault_prepare(w)) {
      free(w);
      return NULL;
    }
    pthread_setspecific(worker_key, w);
    sim_watch(w);
  }
  if (!take_stacks(w)) return NULL;
  if (launch->dynamic_shared > w->dynamic_capacity || !w->dynamic_shared) {
    free(w->dynamic_shared);
    w->dynamic_capacity = (launch->dynamic_shared + 1023) / 1024 * 1024 + 1024;
    w->dynamic_shared = aligned_alloc(1024, w->dynamic_capacity);
    if (!w->dynamic_shared) return NULL;
  }
  w->launch = launch;
  w->packet = packet;
  w->threads = launch->block.x * launch->block.y * launch->block.z;
  w->warps = (w->threads + 31) / 32;
  take_shape(w, launch->block);
  cusim_block_dim = (sim_index){launch->block.x, launch->block.y, launch->block.z};
  cusim_grid_dim = (sim_index){launch->grid.x, launch->grid.y, launch->grid.z};
  w->shuffled = sim_schedule_shuffled();
  sim_self = w;
  atomic_store_explicit(&w->running, true, memory_order_relaxed);
  sim_watchdog_wake(w);
  return w;
}

void sim_worker_leave(void) {
  worker *w = sim_self;
  sim_self = NULL;
  if (w) atomic_store_explicit(&w->running, false, memory_order_relaxed);
}
