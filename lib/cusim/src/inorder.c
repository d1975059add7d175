// SPDX-License-Identifier: MIT
// The usual case without bookkeeping: the threads of a block run in their order. Two ways:
// - Rows: as long as nobody has waited, threads are calls one after the other. The compiler makes the loop
// over
//   a row of them (cusim::body::run); it goes on while threadIdx.x is below cusim_row_end.
// - A march: a barrier that every thread of the block has reached is passed in order, each thread that
// arrives
//   at the next one switching straight to its successor.
// Whatever else happens (an exchange, an end, polling) needs to know who is where: sim_settle says it.
#include "worker.h"

#include <stddef.h>

__thread unsigned cusim_row_end;
__thread sim_march_state sim_march;

static inline unsigned low_bits(unsigned count) {
  return count >= 32 ? ~0u : (1u << count) - 1;
}

// Where the running thread is in the block. The watchdog may interrupt the loop over a row between two
// threads: behind the row's end the last one counts, which then finds that it has ended.
static unsigned place_in_rows(const worker *w) {
  const sim_index t = cusim_thread_idx;
  const unsigned x = t.x < w->shape.x ? t.x : w->shape.x - 1;
  return x + w->shape.x * (t.y + w->shape.y * t.z);
}

void sim_in_order_end(worker *w) {
  w->in_order = w->rows = false;
  w->march_ended = 0;
  sim_march = (sim_march_state){NULL, NULL};
}

void sim_settle_now(worker *w) {
  const bool marching = sim_march.now != NULL;
  const unsigned n = marching ? (unsigned)(sim_march.now - w->thread) : place_in_rows(w);
  w->here = &w->warp[n / 32];
  w->lane = n % 32;
  w->now = &w->thread[n];
  cusim_row_end = w->now->index.x + 1;
  const bool waiting = marching && w->march_ended == 0;
  if (waiting) {
    w->arrived = n;
  } else {
    w->alive = w->threads - n;
    if (!marching) w->now->stack = w->row_stack;
  }
  w->warps_ready = 0;
  for (unsigned i = 0; i < w->warps; i++) {
    warp *p = &w->warp[i];
    const unsigned all = low_bits(w->threads - 32 * i);
    const unsigned before = all & (n > 32 * i ? low_bits(n - 32 * i) : 0);
    const unsigned after = all & ~before & ~(i == n / 32 ? 1u << n % 32 : 0);
    p->ready = after;
    if (after) w->warps_ready |= 1u << i;
    p->at_barrier = waiting ? before : 0;
    if (!waiting) p->alive = all & ~before;
    if (marching) continue;
    p->started = all & ~after;
    p->asking = 0;
    p->groups = 0;
  }
  sim_in_order_end(w);
}

void sim_run_rows(void) {
  worker *w = sim_self;
  for (unsigned z = 0; z < w->shape.z; z++)
    for (unsigned y = 0; y < w->shape.y; y++) {
      cusim_thread_idx = (sim_index){0, y, z};
      cusim_row_end = w->shape.x;
      w->body(w->packet);
      if (!w->rows) sim_thread_returned(w);  // somebody has waited
      sim_made_progress(w);
    }
  sim_in_order_end(w);
  w->alive = 0;
  w->free_stack[w->free_stacks++] = w->row_stack;
  sim_fiber_switch(&w->ended, &w->scheduler);
}

sim_switch sim_march_begin(worker *w) {
  thread *first = &w->thread[0], *last = &w->thread[w->threads - 1];
  sim_fiber *from = sim_march.now ? &last->fiber : &w->now->fiber;
  sim_march = (sim_march_state){first, last};
  w->in_order = true;
  w->arrived = 0;
  cusim_thread_idx = first->index;
  cusim_row_end = 0;
  return (sim_switch){from, &first->fiber};
}

// Whoever arrives at a barrier now comes to sim_arrive: the running thread is also the last one.
sim_fiber *sim_march_end(worker *w) {
  thread *t = sim_march.now;
  if (!t || t != &w->thread[w->march_ended]) return NULL;  // those before it wait at the next barrier
  w->march_ended++;
  sim_made_progress(w);
  w->free_stack[w->free_stacks++] = t->stack;
  if (w->march_ended == w->threads) {
    sim_in_order_end(w);
    w->alive = 0;
    return &w->scheduler;
  }
  t++;
  sim_march = (sim_march_state){t, t};
  cusim_thread_idx = t->index;
  return &t->fiber;
}

#if SIM_CAN_MARCH
_Static_assert(offsetof(thread, fiber) == 0 && offsetof(thread, index) == 8 && sizeof(thread) == 24,
               "cusim_sync_threads knows the layout of a thread");
_Static_assert(offsetof(sim_march_state, now) == 0 && offsetof(sim_march_state, last) == 8,
               "cusim_sync_threads knows the layout of the march");
// As SIM_WAITING_FUNCTION, after a look whether a march goes on: then the next thread's stack pointer and
// index are all that is needed.
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
    "  movq %rsp, (%rcx)\n"
    "  movq 24(%rcx), %rsp\n"
    "  movq 72(%rcx), %rdx\n"
    "  prefetcht0 8(%rdx)\n"
    "  prefetcht0 72(%rdx)\n"
    "  addq $24, %rcx\n"
    "  movq %rcx, %fs:(%rax)\n"
    "  movq cusim_thread_idx@gottpoff(%rip), %rax\n"
    "  movq 8(%rcx), %rdx\n"
    "  movl 16(%rcx), %ecx\n"
    "  movq %rdx, %fs:(%rax)\n"
    "  movl %ecx, %fs:8(%rax)\n"
    "1:\n"
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
    "  je 1b\n"
    "  movq %rsp, (%rax)\n"
    "  movq (%rdx), %rsp\n"
    "  jmp 1b\n"
    ".size cusim_sync_threads, .-cusim_sync_threads\n"
    ".text\n");
#else
SIM_WAITING_FUNCTION(cusim_sync_threads, sim_arrive, (void), ());
#endif
