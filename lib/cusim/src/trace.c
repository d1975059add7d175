// SPDX-License-Identifier: MIT
// The life of a traced block and the events of its threads.
#include "trace.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Thread_local sim_trace *sim_trace_current __attribute__((tls_model("initial-exec")));
static _Thread_local sim_trace *own;
static pthread_key_t own_key;
static pthread_once_t own_once = PTHREAD_ONCE_INIT;

// ---------------------------------------------------------------- events

// An announced atomic counts once, whether it is inline code that calls our hooks (then with the line of the
// first one: the rest are retries of a compare-and-swap loop) or a library function that doesn't.
static void resolve_noted(sim_trace *t) {
  bool count = t->noted.open && !t->noted.counted;
  t->noted.open = false;
  if (count)
    sim_join_access(t, t->noted.thread, t->noted.pc, t->noted.address, t->noted.bytes, t->noted.access);
}

void sim_trace_atomic(int thread, uintptr_t pc, const void *address, size_t bytes, bool increment) {
  sim_trace *t = sim_trace_current;
  if (!t) return;
  resolve_noted(t);
  t->noted.open = true;
  t->noted.counted = false;
  t->noted.thread = thread;
  t->noted.pc = pc;
  t->noted.address = address;
  t->noted.access = increment ? SIM_INCREMENT : SIM_ATOMIC;
  t->noted.bytes = bytes;
}

static bool part_of_noted(sim_trace *t, uintptr_t pc, const void *address, enum sim_access access) {
  if (address == t->noted.address && t->noted.thread == t->thread &&
      (access == SIM_ATOMIC || !t->noted.counted)) {
    if (access == SIM_ATOMIC && !t->noted.counted) {
      t->noted.counted = true;
      sim_join_access(t, t->thread, pc, address, t->noted.bytes, t->noted.access);
    }
    return true;
  }
  resolve_noted(t);
  return false;
}

void sim_trace_access(uintptr_t pc, const void *address, size_t bytes, enum sim_access access) {
  sim_trace *t = sim_trace_current;
  if (!t || t->thread < 0) return;
  if (t->noted.open && part_of_noted(t, pc, address, access)) return;
  sim_join_access(t, t->thread, pc, address, bytes, access);
}

static void grow_blocks(sim_trace *t) {
  uint32_t old = t->block_capacity, capacity = old ? old * 2 : 64;
  t->block_work = sim_grow(t->block_work, capacity, sizeof *t->block_work);
  t->block_touches = sim_grow_zeroed(t->block_touches, old, capacity, sizeof *t->block_touches);
  uint32_t *executions = sim_grow_zeroed(NULL, 0, (size_t)t->thread_capacity * capacity, sizeof *executions);
  for (int i = 0; i < t->thread_capacity && old; i++) {
    memcpy(executions + (size_t)i * capacity, t->block_executions + (size_t)i * old,
           old * sizeof *executions);
  }
  free(t->block_executions);
  t->block_executions = executions;
  t->block_capacity = capacity;
}

// Out of line, so that the usual case needs no room on the stack.
static __attribute__((noinline)) uint32_t look_up_block(sim_trace *t, uintptr_t pc) {
  bool fresh;
  uint32_t *at = sim_table_at(&t->block_index, pc, &fresh);
  if (fresh) {
    *at = t->block_count;
    if (t->block_count == t->block_capacity) grow_blocks(t);
    t->block_work[t->block_count] = sim_decode_block((const void *)pc);
    t->block_touches[t->block_count++] = 0;
  }
  t->recent_block[sim_mix(pc) % RECENT] = (recent_key){pc, *at};
  return *at;
}

void sim_trace_basic_block(const void *pointer) {
  sim_trace *t = sim_trace_current;
  if (!t || t->thread < 0) return;
  const uintptr_t pc = (uintptr_t)pointer;
  if (pc == t->last_block) {
    ++*t->last_executions;
    return;
  }
  const recent_key *recent = &t->recent_block[sim_mix(pc) % RECENT];
  uint32_t block = recent->key == pc ? recent->value : look_up_block(t, pc);
  t->thread_block[t->thread] = block;
  t->last_block = pc;
  t->last_executions = &t->block_executions[(size_t)t->thread * t->block_capacity + block];
  ++*t->last_executions;
}

void sim_trace_frame(size_t bytes) {
  sim_trace *t = sim_trace_current;
  if (t && t->thread >= 0 && bytes > t->frame) t->frame = bytes;
}

void sim_trace_switch(int thread) {
  sim_trace *t = sim_trace_current;
  if (!t) return;
  t->thread = thread;
  t->last_block = 0;
}

void sim_trace_shared(const void *base, size_t bytes) {
  sim_trace *t = sim_trace_current;
  if (!t || !bytes) return;
  uintptr_t from = (uintptr_t)base;
  for (int i = 0; i < t->shared_count; i++) {
    if (t->shared[i].base == from) return;
  }
  if (t->shared_count == MOST_RANGES) return;
  t->shared[t->shared_count++] = (range){from, from + bytes};
  t->sum.static_shared_bytes += bytes;
}

void sim_trace_barrier(int thread) {
  sim_trace *t = sim_trace_current;
  if (!t) return;
  resolve_noted(t);
  int warp = thread / LANES;
  uint32_t reached = ++t->thread_epoch[thread];
  if (t->site_count) {
    memset(t->executions + (size_t)thread * t->site_capacity, 0, t->site_count * sizeof *t->executions);
  }
  t->thread_order[thread] = 0;
  sim_mark_epoch(t, reached, 0, 0);
  if (reached > t->warp_barriers[warp]) {
    t->warp_barriers[warp] = reached;
    t->sum.barriers++;
  }
}

void sim_trace_warp_op(void) {
  if (sim_trace_current) sim_trace_current->sum.warp_ops++;
}

void sim_trace_exit(int thread) {
  sim_trace *t = sim_trace_current;
  if (!t) return;
  resolve_noted(t);
  int warp = thread / LANES;
  uint32_t exited = ++t->warp_exited[warp];
  if (exited == (uint32_t)__builtin_popcount(sim_warp_lanes(t, warp))) sim_flush_warp(t, warp);
}

void sim_trace_flops(int thread, int kind, uint64_t count) {
  (void)thread;
  sim_trace *t = sim_trace_current;
  if (!t) return;
  if (kind == SIM_FLOP_HALF) t->sum.flop_hp += count;
  if (kind == SIM_FLOP_TENSOR) t->sum.flop_tensor += count;
  if (kind == SIM_FLOP_TENSOR_TF32) t->sum.flop_tensor_tf32 += count;
  if (kind == SIM_FLOP_SPECIAL) t->sum.special += count;
}

// ---------------------------------------------------------------- asynchronous copies

void sim_trace_copy(int thread, bool begins) {
  sim_trace *t = sim_trace_current;
  if (!t) return;
  t->copies[thread].copying = begins;
  t->copies[thread].some |= begins;
}

void sim_trace_commit(int thread) {
  sim_trace *t = sim_trace_current;
  if (!t) return;
  copies *c = &t->copies[thread];
  c->epoch[c->committed++ % MOST_GROUPS] = c->some ? t->thread_epoch[thread] + 1 : 0;
  c->some = false;
}

// Of the groups that this wait is the first to wait for, the latest was issued so many epochs ago. Threads
// may differ: the epoch keeps the shortest, so that their order does not show.
void sim_trace_wait(int thread, unsigned pending) {
  sim_trace *t = sim_trace_current;
  if (!t) return;
  copies *c = &t->copies[thread];
  const uint32_t now = t->thread_epoch[thread];
  uint32_t latest = 0;
  for (; c->waited + pending < c->committed; c->waited++) {
    const uint32_t issued = c->epoch[c->waited % MOST_GROUPS];
    if (issued > latest) latest = issued;
  }
  if (!latest) return;
  sim_mark_epoch(t, now, 0, 0);
  const uint32_t span = now - (latest - 1) + 1;
  if (!t->epoch_span[now] || span < t->epoch_span[now]) t->epoch_span[now] = span;
}

bool sim_trace_active(void) {
  return sim_trace_current != NULL;
}

// ---------------------------------------------------------------- one block

static void forget_function(sim_trace *t) {
  sim_table_clear(&t->site_index);
  sim_table_clear(&t->block_index);
  t->site_count = t->block_count = 0;
  memset(t->recent_site, 0, sizeof t->recent_site);
  memset(t->recent_block, 0, sizeof t->recent_block);
}

static void release(void *trace) {
  sim_trace *t = trace;
  for (size_t i = 0; t->list && i < (size_t)t->thread_capacity / LANES * t->site_capacity; i++)
    free(t->list[i].slot);
  for (int i = 0; i < t->thread_capacity / LANES; i++) free(t->shared_loads[i].slot);
  void *const owned[] = {t->site,
                         t->executions,
                         t->list,
                         t->shared_loads,
                         t->pool,
                         t->free_slots.slot,
                         t->thread_epoch,
                         t->thread_order,
                         t->warp_epoch,
                         t->warp_exited,
                         t->warp_barriers,
                         t->block_work,
                         t->block_executions,
                         t->block_touches,
                         t->thread_block,
                         t->epoch_flags,
                         t->epoch_chain,
                         t->epoch_serial,
                         t->epoch_span,
                         t->copies,
                         t->site_index.key,
                         t->site_index.value,
                         t->block_index.key,
                         t->block_index.value,
                         t->sectors.key,
                         t->sectors.value,
                         t->hot.key,
                         t->hot.value,
                         t->load_windows.key,
                         t->load_windows.value,
                         t};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
}

static void make_key(void) {
  pthread_key_create(&own_key, release);
}

enum { THREADS_PER_BLOCK = 1024 };

static sim_trace *create(void) {
  sim_trace *t = sim_grow_zeroed(NULL, 0, 1, sizeof *t);
  t->thread_capacity = THREADS_PER_BLOCK;
  int warps = THREADS_PER_BLOCK / LANES;
  t->thread_epoch = sim_grow_zeroed(NULL, 0, THREADS_PER_BLOCK, sizeof *t->thread_epoch);
  t->thread_order = sim_grow_zeroed(NULL, 0, THREADS_PER_BLOCK, sizeof *t->thread_order);
  t->copies = sim_grow_zeroed(NULL, 0, THREADS_PER_BLOCK, sizeof *t->copies);
  t->thread_block = sim_grow_zeroed(NULL, 0, THREADS_PER_BLOCK, sizeof *t->thread_block);
  t->warp_epoch = sim_grow_zeroed(NULL, 0, (size_t)warps, sizeof *t->warp_epoch);
  t->warp_exited = sim_grow_zeroed(NULL, 0, (size_t)warps, sizeof *t->warp_exited);
  t->warp_barriers = sim_grow_zeroed(NULL, 0, (size_t)warps, sizeof *t->warp_barriers);
  t->shared_loads = sim_grow_zeroed(NULL, 0, (size_t)warps, sizeof *t->shared_loads);
  pthread_once(&own_once, make_key);
  pthread_setspecific(own_key, t);
  return t;
}

// Of this thread, which runs the whole block: other load on the machine does not show in it.
static double processor_time(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

bool sim_trace_open(const sim_launch *launch, uint64_t block, void *dynamic_shared, size_t dynamic_bytes) {
  if (!own) own = create();
  sim_trace *t = own;
  if (sim_trace_current) {  // a block that an error ended early
    for (int warp = 0; warp < t->warps; warp++) sim_flush_warp(t, warp);
  }
  const uint64_t middle = (uint64_t)launch->grid.x * launch->grid.y * launch->grid.z / 2;
  if (t->middle_is_enough && block != middle && sim_trace_sampling(launch)) {
    sim_trace_current = NULL;
    return false;
  }
  t->middle_is_enough = false;
  t->accesses = 0;
  t->opened_s = processor_time();
  if (t->function != launch->function || !launch->function) forget_function(t);
  t->function = launch->function;
  t->launch = *launch;
  t->block = block;
  t->sum = (sim_counters){0};
  t->thread = -1;
  t->last_block = 0;
  t->threads = (int)(launch->block.x * launch->block.y * launch->block.z);
  t->warps = (t->threads + LANES - 1) / LANES;
  t->shared_count = t->allocation_count = t->allocation_last = 0;
  t->epoch_count = 0;
  t->frame = 0;
  memset(t->recent_other, 0, sizeof t->recent_other);
  const sim_card *card = sim_machine_get()->card;
  t->l1_share = card->l1_bytes * (size_t)t->threads / (size_t)card->max_threads_sm;
  t->noted.open = false;
  if (t->epoch_capacity) {
    memset(t->epoch_flags, 0, t->epoch_capacity * sizeof *t->epoch_flags);
    memset(t->epoch_chain, 0, t->epoch_capacity * sizeof *t->epoch_chain);
    memset(t->epoch_serial, 0, t->epoch_capacity * sizeof *t->epoch_serial);
    memset(t->epoch_span, 0, t->epoch_capacity * sizeof *t->epoch_span);
  }
  sim_mark_epoch(t, 0, 0, 0);  // there is a first one
  sim_table_clear(&t->sectors);
  sim_table_clear(&t->hot);
  sim_table_clear(&t->load_windows);
  for (uint32_t s = 0; s < t->site_count; s++) {
    sim_site *site = &t->site[s];
    site->requests = site->sectors = site->wavefronts = site->ideal = site->lanes = site->degree = 0;
  }
  size_t threads = (size_t)t->threads;
  if (t->site_capacity) memset(t->executions, 0, threads * t->site_capacity * sizeof *t->executions);
  if (t->block_capacity)
    memset(t->block_executions, 0, threads * t->block_capacity * sizeof *t->block_executions);
  memset(t->thread_epoch, 0, threads * sizeof *t->thread_epoch);
  memset(t->thread_order, 0, threads * sizeof *t->thread_order);
  memset(t->copies, 0, threads * sizeof *t->copies);
  memset(t->thread_block, 0, threads * sizeof *t->thread_block);
  memset(t->warp_epoch, 0, (size_t)t->warps * sizeof *t->warp_epoch);
  memset(t->warp_exited, 0, (size_t)t->warps * sizeof *t->warp_exited);
  memset(t->warp_barriers, 0, (size_t)t->warps * sizeof *t->warp_barriers);
  sim_trace_current = t;
  if (dynamic_bytes) {
    sim_trace_shared(dynamic_shared, dynamic_bytes);
    t->sum.static_shared_bytes = 0;
  }
  return true;
}

// Every field is a sum of integers, so the order in which workers add their blocks does not show.
static void add_counters(sim_counters *sum, const sim_counters *c, uint64_t weight) {
  _Static_assert(sizeof(sim_counters) % sizeof(uint64_t) == 0, "only 64-bit counts");
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  uint64_t shared = c->static_shared_bytes;
  pthread_mutex_lock(&lock);
  if (sum->static_shared_bytes > shared) shared = sum->static_shared_bytes;
  uint64_t *to = (uint64_t *)sum;
  const uint64_t *from = (const uint64_t *)c;
  for (size_t i = 0; i < sizeof *sum / sizeof *to; i++) to[i] += from[i] * weight;
  sum->traced -= weight - 1;
  sum->static_shared_bytes = shared;
  pthread_mutex_unlock(&lock);
}

void sim_trace_close(sim_counters *sum) {
  sim_trace *t = sim_trace_current;
  if (!t) return;
  resolve_noted(t);
  sim_trace_current = NULL;
  for (int warp = 0; warp < t->warps; warp++) sim_flush_warp(t, warp);
  t->sum.traced = t->sum.blocks = 1;
  t->sum.warps = (uint64_t)t->warps;
  t->sum.threads = (uint64_t)t->threads;
  t->sum.frame_bytes = t->frame;
  sim_count_block(t);
  // Some hundredths of a second of tracing: twice more would show the same, except at the edges of the grid.
  enum { LONG = 1 << 17 };
  const uint64_t grid = (uint64_t)t->launch.grid.x * t->launch.grid.y * t->launch.grid.z;
  t->middle_is_enough =
      !sum->traced && t->block == grid / 2 && t->accesses >= LONG && sim_trace_sampling(&t->launch);
  add_counters(sum, &t->sum, sim_trace_weight(&t->launch, t->block, t->middle_is_enough));
  sim_profile_traced(processor_time() - t->opened_s);
  if (sim_profile_wants_sites()) sim_profile_sites(t->launch.kernel, t->site, t->site_count);
}
