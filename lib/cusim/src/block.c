// SPDX-License-Identifier: MIT
// The threads of a block, as fibers of one OS thread.
// A thread starts as a plain call on the stack where the thread before it ended. Only when it waits (at a
// block barrier, in an exchange within its warp) does it keep that stack, and the next thread gets another: a
// kernel without waits costs a function call a thread. Who waits gives way to the next lane of its warp that
// can run, then to the next warp, so shuffles stay within a warp.
#include "block.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "worker.h"

__thread sim_index cusim_thread_idx, cusim_block_idx, cusim_block_dim, cusim_grid_dim;
__thread worker *sim_self;
__thread unsigned cusim_patience;
#define self sim_self

bool sim_inside_kernel(void) {
  return self != NULL;
}

bool sim_block_owns(const void *address) {
  const uintptr_t a = (uintptr_t)address;
  if (a - (uintptr_t)self < sizeof *self) return true;
  for (unsigned i = 0; i < self->warps; i++) {
    const warp *p = &self->warp[i];
    if (p->group && a - (uintptr_t)p->group < MOST_GROUPS * sizeof *p->group) return true;
  }
  return false;
}

// ---------------------------------------------------------------- choosing who runs next

static inline unsigned bit(unsigned lane) {
  return 1u << lane;
}

static inline void make_ready(worker *w, warp *p, unsigned lanes) {
  p->ready |= lanes;
  if (p->ready) w->warps_ready |= bit(p->number);
}

static inline void not_ready(worker *w, warp *p, unsigned lane) {
  p->ready &= ~bit(lane);
  if (!p->ready) w->warps_ready &= ~bit(p->number);
}

static inline unsigned first_from(unsigned bits, unsigned start) {
  const unsigned above = start < 32 ? bits & (~0u << start) : 0;
  return (unsigned)__builtin_ctz(above ? above : bits);
}

static inline int linear(const worker *w) {
  return (int)(w->here->number * 32 + w->lane);
}

// Which of the set bits: any, as the seed has it.
static unsigned any_bit(worker *w, unsigned bits) {
  uint64_t skip = sim_schedule_choice(w->block, w->choices++, (uint64_t)__builtin_popcount(bits));
  for (; skip; skip--) bits &= bits - 1;
  return (unsigned)__builtin_ctz(bits);
}

static inline void run_lane(worker *w, warp *p, unsigned lane) {
  not_ready(w, p, lane);
  w->here = p;
  w->lane = lane;
  w->now = &p->thread[lane];
  cusim_thread_idx = w->now->index;
  cusim_row_end = w->now->index.x + 1;
  if (w->traced) {
    sim_trace_switch(linear(w));
    sim_check_switch(linear(w));
  }
}

// The next lane that can run, counted from the running one, becomes the running one; some warp must be ready.
static inline void choose(worker *w) {
  warp *p = w->here;
  if (w->shuffled) {
    p = &w->warp[any_bit(w, w->warps_ready)];
    run_lane(w, p, any_bit(w, p->ready));
    return;
  }
  unsigned lanes = p->ready & (~1u << w->lane);
  if (!lanes) {
    lanes = p->ready;
    if (!lanes) {
      p = &w->warp[first_from(w->warps_ready, p->number + 1)];
      lanes = p->ready;
    }
  }
  run_lane(w, p, (unsigned)__builtin_ctz(lanes));
}

static inline bool is_new(const worker *w) {
  return !(w->here->started & bit(w->lane));
}

static void run_threads(void);
static void answer(worker *w, warp *p);

// Puts the running thread, which is new, onto a stack of its own.
static void start(worker *w) {
  const int stack = w->free_stack[--w->free_stacks];
  w->here->started |= bit(w->lane);
  w->now->stack = stack;
  sim_fiber_prepare(&w->now->fiber, sim_stack_at(w->stacks, (size_t)stack, w->stack_bytes), w->stack_bytes,
                    (unsigned)stack, run_threads);
}

// The running thread waits: others run until somebody has made it ready and its turn comes.
static inline sim_switch give_way(worker *w) {
  sim_fiber *from = &w->now->fiber;
  if (!w->warps_ready) return (sim_switch){from, &w->scheduler};
  choose(w);
  if (is_new(w)) start(w);
  return (sim_switch){from, &w->now->fiber};
}
static const sim_switch go_on = {NULL, NULL};

// ---------------------------------------------------------------- threads that poll

enum { PATIENCE = 1000, LITTLE_PATIENCE = 50 };  // atomics in a row; the latter once somebody polls

// Whoever polls must let those run who may end the polling: first the lanes behind it, then the next warp, so
// that in the end everybody has had a turn.
sim_switch sim_let_others(void);
sim_switch sim_let_others(void) {
  worker *w = self;
  sim_settle(w);
  cusim_patience = LITTLE_PATIENCE;
  if (atomic_load_explicit(&w->expired, memory_order_relaxed)) sim_block_expired(w);
  warp *p = w->here;
  if (!w->warps_ready) return go_on;
  sim_fiber *from = &w->now->fiber;
  warp *mine = p;
  const unsigned lane = w->lane;
  if (!w->shuffled && !(p->ready & (~1u << lane))) {
    p = &w->warp[first_from(w->warps_ready, p->number + 1)];
    run_lane(w, p, (unsigned)__builtin_ctz(p->ready));
  } else {
    choose(w);
  }
  make_ready(w, mine, bit(lane));
  if (is_new(w)) start(w);
  return (sim_switch){from, &w->now->fiber};
}
SIM_WAITING_FUNCTION(sim_yield, sim_let_others, (void), ());

// A traced thread that polls without an atomic: as many basic blocks are a long time. The few of an atomic
// (a loop around a compare-and-swap on the host) are not interrupted, or it would count twice.
enum { STEPS = 1000, STEPS_OF_ATOMIC = 32 };
void sim_traced_step(void) {
  worker *w = self;
  if (!w || !w->traced || ++w->steps < STEPS) return;
  w->steps = 0;
  sim_yield();
}

// Round after round each lane makes one access, in their order. A seed's other orders show who relies on
// that.
void sim_lanes_in_step(const void *address) {
  enum { SHARED = 2 };
  worker *w = self;
  if (!w || !w->traced || w->shuffled || cusim_address_space(address) != SHARED) return;
  const unsigned patience = cusim_patience;
  w->in_step = true;
  w->steps = 0;
  sim_yield();
  cusim_patience = patience;
}

bool sim_worker_in_step(const worker *w) {
  return w->in_step;
}

void cusim_yield(void) {
  if (self) sim_yield();
}

// ---------------------------------------------------------------- what threads wait for

void sim_barrier_passed(worker *w) {
  w->counts[w->barrier_generation & 1] = w->predicates;
  w->barrier_generation++;
  sim_made_progress(w);
  w->arrived = w->predicates = 0;
}

static void release_barrier(worker *w) {
  sim_barrier_passed(w);
  for (unsigned i = 0; i < w->warps; i++) {
    warp *p = &w->warp[i];
    make_ready(w, p, p->at_barrier);
    p->at_barrier = 0;
  }
}

static inline void complete(worker *w, warp *p, group *g, bool counts) {
  memcpy(g->slots[g->generation & 1][32], &g->arrived, sizeof g->arrived);
  if (w->traced && counts) sim_trace_warp_op();
  make_ready(w, p, g->arrived);
  g->released = g->arrived;
  g->stamp = ++p->stamp;
  g->arrived = 0;
  g->generation++;
}

// Nobody else of the warp can run: those who ask from the same line as the first are active together.
static void answer(worker *w, warp *p) {
  if (!p->asking || p->ready) return;
  const unsigned where = p->asked_at[__builtin_ctz(p->asking)];
  unsigned together = 0;
  for (unsigned lane = 0; lane < 32; lane++)
    if ((p->asking & bit(lane)) && p->asked_at[lane] == where) together |= bit(lane);
  for (unsigned lane = 0; lane < 32; lane++)
    if (together & bit(lane)) p->active[lane] = together;
  p->asking &= ~together;
  make_ready(w, p, together);
}

// The running thread ended: barriers and exchanges that waited for it only are complete now, as on hardware.
static inline void thread_ended(worker *w) {
  warp *p = w->here;
  if (w->traced) sim_check_exit(linear(w));
  p->alive &= ~bit(w->lane);
  w->alive--;
  sim_made_progress(w);
  for (int i = 0; i < p->groups; i++) {
    group *g = &p->group[i];
    if (g->arrived && g->arrived == (g->mask & p->alive)) complete(w, p, g, true);
  }
  if (w->arrived && w->arrived == w->alive) release_barrier(w);
  if (p->asking) answer(w, p);
}

// A stack's life: threads one after the other, until the next one to run waits on a stack of its own.
void sim_thread_returned(worker *w) {
  for (;;) {
    sim_fiber *follower = sim_march_end(w);
    if (follower) sim_fiber_switch(&w->ended, follower);
    sim_settle(w);
    const int stack = w->now->stack;
    thread_ended(w);
    sim_fiber *next = &w->scheduler;
    if (w->warps_ready) {
      choose(w);
      if (is_new(w)) {
        w->here->started |= bit(w->lane);
        w->now->stack = stack;
        w->body(w->packet);
        continue;
      }
      next = &w->now->fiber;
    }
    w->free_stack[w->free_stacks++] = stack;  // nobody takes it before the switch away from it
    sim_fiber_switch(&w->ended, next);
  }
}

static void run_threads(void) {
  self->body(self->packet);
  sim_thread_returned(self);
}

sim_switch sim_arrive(void) {
  worker *w = self;
  sim_switch decided;
  if (sim_arrive_in_order(w, &decided)) return decided;
  sim_settle(w);
  if (w->traced) {
    sim_trace_barrier(linear(w));
    sim_check_barrier(linear(w));
  }
  if (++w->arrived == w->alive) {
    if (SIM_CAN_MARCH && w->alive == w->threads && !w->traced && !w->shuffled) {
      sim_barrier_passed(w);
      return sim_march_begin(w);
    }
    release_barrier(w);
    return go_on;
  }
  warp *p = w->here;
  p->at_barrier |= bit(w->lane);
  if (p->asking) answer(w, p);
  return give_way(w);
}

int cusim_sync_threads_count(int predicate) {
  worker *w = self;
  const unsigned generation = w->barrier_generation;
  w->predicates += predicate != 0;
  cusim_sync_threads();
  return (int)w->counts[generation & 1];
}

// The first thread behind the barrier waits for the other blocks, and with it the whole block.
void cusim_sync_grid(void) {
  worker *w = self;
  cusim_sync_threads();
  if (!w->at_grid) {
    w->at_grid = true;
    if (w->traced) sim_check_grid_reached();
    sim_check_pause();
    const bool together = sim_grid_wait();
    sim_check_resume();
    if (!together) {
      if (!w->launch->cooperative)
        fprintf(stderr, "cusim: %s: grid.sync() needs cudaLaunchCooperativeKernel\n", w->launch->kernel);
      sim_block_fail(SIM_RUN_GRID);
    }
    if (w->traced) sim_check_grid_sync();
  }
  cusim_sync_threads();
  w->at_grid = false;
}

int cusim_live_threads(void) {
  sim_settle(self);
  return (int)self->alive;
}

// Does a lane wait in it, or has one not made another exchange since? Each lane is in one group at most.
static bool in_use(const warp *p, const group *g) {
  for (unsigned lane = 0; lane < 32; lane++)
    if ((g->released & p->alive & bit(lane)) && p->seen[lane] < g->stamp) return true;
  return g->arrived != 0;
}

static group *find_group(warp *p, unsigned mask) {
  for (int i = 0; i < p->groups; i++)
    if (p->group[i].mask == mask) return &p->group[i];
  if (!p->group) p->group = calloc(MOST_GROUPS, sizeof *p->group);
  // Masks of the past give their place away: where nobody waits, nor has still to read what was exchanged.
  int i = p->groups;
  if (p->groups == MOST_GROUPS)
    for (i = 0; i < MOST_GROUPS - 1 && in_use(p, &p->group[i]); i++) {
    }
  else
    p->groups++;
  p->group[i].mask = mask;
  p->group[i].arrived = p->group[i].released = 0;
  return &p->group[i];
}

sim_switch sim_exchange(unsigned mask, const void *value, size_t bytes, const cusim_slot **all);
sim_switch sim_exchange(unsigned mask, const void *value, size_t bytes, const cusim_slot **all) {
  worker *w = self;
  sim_settle(w);
  const unsigned lane = w->lane;
  warp *p = w->here;
  p->seen[lane] = p->stamp;
  group *g = p->groups && p->group[0].mask == mask ? &p->group[0] : find_group(p, mask);
  cusim_slot *slots = g->slots[g->generation & 1];
  const unsigned wanted = mask & p->alive;
  const bool counts = bytes < CUSIM_PART;
  bytes %= CUSIM_PART;
  if (bytes == 4)
    memcpy(slots[lane], value, 4);
  else
    memcpy(slots[lane], value, bytes);
  *all = (const cusim_slot *)slots;
  g->arrived |= bit(lane);
  if (w->traced) {
    sim_check_warp_op(linear(w), mask);
  }
  if (g->arrived == wanted) {
    complete(w, p, g, counts);
    not_ready(w, p, lane);  // the last one goes on at once
    return go_on;
  }
  if (p->asking) answer(w, p);
  return give_way(w);
}
SIM_WAITING_FUNCTION(cusim_exchange, sim_exchange,
                     (unsigned mask, const void *value, size_t bytes, const cusim_slot **all),
                     (mask, value, bytes, all));

unsigned cusim_lane(void) {
  sim_settle(self);
  return self->lane;
}

// Lanes that are active together are those that come to the same line before any lane of the warp has to
// wait for them: everybody who can still run does so first.
sim_switch sim_ask(unsigned line);
sim_switch sim_ask(unsigned line) {
  worker *w = self;
  sim_settle(w);
  warp *p = w->here;
  p->asked_at[w->lane] = line;
  p->asking |= bit(w->lane);
  answer(w, p);
  if (!(p->ready & bit(w->lane))) return give_way(w);
  not_ready(w, p, w->lane);
  return go_on;
}
void sim_wait_for_answer(unsigned line);
SIM_WAITING_FUNCTION(sim_wait_for_answer, sim_ask, (unsigned line), (line));

unsigned cusim_active_mask(unsigned line) {
  sim_wait_for_answer(line);
  const worker *w = self;
  return w->here->active[w->lane];
}

void *cusim_dynamic_shared(void) {
  return self->dynamic_shared;
}

void cusim_note_shared(const void *base, size_t bytes) {
  if (!self->traced) return;
  sim_trace_shared(base, bytes);
  sim_check_shared(base, bytes);
}

void cusim_note_atomic(const void *address, size_t bytes, bool increment, const void *line) {
  if (!self->traced) return;
  if (--cusim_patience == 0 || self->steps > STEPS - STEPS_OF_ATOMIC) {
    self->steps = 0;
    sim_yield();
  }
  sim_trace_atomic(linear(self), (uintptr_t)line, address, bytes, increment);
  sim_check_access((uintptr_t)line, address, bytes, SIM_CHECK_WRITE | SIM_CHECK_ATOMIC);
}

void sim_block_fail(enum sim_run_status status) {
  worker *w = self;
  w->status = status;
  sim_fiber_switch(&w->ended, &w->scheduler);
  abort();  // nobody switches back
}

void cusim_note_half(unsigned long long operations) {
  const worker *w = self;
  if (w && w->traced) sim_trace_flops(linear(w), SIM_FLOP_HALF, operations);
}

void cusim_note_tensor(unsigned long long operations, unsigned operand_bytes) {
  const worker *w = self;
  if (!w || !w->traced) return;
  sim_trace_flops(linear(w), SIM_FLOP_TENSOR, operations);
  if (operand_bytes == 4) sim_trace_flops(linear(w), SIM_FLOP_TENSOR_TF32, operations);
}

void cusim_note_copy(bool begins) {
  if (self->traced) sim_trace_copy(linear(self), begins);
}
void cusim_note_commit(void) {
  if (self->traced) sim_trace_commit(linear(self));
}
void cusim_note_wait(unsigned pending) {
  if (self->traced) sim_trace_wait(linear(self), pending);
}

void cusim_assert_fail(const char *expression, const char *file, unsigned line, const char *function) {
  worker *w = self;
  if (!w) __assert_fail(expression, file, line, function);
  const sim_index b = cusim_block_idx, t = cusim_thread_idx;
  fprintf(stderr, "%s:%u: %s: block: [%u,%u,%u], thread: [%u,%u,%u] Assertion `%s` failed.\n", file, line,
          function, b.x, b.y, b.z, t.x, t.y, t.z, expression);
  sim_block_fail(SIM_RUN_ASSERT);
}

// ---------------------------------------------------------------- a block

static void report_stuck(const worker *w) {
  if (sim_check_replays()) return;
  int barrier = 0, warp_op = 0, example = -1;
  for (unsigned i = 0; i < w->warps; i++) {
    const warp *p = &w->warp[i];
    const unsigned in_exchange = p->alive & p->started & ~p->at_barrier;
    barrier += __builtin_popcount(p->at_barrier);
    warp_op += __builtin_popcount(in_exchange);
    const unsigned here = in_exchange ? in_exchange : p->at_barrier;
    if (here && (example < 0 || in_exchange)) example = (int)(i * 32) + __builtin_ctz(here);
  }
  if (w->traced) {
    unsigned at_barrier[MOST_WARPS], in_exchange[MOST_WARPS];
    for (unsigned i = 0; i < w->warps; i++) {
      at_barrier[i] = w->warp[i].at_barrier;
      in_exchange[i] = w->warp[i].alive & w->warp[i].started & ~w->warp[i].at_barrier;
    }
    sim_check_stuck(w->warps, at_barrier, in_exchange);
  }
  const sim_index b = cusim_block_idx;
  fprintf(stderr,
          "cusim: %s: block (%u,%u,%u) can never go on: %d threads wait at __syncthreads, %d in a warp "
          "operation for lanes that never come (thread %d, for one)\n",
          w->launch->kernel, b.x, b.y, b.z, barrier, warp_op, example);
}

void sim_all_stacks_free(worker *w) {
  w->free_stacks = 0;
  for (int i = MOST_THREADS; i-- > 0;) w->free_stack[w->free_stacks++] = i;
}

// Other orders than the usual one, and observers, need to know from the start who is where.
static void begin_chosen(worker *w) {
  w->warps_ready = w->warps == 32 ? ~0u : (1u << w->warps) - 1;
  for (unsigned i = 0; i < w->warps; i++) {
    warp *p = &w->warp[i];
    const unsigned lanes = w->threads - 32 * i;
    p->alive = p->ready = lanes >= 32 ? ~0u : (1u << lanes) - 1;
    p->started = p->at_barrier = p->asking = 0;
    p->groups = 0;
  }
  w->here = &w->warp[0];
  w->lane = 31;  // behind it comes lane 0
  choose(w);
  start(w);
}

static void begin_in_order(worker *w) {
  w->order = SIM_ROWS;
  w->row_stack = w->free_stack[--w->free_stacks];
  w->now = &w->thread[0];
  sim_fiber_prepare(&w->now->fiber, sim_stack_at(w->stacks, (size_t)w->row_stack, w->stack_bytes),
                    w->stack_bytes, (unsigned)w->row_stack, sim_run_rows);
}

enum sim_run_status sim_run_block(worker *w, uint64_t index, sim_body *body, bool traced) {
  const sim_dim3 grid = w->launch->grid;
  w->body = body;
  w->traced = traced;
  w->in_step = false;
  w->at_grid = false;
  w->alive = w->threads;
  w->arrived = w->predicates = w->barrier_generation = 0;
  w->status = SIM_RUN_OK;
  sim_clock_reset();
  sim_tiles_reset();
  w->block = index;
  w->choices = 0;
  w->steps = 0;
  cusim_patience = PATIENCE;
  cusim_block_idx.x = (unsigned)(index % grid.x);
  cusim_block_idx.y = (unsigned)(index / grid.x % grid.y);
  cusim_block_idx.z = (unsigned)(index / grid.x / grid.y);
  if (traced || w->shuffled)
    begin_chosen(w);
  else
    begin_in_order(w);
  sim_fiber_switch(&w->scheduler, &w->now->fiber);
  if (w->alive == 0) return SIM_RUN_OK;
  sim_all_stacks_free(w);
  sim_in_order_end(w);
  if (w->status == SIM_RUN_OK) {
    report_stuck(w);
    w->status = SIM_RUN_DEADLOCK;
  }
  return w->status;
}
