// SPDX-License-Identifier: MIT
// The engine: a grid's blocks over OpenMP workers, a block's threads as fibers of one worker.
// A fiber runs until it waits (block barrier, exchange within its warp) or ends; then the next runnable lane
// of its warp runs, then the next warp. So a kernel without waits costs two switches a thread, and shuffles
// stay in a warp.
#include <omp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec.h"
#include "fiber.h"

enum { MOST_THREADS = 1024, MOST_WARPS = 32, MOST_GROUPS = 40, MOST_TRACED = 16 };

// An exchange among the lanes of one mask. Two buffers: a lane can be at most one exchange ahead of the
// others.
typedef struct group {
  unsigned mask, arrived, generation, took_part[2];
  _Alignas(16) unsigned char values[2][32][16];
} group;

typedef struct warp {
  unsigned alive, ready;  // lanes that have not ended; lanes that can run
  unsigned at_barrier;    // lanes that wait for the block
  int groups;
  group *group;  // MOST_GROUPS of them, allocated with the first exchange of this warp slot
} warp;

// One OS thread that runs blocks. Kept between launches: stacks and exchange buffers are its own.
typedef struct worker {
  const sim_launch *launch;
  sim_body *body;
  void *packet;
  unsigned threads, warps, alive;
  unsigned warps_ready;  // bit per warp: some lane can run
  unsigned current;      // linear index of the running thread
  unsigned arrived, predicates, counts[2], barrier_generation;
  bool traced, stuck;
  sim_fiber scheduler, fiber[MOST_THREADS];
  bool started[MOST_THREADS];
  unsigned char waits[MOST_THREADS];  // 'b' barrier, 'w' warp, 0 runs
  int stack_of[MOST_THREADS], free_stack[MOST_THREADS], free_stacks;
  int retired;  // stack of the thread that ended last: still stood on until the switch away from it
  char *stacks;
  warp warp[MOST_WARPS];
  char *dynamic_shared;
  size_t dynamic_capacity;
} worker;

__thread sim_index cusim_thread_idx, cusim_block_idx, cusim_block_dim, cusim_grid_dim;
static __thread worker *self;  // NULL outside a kernel

bool sim_inside_kernel(void) {
  return self != NULL;
}

// ---------------------------------------------------------------- choosing who runs next

static void make_ready(worker *w, unsigned warp_index, unsigned lanes) {
  w->warp[warp_index].ready |= lanes;
  if (w->warp[warp_index].ready) w->warps_ready |= 1u << warp_index;
}

static unsigned first_from(unsigned bits, unsigned start) {
  const unsigned above = start < 32 ? bits & (~0u << start) : 0;
  return (unsigned)__builtin_ctz(above ? above : bits);
}

static void thread_main(void *unused);

static void set_position(worker *w, unsigned t) {
  const sim_dim3 b = w->launch->block;
  w->current = t;
  cusim_thread_idx.x = t % b.x;
  cusim_thread_idx.y = t / b.x % b.y;
  cusim_thread_idx.z = t / b.x / b.y;
  if (w->traced) sim_trace_switch((int)t);
}

// Leaves *from for the next runnable fiber, or for the scheduler when none can run.
static void run_next(worker *w, sim_fiber *from) {
  if (!w->warps_ready) {
    if (from != &w->scheduler) sim_fiber_switch(from, &w->scheduler);
    return;
  }
  const unsigned after = w->current + 1;  // 0 at the start of a block
  const unsigned here = after ? w->current / 32 : 0;
  const unsigned next_warp = w->warp[here].ready ? here : first_from(w->warps_ready, here + 1);
  warp *p = &w->warp[next_warp];
  const unsigned lane = first_from(p->ready, next_warp == here ? after % 32 : 0);
  const unsigned t = next_warp * 32 + lane;
  p->ready &= ~(1u << lane);
  if (!p->ready) w->warps_ready &= ~(1u << next_warp);
  set_position(w, t);
  w->waits[t] = 0;
  if (!w->started[t]) {
    w->started[t] = true;
    w->stack_of[t] = w->free_stack[--w->free_stacks];
    sim_fiber_prepare(&w->fiber[t], sim_stack_at(w->stacks, (size_t)w->stack_of[t]), t, thread_main, NULL);
  }
  if (from != &w->fiber[t]) sim_fiber_switch(from, &w->fiber[t]);
}

static void wait_as(worker *w, unsigned char why) {
  const unsigned t = w->current;
  w->waits[t] = why;
  run_next(w, &w->fiber[t]);
}

// ---------------------------------------------------------------- what threads wait for

static void release_barrier(worker *w) {
  w->counts[w->barrier_generation & 1] = w->predicates;
  w->barrier_generation++;
  w->arrived = w->predicates = 0;
  for (unsigned i = 0; i < w->warps; i++) {
    make_ready(w, i, w->warp[i].at_barrier);
    w->warp[i].at_barrier = 0;
  }
}

static void complete(worker *w, unsigned warp_index, group *g) {
  g->took_part[g->generation & 1] = g->arrived;
  make_ready(w, warp_index, g->arrived);
  g->arrived = 0;
  g->generation++;
}

// A thread ended: barriers and exchanges that waited for it only are complete now, as on hardware.
static void thread_ended(worker *w, unsigned t) {
  warp *p = &w->warp[t / 32];
  p->alive &= ~(1u << t % 32);
  w->alive--;
  if (w->retired >= 0) w->free_stack[w->free_stacks++] = w->retired;
  w->retired = w->stack_of[t];
  for (int i = 0; i < p->groups; i++) {
    group *g = &p->group[i];
    if (g->arrived && g->arrived == (g->mask & p->alive)) complete(w, t / 32, g);
  }
  if (w->arrived && w->arrived == w->alive) release_barrier(w);
}

static void thread_main(void *unused) {
  (void)unused;
  worker *w = self;
  w->body(w->packet);
  const unsigned t = w->current;
  thread_ended(w, t);
  run_next(w, &w->fiber[t]);
}

int cusim_sync_threads_count(int predicate) {
  worker *w = self;
  const unsigned t = w->current, generation = w->barrier_generation;
  if (w->traced) sim_trace_barrier((int)t);
  w->predicates += predicate != 0;
  if (++w->arrived == w->alive) {
    release_barrier(w);
  } else {
    w->warp[t / 32].at_barrier |= 1u << t % 32;
    wait_as(w, 'b');
  }
  return (int)w->counts[generation & 1];
}

void cusim_sync_threads(void) {
  cusim_sync_threads_count(0);
}
int cusim_live_threads(void) {
  return (int)self->alive;
}

static group *find_group(warp *p, unsigned mask) {
  for (int i = 0; i < p->groups; i++)
    if (p->group[i].mask == mask) return &p->group[i];
  if (!p->group) p->group = calloc(MOST_GROUPS, sizeof *p->group);
  // Masks of the past give their place away: only one that nobody waits in can be needed no more.
  int i = p->groups;
  if (p->groups == MOST_GROUPS)
    for (i = 0; i < MOST_GROUPS - 1 && p->group[i].arrived; i++) {
    }
  else
    p->groups++;
  p->group[i].mask = mask;
  p->group[i].arrived = 0;
  return &p->group[i];
}

unsigned cusim_exchange(unsigned mask, const void *value, size_t bytes, const unsigned char (**all)[16]) {
  worker *w = self;
  const unsigned t = w->current, lane = t % 32;
  warp *p = &w->warp[t / 32];
  group *g = find_group(p, mask);
  const unsigned buffer = g->generation & 1, wanted = mask & p->alive;
  memcpy(g->values[buffer][lane], value, bytes);
  g->arrived |= 1u << lane;
  if (w->traced) sim_trace_warp_op((int)t, __builtin_popcount(wanted));
  if (g->arrived == wanted) {
    complete(w, t / 32, g);
    p->ready &= ~(1u << lane);  // the last one goes on at once
    if (!p->ready) w->warps_ready &= ~(1u << t / 32);
  } else {
    wait_as(w, 'w');
  }
  *all = (const unsigned char(*)[16])g->values[buffer];
  return g->took_part[buffer];
}

void cusim_sync_warp(unsigned mask) {
  const unsigned char(*all)[16];
  const unsigned char nothing = 0;
  cusim_exchange(mask, &nothing, 1, &all);
}

unsigned cusim_lane(void) {
  return self->current % 32;
}
unsigned cusim_active_mask(void) {
  return self->warp[self->current / 32].alive;
}
void *cusim_dynamic_shared(void) {
  return self->dynamic_shared;
}

void cusim_note_shared(const void *base, size_t bytes) {
  if (self->traced) sim_trace_shared(base, bytes);
}

void cusim_note_atomic(const void *address, size_t bytes) {
  if (self->traced) sim_trace_atomic((int)self->current, address, bytes);
}

void cusim_assert_fail(const char *expression, const char *file, unsigned line, const char *function) {
  const sim_index b = cusim_block_idx, t = cusim_thread_idx;
  fprintf(stderr, "%s:%u: %s: block: [%u,%u,%u], thread: [%u,%u,%u] Assertion `%s` failed.\n", file, line,
          function, b.x, b.y, b.z, t.x, t.y, t.z, expression);
  exit(1);
}

// ---------------------------------------------------------------- a block, a grid

static void report_stuck(const worker *w) {
  unsigned barrier = 0, warp_op = 0, example = 0;
  for (unsigned t = 0; t < w->threads; t++) {
    if (w->waits[t] == 'b') barrier++;
    if (w->waits[t] == 'w') warp_op++, example = t;
    if (w->waits[t] == 'b' && !warp_op) example = t;
  }
  const sim_index b = cusim_block_idx;
  fprintf(stderr,
          "cusim: %s: block (%u,%u,%u) can never go on: %u threads wait at __syncthreads, %u in a warp "
          "operation for "
          "lanes that never come (thread %u, for one)\n",
          w->launch->kernel, b.x, b.y, b.z, barrier, warp_op, example);
}

static void run_block(worker *w, uint64_t index, sim_body *body, bool traced) {
  const sim_dim3 grid = w->launch->grid;
  w->body = body;
  w->traced = traced;
  w->alive = w->threads;
  w->arrived = w->predicates = w->barrier_generation = 0;
  w->free_stacks = 0;
  w->retired = -1;
  for (unsigned t = w->threads; t-- > 0;) {
    w->started[t] = false;
    w->waits[t] = 0;
    w->free_stack[w->free_stacks++] = (int)t;
  }
  w->warps_ready = w->warps == 32 ? ~0u : (1u << w->warps) - 1;
  for (unsigned i = 0; i < w->warps; i++) {
    const unsigned lanes = w->threads - 32 * i;
    w->warp[i].alive = w->warp[i].ready = lanes >= 32 ? ~0u : (1u << lanes) - 1;
    w->warp[i].at_barrier = 0;
    w->warp[i].groups = 0;
  }
  cusim_block_idx.x = (unsigned)(index % grid.x);
  cusim_block_idx.y = (unsigned)(index / grid.x % grid.y);
  cusim_block_idx.z = (unsigned)(index / grid.x / grid.y);
  w->current = ~0u;  // thread 0 is next
  run_next(w, &w->scheduler);
  if (w->alive) {
    w->stuck = true;
    report_stuck(w);
  }
}

static void free_worker(void *p) {
  worker *w = p;
  if (!w) return;
  if (w->stacks) sim_stacks_unmap(w->stacks, MOST_THREADS);
  for (int i = 0; i < MOST_WARPS; i++) free(w->warp[i].group);
  free(w->dynamic_shared);
  free(w);
}

static pthread_key_t worker_key;
static void make_key(void) {
  pthread_key_create(&worker_key, free_worker);
}

// This OS thread's worker, ready for the launch; NULL if there is no memory.
static worker *enter(const sim_launch *launch, void *packet) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_key);
  worker *w = pthread_getspecific(worker_key);
  if (!w) {
    w = calloc(1, sizeof *w);
    if (!w) return NULL;
    pthread_setspecific(worker_key, w);
  }
  if (!w->stacks && !(w->stacks = sim_stacks_map(MOST_THREADS))) return NULL;
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
  w->stuck = false;
  cusim_block_dim = (sim_index){launch->block.x, launch->block.y, launch->block.z};
  cusim_grid_dim = (sim_index){launch->grid.x, launch->grid.y, launch->grid.z};
  return w;
}

static bool contains(const uint64_t *blocks, int count, uint64_t index) {
  for (int i = 0; i < count; i++)
    if (blocks[i] == index) return true;
  return false;
}

// Traced blocks, or the rest, by this OS thread.
static enum sim_run_status run_traced(const sim_launch *launch, sim_body *twin, void *packet,
                                      const uint64_t *blocks, int count, uint64_t all,
                                      sim_counters *counters) {
  worker *w = enter(launch, packet);
  if (!w) return SIM_RUN_NO_MEMORY;
  self = w;
  for (uint64_t i = 0; i < (count < 0 ? all : (uint64_t)count) && !w->stuck; i++) {
    const uint64_t index = count < 0 ? i : blocks[i];
    sim_trace_open(launch, index, w->dynamic_shared, launch->dynamic_shared);
    run_block(w, index, twin, true);
    sim_trace_close(counters);
  }
  self = NULL;
  return w->stuck ? SIM_RUN_DEADLOCK : SIM_RUN_OK;
}

static enum sim_run_status run_plain(const sim_launch *launch, sim_body *body, void *packet, uint64_t blocks,
                                     const uint64_t *except, int exceptions) {
  int failed = SIM_RUN_OK;
  const uint64_t threads = (uint64_t)launch->block.x * launch->block.y * launch->block.z * blocks;
  // Waking other workers costs microseconds: a few blocks are done sooner by the caller.
#pragma omp parallel if (blocks > 1 && threads > 4096) reduction(max : failed)
  {
    worker *w = enter(launch, packet);
    if (!w) failed = SIM_RUN_NO_MEMORY;
    self = w;
    const uint64_t chunk = blocks / (8 * (uint64_t)omp_get_num_threads()) + 1;
#pragma omp for schedule(dynamic, chunk)
    for (uint64_t index = 0; index < blocks; index++) {
      if (!w || w->stuck || contains(except, exceptions, index)) continue;
      run_block(w, index, body, false);
    }
    if (w && w->stuck) failed = SIM_RUN_DEADLOCK;
    self = NULL;
  }
  return (enum sim_run_status)failed;
}

// CUSIM_EXECUTE=sampled: only the traced blocks are executed. Times come out as ever, results do not: for
// modelling sizes that would take minutes, of kernels whose control flow does not hang on their data. May
// change between launches.
static bool only_sampled(void) {
  const char *how = getenv("CUSIM_EXECUTE");
  return how && strcmp(how, "sampled") == 0;
}

enum sim_run_status sim_execute(const sim_launch *launch, sim_body *body, void *packet,
                                sim_counters *counters) {
  static pthread_mutex_t one_grid = PTHREAD_MUTEX_INITIALIZER;
  const uint64_t blocks = (uint64_t)launch->grid.x * launch->grid.y * launch->grid.z;
  uint64_t traced[MOST_TRACED];
  memset(counters, 0, sizeof *counters);
  pthread_mutex_lock(&one_grid);
  sim_body *twin = sim_twin(body);
  int count = twin ? sim_trace_plan(launch, traced, MOST_TRACED) : 0;
  enum sim_run_status status = SIM_RUN_OK;
  if (count != 0) status = run_traced(launch, twin, packet, traced, count, blocks, counters);
  if (status == SIM_RUN_OK && count >= 0 && (uint64_t)count < blocks && !(twin && only_sampled()))
    status = run_plain(launch, body, packet, blocks, traced, count);
  pthread_mutex_unlock(&one_grid);
  return status;
}
