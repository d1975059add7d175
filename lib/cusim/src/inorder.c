// SPDX-License-Identifier: MIT
// The usual case without bookkeeping: the threads of a block run in their order. Two ways:
// - Rows: as long as nobody has waited, threads are calls one after the other. The compiler makes the loop
//   over a row of them (cusim::body::run); it goes on while threadIdx.x is below cusim_row_end. Rows are cut
//   to strips: where neighbours in a row touch lines of a power of two apart (a transposed matrix), as many
//   lines as a strip is wide stay in the first-level cache, which keeps 8 to 12 of them, until the next rows
//   have touched the rest of them.
// - Marches: a barrier that everybody comes to is reached, passed and left behind in order, each thread
//   switching straight to its successor.
// Whatever else happens (an exchange, an end, polling) needs to know who is where: sim_settle says it.
#include "worker.h"

#include <stddef.h>

enum { STRIP = 8 };

__thread unsigned cusim_row_end;
__thread sim_march_state sim_march;

static inline unsigned low_bits(unsigned count) {
  return count >= 32 ? ~0u : (1u << count) - 1;
}

void sim_in_order_end(worker *w) {
  w->order = SIM_ANY_ORDER;
  sim_march = (sim_march_state){NULL, NULL, NULL, NULL};
}

// ---------------------------------------------------------------- rows

static inline unsigned strip_width(const worker *w) {
  return w->shape.y > 1 ? STRIP : w->shape.x;
}

void sim_run_rows(void) {
  worker *w = sim_self;
  const unsigned width = strip_width(w);
  for (unsigned z = 0; z < w->shape.z; z++)
    for (unsigned x = 0; x < w->shape.x; x += width)
      for (unsigned y = 0; y < w->shape.y; y++) {
        cusim_thread_idx = (sim_index){x, y, z};
        cusim_row_end = w->shape.x - x < width ? w->shape.x : x + width;
        w->body(w->packet);
        if (w->order != SIM_ROWS) sim_thread_returned(w);  // somebody has waited
        sim_made_progress(w);
      }
  sim_in_order_end(w);
  w->alive = 0;
  w->free_stack[w->free_stacks++] = w->row_stack;
  sim_fiber_switch(&w->ended, &w->scheduler);
}

// The running thread. The watchdog may interrupt the loop over a row between two threads: behind the row's
// end the last one counts, which then finds that it has ended.
static sim_index now_in_rows(void) {
  sim_index t = cusim_thread_idx;
  if (t.x >= cusim_row_end) t.x = cusim_row_end - 1;
  return t;
}

// The threads of warp i that have ended before thread t began.
static unsigned ended_in_rows(const worker *w, unsigned i, sim_index t) {
  const unsigned width = strip_width(w), from = t.x / width * width;
  unsigned lanes = 0;
  for (unsigned lane = 0; lane < 32 && 32 * i + lane < w->threads; lane++) {
    const sim_index o = w->warp[i].thread[lane].index;
    const bool in_strip = o.x >= from && o.x < from + width;
    const bool in_plane = o.x < from || (in_strip && (o.y < t.y || (o.y == t.y && o.x < t.x)));
    if (o.z < t.z || (o.z == t.z && in_plane)) lanes |= 1u << lane;
  }
  return lanes;
}

// ---------------------------------------------------------------- who is where

static void give_back_stacks(worker *w, const thread *from, const thread *to) {
  for (; from < to; from++) w->free_stack[w->free_stacks++] = from->stack;
}

// Of an earlier block.
static void forget_waits(warp *p) {
  p->asking = 0;
  p->groups = 0;
}

void sim_settle_now(worker *w) {
  const enum sim_order order = w->order;
  const sim_index t = now_in_rows();
  const unsigned n =
      order == SIM_ROWS ? t.x + w->shape.x * (t.y + w->shape.y * t.z) : (unsigned)(sim_march.now - w->thread);
  const bool waiting = order == SIM_FIRST_MARCH || order == SIM_MARCH;  // those before it; or they have ended
  const bool fresh = order == SIM_ROWS || order == SIM_FIRST_MARCH;     // those behind it; or they wait
  w->here = &w->warp[n / 32];
  w->lane = n % 32;
  w->now = &w->thread[n];
  cusim_row_end = w->now->index.x + 1;
  if (order == SIM_ROWS) w->now->stack = w->row_stack;
  if (order == SIM_FIRST_MARCH) give_back_stacks(w, w->now + 1, w->thread + w->threads);
  if (order == SIM_LAST_MARCH) give_back_stacks(w, w->thread, w->now);
  w->warps_ready = 0;
  unsigned gone = 0;
  for (unsigned i = 0; i < w->warps; i++) {
    warp *p = &w->warp[i];
    const unsigned all = low_bits(w->threads - 32 * i), here = i == n / 32 ? 1u << n % 32 : 0;
    unsigned before = all & (n > 32 * i ? low_bits(n - 32 * i) : 0);
    if (order == SIM_ROWS && n > 0) before = ended_in_rows(w, i, t);
    p->ready = all & ~before & ~here;
    if (p->ready) w->warps_ready |= 1u << i;
    p->at_barrier = waiting ? before : 0;
    gone += (unsigned)__builtin_popcount(before);
    p->alive = waiting ? all : all & ~before;
    if (fresh) p->started = before | here;
    if (order == SIM_ROWS) forget_waits(p);
  }
  if (waiting)
    w->arrived = gone;
  else
    w->alive = w->threads - gone;
  sim_in_order_end(w);
}

// ---------------------------------------------------------------- marches

#if SIM_CAN_MARCH
// How the successor goes on: from where it waits, or as a new thread on the stack whose top its fiber has
// instead of a context.
extern const char sim_continue_thread[], sim_begin_thread[];
void sim_begin_second_thread(void);
enum { BELOW_TOP = 136 };  // where the switch fetches the lines ahead

// The first thread of the block is at a barrier, and nobody has run before it.
static sim_switch begin_first_march(worker *w) {
  thread *t = w->thread, *const end = t + w->threads;
  t->stack = w->row_stack;
  while (++t < end) {
    t->stack = w->free_stack[--w->free_stacks];
    t->fiber.stack_pointer = w->stack_top[t->stack] - BELOW_TOP;
  }
  for (unsigned i = 0; i < w->warps; i++) {
    w->warp[i].started = low_bits(w->threads - 32 * i);  // when anybody asks
    forget_waits(&w->warp[i]);
  }
  thread *second = &w->thread[1];
  sim_fiber_prepare(&second->fiber, sim_stack_at(w->stacks, (size_t)second->stack, w->stack_bytes),
                    w->stack_bytes, (unsigned)second->stack, sim_begin_second_thread);
  w->order = SIM_FIRST_MARCH;
  sim_march = (sim_march_state){second, end - 1, NULL, sim_begin_thread};
  cusim_thread_idx = second->index;
  cusim_row_end = 0;
  return (sim_switch){&w->thread[0].fiber, &second->fiber};
}

sim_switch sim_march_begin(worker *w) {
  thread *first = &w->thread[0], *last = &w->thread[w->threads - 1];
  sim_fiber *from = sim_march.now ? &last->fiber : &w->now->fiber;
  w->order = SIM_MARCH;
  sim_march = (sim_march_state){first, last, NULL, sim_continue_thread};
  w->arrived = 0;
  cusim_thread_idx = first->index;
  cusim_row_end = 0;
  return (sim_switch){from, &first->fiber};
}

bool sim_arrive_in_order(worker *w, sim_switch *decided) {
  switch (w->order) {
    case SIM_ROWS: {
      const sim_index t = cusim_thread_idx;
      if (t.x || t.y || t.z || w->threads == 1) return false;
      *decided = begin_first_march(w);
      return true;
    }
    case SIM_FIRST_MARCH:
    case SIM_MARCH:  // its last one: all others give way to their successors
      sim_barrier_passed(w);
      *decided = sim_march_begin(w);
      return true;
    default:
      return false;
  }
}

// Whoever arrives at a barrier in the last march is also the last one to do so: it must settle.
sim_fiber *sim_march_end(worker *w) {
  thread *t = sim_march.now, *last = &w->thread[w->threads - 1];
  if (w->order == SIM_MARCH && t == w->thread) w->order = SIM_LAST_MARCH;
  if (w->order != SIM_LAST_MARCH) return NULL;
  if (t == last) {
    give_back_stacks(w, w->thread, w->thread + w->threads);
    sim_in_order_end(w);
    w->alive = 0;
    return &w->scheduler;
  }
  t++;
  sim_march = (sim_march_state){t, t, last, sim_continue_thread};
  cusim_thread_idx = t->index;
  return &t->fiber;
}

_Static_assert(offsetof(worker, body) == 0 && offsetof(worker, packet) == 8,
               "sim_begin_thread knows the layout of a worker");
_Static_assert(offsetof(thread, fiber) == 0 && offsetof(thread, index) == 8 && sizeof(thread) == 24,
               "cusim_sync_threads knows the layout of a thread");
_Static_assert(offsetof(sim_march_state, now) == 0 && offsetof(sim_march_state, last_to_arrive) == 8 &&
                   offsetof(sim_march_state, last_to_end) == 16 && offsetof(sim_march_state, go_on) == 24,
               "cusim_sync_threads knows the layout of the march");

// To the stack of the thread behind %rcx, which becomes the running one, fetching what the one after the next
// will need. %rax: the march.
#define TO_SUCCESSOR                               \
  "  movq 24(%rcx), %rsp\n"                        \
  "  movq 72(%rcx), %rdx\n"                        \
  "  prefetcht0 8(%rdx)\n"                         \
  "  prefetcht0 72(%rdx)\n"                        \
  "  addq $24, %rcx\n"                             \
  "  movq %rcx, %fs:(%rax)\n"                      \
  "  movq cusim_thread_idx@gottpoff(%rip), %rsi\n" \
  "  movq 8(%rcx), %rdx\n"                         \
  "  movl 16(%rcx), %edi\n"                        \
  "  movq %rdx, %fs:(%rsi)\n"                      \
  "  movl %edi, %fs:8(%rsi)\n"

// As SIM_WAITING_FUNCTION, after a look whether a march goes on: then the successor's stack pointer and index
// are all that is needed.
__asm__(
    ".text\n"
    ".p2align 6\n"
    ".globl cusim_sync_threads\n"
    ".type cusim_sync_threads, @function\n"
    "cusim_sync_threads:\n"
    "  pushq %rbp\n"
    "  pushq %rbx\n"
    "  pushq %r12\n"
    "  pushq %r13\n"
    "  pushq %r14\n"
    "  pushq %r15\n"
    "  subq $8, %rsp\n"
    "  movq sim_march@gottpoff(%rip), %rax\n"
    "  movq %fs:(%rax), %rcx\n"
    "  cmpq %fs:8(%rax), %rcx\n"
    "  je 2f\n"
    "  movq %rsp, (%rcx)\n" TO_SUCCESSOR
    "  jmpq *%fs:24(%rax)\n"
    ".globl sim_continue_thread\n"
    "sim_continue_thread:\n"
    "  addq $8, %rsp\n"
    "  popq %r15\n"
    "  popq %r14\n"
    "  popq %r13\n"
    "  popq %r12\n"
    "  popq %rbx\n"
    "  popq %rbp\n"
    "  popq %rcx\n"
    "  jmp *%rcx\n"
    "2:\n"
    "  call sim_arrive\n"
    "  testq %rdx, %rdx\n"
    "  je sim_continue_thread\n"
    "  movq %rsp, (%rax)\n"
    "  movq (%rdx), %rsp\n"
    "  jmp sim_continue_thread\n"
    ".size cusim_sync_threads, .-cusim_sync_threads\n");

// A thread's life in the first march, and from its end to its successor's return to where that waits.
__asm__(
    ".text\n"
    ".p2align 6\n"
    ".globl sim_begin_second_thread\n"
    ".type sim_begin_second_thread, @function\n"
    "sim_begin_second_thread:\n"
    "  subq $128, %rsp\n"
    ".globl sim_begin_thread\n"
    "sim_begin_thread:\n"
    "  addq $136, %rsp\n"
    "  movq sim_self@gottpoff(%rip), %rax\n"
    "  movq %fs:(%rax), %rax\n"
    "  movq 8(%rax), %rdi\n"
    "  call *(%rax)\n"
    "  movq sim_march@gottpoff(%rip), %rax\n"
    "  movq %fs:(%rax), %rcx\n"
    "  cmpq %fs:16(%rax), %rcx\n"
    "  jae 3f\n" TO_SUCCESSOR
    "  movq %rcx, %fs:8(%rax)\n"
    "  jmp sim_continue_thread\n"
    "3:\n"
    "  movq sim_self@gottpoff(%rip), %rax\n"
    "  movq %fs:(%rax), %rdi\n"
    "  call sim_thread_returned\n"
    ".size sim_begin_second_thread, .-sim_begin_second_thread\n"
    ".text\n");
#else
sim_switch sim_march_begin(worker *w) {
  return (sim_switch){&w->now->fiber, NULL};
}

bool sim_arrive_in_order(worker *w, sim_switch *decided) {
  (void)w, (void)decided;
  return false;
}

sim_fiber *sim_march_end(worker *w) {
  (void)w;
  return NULL;
}

SIM_WAITING_FUNCTION(cusim_sync_threads, sim_arrive, (void), ());
#endif
