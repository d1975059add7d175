// SPDX-License-Identifier: MIT
// A grid: its blocks over OpenMP workers, the few that are observed through the traced twin.
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "block.h"
#include "check.h"
#include "child.h"

static bool contains(const uint64_t *blocks, int count, uint64_t index) {
  for (int i = 0; i < count; i++)
    if (blocks[i] == index) return true;
  return false;
}

// Every block traced, in order, by this OS thread.
static enum sim_run_status run_traced(const sim_launch *launch, sim_body *twin, void *packet, uint64_t all,
                                      sim_counters *counters) {
  worker *w = sim_worker_enter(launch, packet);
  if (!w) return SIM_RUN_NO_MEMORY;
  enum sim_run_status status = SIM_RUN_OK;
  for (uint64_t index = 0; index < all && status == SIM_RUN_OK; index++) {
    sim_trace_open(launch, index, sim_worker_shared(w), launch->dynamic_shared);
    status = sim_run_block(w, index, twin, true);
    sim_trace_close(counters);
  }
  sim_worker_leave();
  return status;
}

static void add_counters(sim_counters *sum, const sim_counters *more) {
  const uint64_t shared = sum->static_shared_bytes > more->static_shared_bytes ? sum->static_shared_bytes
                                                                               : more->static_shared_bytes;
  uint64_t *to = (uint64_t *)sum;
  const uint64_t *from = (const uint64_t *)more;
  for (size_t i = 0; i < sizeof *sum / sizeof *to; i++) to[i] += from[i];
  sum->static_shared_bytes = shared;
}

static void open_check(const sim_launch *launch, uint64_t index, const worker *w, const void *packet) {
  sim_check_place place = {.dynamic_shared = sim_worker_shared(w), .packet = packet};
  place.stacks = sim_worker_stacks(w, &place.stack_bytes);
  sim_check_open(launch, index, &place);
}

// Every block by this OS thread, one after the other, so that the checker's findings hang on nothing else.
static enum sim_run_status run_checked(const sim_launch *launch, sim_body *twin, void *packet,
                                       const uint64_t *blocks, int count, uint64_t all,
                                       sim_counters *counters) {
  worker *w = sim_worker_enter(launch, packet);
  if (!w) return SIM_RUN_NO_MEMORY;
  enum sim_run_status status = SIM_RUN_OK;
  for (uint64_t index = 0; index < all && status == SIM_RUN_OK; index++) {
    const bool counted = count < 0 || contains(blocks, count, index);
    open_check(launch, index, w, packet);
    if (counted) sim_trace_open(launch, index, sim_worker_shared(w), launch->dynamic_shared);
    status = sim_run_block(w, index, twin, true);
    if (counted) sim_trace_close(counters);
    const size_t children = sim_children_waiting();
    if (status == SIM_RUN_OK && sim_check_replay_begin())
      sim_check_replay_end(sim_run_block(w, index, twin, true) == SIM_RUN_OK);
    sim_children_forget(children);
    sim_check_close();
  }
  sim_worker_leave();
  return status;
}

// ---------------------------------------------------------------- lanes in step

// Kernels one of whose traced blocks has shown that its lanes must run in step. Only the traced code can do
// that, so all their blocks run through it. Entries are never removed; without room a kernel's other blocks
// run as any.
enum { MOST_IN_STEP = 256 };
static _Atomic(sim_body *) bodies_in_step[MOST_IN_STEP];

static bool known_in_step(sim_body *body) {
  for (int i = 0; i < MOST_IN_STEP; i++) {
    sim_body *known = atomic_load_explicit(&bodies_in_step[i], memory_order_relaxed);
    if (!known || known == body) return known != NULL;
  }
  return false;
}

static void remember_in_step(sim_body *body) {
  for (int i = 0; i < MOST_IN_STEP; i++) {
    sim_body *known = NULL;
    if (atomic_compare_exchange_strong(&bodies_in_step[i], &known, body) || known == body) return;
  }
}

// One block through the twin if it is traced, or if its lanes must run in step.
static int run_block(worker *w, uint64_t index, sim_body *body, sim_body *twin, bool traced) {
  const bool through_twin = traced || (twin && known_in_step(body));
  const int status = (int)sim_run_block(w, index, through_twin ? twin : body, through_twin);
  if (through_twin && sim_worker_in_step(w)) remember_in_step(body);
  return status;
}

// ---------------------------------------------------------------- sampled grids

// A grid of which no or a few blocks are traced. These are issued first, in turn, so that what they count
// hangs on no other block; if the first of them is long, the others need not be traced. But they may poll for
// what the blocks before them publish: when nothing has happened for a while, the others start beside them.
typedef struct sampled {
  const sim_launch *launch;
  sim_body *body, *twin;
  void *packet;
  const uint64_t *traced;
  int traced_count;
  uint64_t blocks;
  sim_counters first, rest;
  _Atomic bool first_done, traced_done;
  _Atomic bool taken[SIM_MOST_TRACED];  // by a worker
  _Atomic int failed;                   // the first failure ends the grid
} sampled;

static const double patience_s = 0.2, short_wait_s = 100e-6;

static bool first_is_enough(const sampled *g) {
  return atomic_load(&g->first_done) && g->traced_count > 1 && g->first.blocks == g->blocks;
}

static void run_one_block(sampled *g, worker *w, uint64_t index) {
  const bool planned = contains(g->traced, g->traced_count, index), first = planned && index == g->traced[0];
  const bool wanted = planned && !first_is_enough(g);
  const bool traced =
      wanted && sim_trace_open(g->launch, index, sim_worker_shared(w), g->launch->dynamic_shared);
  if (!traced && g->twin && g->launch->only_sampled) return;
  const int status = run_block(w, index, g->body, g->twin, traced);
  if (traced) sim_trace_close(first ? &g->first : &g->rest);
  if (status) atomic_store(&g->failed, status);
}

static void run_traced_first(sampled *g, worker *w) {
  for (int i = 0; i < g->traced_count && !atomic_load(&g->failed); i++) {
    if (!atomic_exchange(&g->taken[i], true)) run_one_block(g, w, g->traced[i]);
    atomic_store(&g->first_done, true);
  }
  atomic_store(&g->traced_done, true);
}

static bool take(sampled *g, uint64_t index) {
  for (int i = 0; i < g->traced_count; i++)
    if (g->traced[i] == index) return !atomic_exchange(&g->taken[i], true);
  return true;
}

static void wait_for_traced(const sampled *g) {
  uint64_t before = sim_watch_progress();
  const double began = omp_get_wtime();
  double since = began;
  while (!atomic_load(&g->traced_done) && omp_get_wtime() < since + patience_s) {
    // Tracing a block takes microseconds or tenths of seconds: the latter should cost others no processor.
    if (omp_get_wtime() < began + short_wait_s)
      sched_yield();
    else
      nanosleep(&(struct timespec){.tv_nsec = 50 * 1000}, NULL);
    const uint64_t progress = sim_watch_progress();
    if (progress != before) since = omp_get_wtime();
    before = progress;
  }
}

// With a seed the blocks start in another order: index · a + b modulo their number, a prime to it.
typedef struct order {
  uint64_t blocks, factor, offset;
} order;

static uint64_t common_divisor(uint64_t a, uint64_t b) {
  while (b) {
    const uint64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

static order order_of(uint64_t blocks) {
  enum { PLACE = 1 };
  if (!sim_schedule_shuffled()) return (order){blocks, 1, 0};
  order o = {blocks, 1 + sim_schedule_choice(PLACE, 0, blocks), sim_schedule_choice(PLACE, 1, blocks)};
  while (common_divisor(o.factor, blocks) != 1) o.factor++;
  return o;
}

static uint64_t block_at(const order *o, uint64_t place) {
  return (uint64_t)(((unsigned __int128)place * o->factor + o->offset) % o->blocks);
}

static enum sim_run_status run_sampled(sampled *g, sim_counters *counters) {
  const uint64_t threads = (uint64_t)g->launch->block.x * g->launch->block.y * g->launch->block.z * g->blocks;
  const order o = order_of(g->blocks);
  const bool tracing = g->traced_count > 0 && g->blocks > 1;
  const int workers = tracing && omp_get_max_threads() < 2 ? 2 : omp_get_max_threads();
  // Waking other workers costs microseconds: a few blocks are done sooner by the caller.
#pragma omp parallel num_threads(workers) if (tracing || (g->blocks > 1 && threads > 4096))
  {
    worker *w = sim_worker_enter(g->launch, g->packet);
    if (!w) atomic_store(&g->failed, SIM_RUN_NO_MEMORY);
    if (g->traced_count > 0) {
      if (w && omp_get_thread_num() == 0)
        run_traced_first(g, w);
      else
        wait_for_traced(g);
    }
    const uint64_t chunk = g->blocks / (8 * (uint64_t)omp_get_num_threads()) + 1;
#pragma omp for schedule(monotonic : dynamic, chunk)
    for (uint64_t place = 0; place < g->blocks; place++) {
      const uint64_t index = block_at(&o, place);
      if (atomic_load_explicit(&g->failed, memory_order_relaxed)) continue;
      if (take(g, index)) run_one_block(g, w, index);
    }
    sim_worker_leave();
  }
  *counters = g->first;
  if (!first_is_enough(g)) add_counters(counters, &g->rest);
  return (enum sim_run_status)atomic_load(&g->failed);
}

// ---------------------------------------------------------------- cooperative grids

// All blocks live at once, each on an OS thread of its own: a block that waits for the others holds its
// thread.
typedef struct together {
  const sim_launch *launch;
  sim_body *body, *twin;
  void *packet;
  const uint64_t *traced;
  int traced_count;  // negative: all
  sim_counters *counters;
} together;

static struct {
  pthread_mutex_t lock;
  pthread_cond_t turn;
  uint64_t living, waiting, generation;
  int failed;
} grid = {.lock = PTHREAD_MUTEX_INITIALIZER, .turn = PTHREAD_COND_INITIALIZER};

static void next_generation(void) {
  grid.waiting = 0;
  grid.generation++;
  pthread_cond_broadcast(&grid.turn);
}

bool sim_grid_wait(void) {
  pthread_mutex_lock(&grid.lock);
  const uint64_t generation = grid.generation;
  if (grid.living && ++grid.waiting == grid.living) next_generation();
  while (grid.living && !grid.failed && generation == grid.generation)
    pthread_cond_wait(&grid.turn, &grid.lock);
  const bool together_again = grid.living && !grid.failed;
  pthread_mutex_unlock(&grid.lock);
  return together_again;
}

// A block that ended is waited for no more; one that failed ends the others' waits.
static void leave_grid(int status) {
  pthread_mutex_lock(&grid.lock);
  if (status && !grid.failed) grid.failed = status;
  grid.living--;
  if (grid.failed || (grid.waiting && grid.waiting == grid.living)) next_generation();
  pthread_mutex_unlock(&grid.lock);
}

typedef struct one_block {
  const together *all;
  uint64_t index;
  pthread_t thread;
} one_block;

static void *run_one(void *argument) {
  const one_block *b = argument;
  const together *all = b->all;
  const bool traced =
      all->twin && (all->traced_count < 0 || contains(all->traced, all->traced_count, b->index));
  const bool checked = all->twin && sim_check_on();
  int status = SIM_RUN_NO_MEMORY;
  worker *w = sim_worker_enter(all->launch, all->packet);
  if (w && traced) sim_trace_open(all->launch, b->index, sim_worker_shared(w), all->launch->dynamic_shared);
  if (w && checked) open_check(all->launch, b->index, w, all->packet);
  if (w) status = run_block(w, b->index, all->body, all->twin, traced || checked);
  if (w && checked) sim_check_close();
  if (w && traced) {
    pthread_mutex_lock(&grid.lock);
    sim_trace_close(all->counters);
    pthread_mutex_unlock(&grid.lock);
  }
  sim_worker_leave();
  leave_grid(status);
  return NULL;
}

static enum sim_run_status run_together(const together *all, uint64_t blocks) {
  one_block *block = calloc(blocks, sizeof *block);
  if (!block) return SIM_RUN_NO_MEMORY;
  grid.living = blocks;
  grid.waiting = 0;
  grid.failed = SIM_RUN_OK;
  uint64_t started = 0;
  for (; started < blocks; started++) {
    block[started] = (one_block){.all = all, .index = started};
    if (pthread_create(&block[started].thread, NULL, run_one, &block[started])) break;
  }
  for (uint64_t i = started; i < blocks; i++) leave_grid(SIM_RUN_NO_MEMORY);
  for (uint64_t i = 0; i < started; i++) pthread_join(block[i].thread, NULL);
  free(block);
  grid.living = 0;
  return (enum sim_run_status)grid.failed;
}

// CUSIM_EXECUTE=sampled: only the traced blocks are executed. Times come out as ever, results do not: for
// modelling sizes that would take minutes, of kernels whose control flow does not hang on their data. May
// change between launches.
bool sim_only_sampled(void) {
  const char *how = getenv("CUSIM_EXECUTE");
  return how && strcmp(how, "sampled") == 0;
}

enum sim_run_status sim_execute(const sim_launch *launch, sim_body *body, void *packet,
                                sim_counters *counters) {
  const uint64_t blocks = (uint64_t)launch->grid.x * launch->grid.y * launch->grid.z;
  memset(counters, 0, sizeof *counters);
  sim_gate_enter(launch);
  sim_watch_grid();
  sim_body *twin = sim_twin(body);
  const int count = twin ? launch->traced_count : 0;
  enum sim_run_status status = SIM_RUN_OK;
  if (launch->cooperative) {
    const together all = {launch, body, twin, packet, launch->traced, count, counters};
    status = run_together(&all, blocks);
    sim_check_grid_done();
    sim_gate_leave();
    return status;
  }
  if (twin && sim_check_on() && !launch->only_sampled) {
    status = run_checked(launch, twin, packet, launch->traced, count, blocks, counters);
    sim_check_grid_done();
    sim_gate_leave();
    return status;
  }
  if (count < 0) {
    status = run_traced(launch, twin, packet, blocks, counters);
  } else {
    sampled g = {launch, body, twin, packet, launch->traced, count, blocks, .failed = SIM_RUN_OK};
    status = run_sampled(&g, counters);
  }
  sim_gate_leave();
  return status;
}
