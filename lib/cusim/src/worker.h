// SPDX-License-Identifier: MIT
// A worker: one OS thread's engine, which runs one block at a time. Inside the engine only: block.c runs its
// threads, worker.c gives it memory, watchdog.c keeps it moving, fault.c ends a block that a signal hits.
#ifndef CUSIM_WORKER_H
#define CUSIM_WORKER_H
#include <pthread.h>
#include <stdatomic.h>

#include "block.h"
#include "fiber.h"

enum { MOST_THREADS = 1024, MOST_WARPS = 32, MOST_GROUPS = 40 };

// An exchange among the lanes of one mask. Two buffers: a lane can be at most one exchange ahead of the
// others.
typedef struct group {
  unsigned mask, arrived, generation;
  unsigned long long stamp;  // the last exchange's number
  unsigned released;         // the lanes of the last exchange, which read its values when they run next
  _Alignas(16) cusim_slot slots[2][33];  // the last one: which lanes took part
} group;

typedef struct thread {
  sim_fiber fiber;
  sim_index index;  // threadIdx
  int stack;
} thread;

typedef struct warp {
  unsigned alive, ready;  // lanes that have not ended; lanes that can run and do not
  unsigned started;       // lanes that have run
  unsigned at_barrier;    // lanes that wait for the block
  unsigned asking;        // lanes that ask who is active
  unsigned number;
  thread *thread;  // its 32 lanes
  int groups;
  group *group;           // MOST_GROUPS of them, allocated with the first exchange of this warp slot
  unsigned asked_at[32];  // per lane: from which line
  unsigned active[32];    // the answers
  unsigned long long stamp,
      seen[32];  // exchanges that are complete; how many were when a lane began its last one
} warp;

// How much of who is where must be written down: nothing while the threads run in their order (inorder.c).
enum sim_order {
  SIM_ANY_ORDER,
  SIM_ROWS,         // nobody has waited yet
  SIM_FIRST_MARCH,  // those before the running thread wait at the first barrier, those behind have not begun
  SIM_MARCH,        // those before it wait at the next barrier, those behind at the last one
  SIM_LAST_MARCH    // those before it have ended, those behind wait at the last barrier
};

struct worker {
  sim_body *body;  // first: sim_begin_thread knows them
  void *packet;
  thread *now;           // who runs
  warp *here;            // its warp
  unsigned lane;         // its lane in that
  unsigned warps_ready;  // bit per warp: some lane can run
  unsigned arrived, alive;
  bool traced, at_grid;
  bool in_step;  // the traced block has touched volatile shared memory
  enum sim_order order;
  int row_stack;  // what the rows run on
  unsigned predicates, counts[2], barrier_generation;
  unsigned threads, warps;
  enum sim_run_status status;
  uint64_t block, choices;  // the block's index; choices made in it under CUSIM_SCHEDULE
  bool shuffled;
  unsigned steps;  // basic blocks of the traced block since the last turn
  // For the watchdog, which reads and writes them while the block runs.
  _Atomic uint64_t progress;      // ended threads and barriers, of all blocks
  _Atomic bool running, expired;  // inside a kernel; its grid has used up its time
  pthread_t os_thread;
  const unsigned *row_x;   // threadIdx.x on that OS thread
  thread *const *marches;  // who runs in a march there
  struct worker *next;     // of all workers of the process
  char *signal_stack;
  size_t stack_bytes;  // of each thread
  const sim_launch *launch;
  warp warp[MOST_WARPS];
  sim_fiber scheduler, ended;  // whom the block was started from; where nobody returns to
  thread thread[MOST_THREADS];
  int free_stack[MOST_THREADS], free_stacks;
  sim_dim3 shape;  // whose indices the threads have
  char *stacks, *stack_top[MOST_THREADS];
  char *dynamic_shared;
  size_t dynamic_capacity;
};

extern __thread worker *sim_self;  // this OS thread's worker while it is inside a kernel, else NULL

// A march (inorder.c): who runs (NULL: there is none), who is the last to give way to its successor at a
// barrier, and by its end; how a successor goes on.
typedef struct sim_march_state {
  thread *now, *last_to_arrive, *last_to_end;
  const char *go_on;
} sim_march_state;
extern __thread sim_march_state sim_march;

// The stack that a worker's thread runs on contains this address: false on the OS thread's own stack.
bool sim_worker_owns_stack(const worker *w, const void *address);

// ---------------------------------------------------------------- block.c

void sim_all_stacks_free(worker *w);
// The running thread lets another one run, of another warp if there is one. Comes back at once if nobody can.
void sim_yield(void);

// The body of the running thread has returned: the others run. Does not return.
void sim_thread_returned(worker *w) __attribute__((noreturn));
sim_switch sim_arrive(void);         // what cusim_sync_threads decides when no march goes on
void sim_barrier_passed(worker *w);  // everybody is there

static inline void sim_made_progress(worker *w) {
  const uint64_t before = atomic_load_explicit(&w->progress, memory_order_relaxed);
  atomic_store_explicit(&w->progress, before + 1, memory_order_relaxed);
}

// ---------------------------------------------------------------- inorder.c

#if defined(__x86_64__) && !defined(CUSIM_PORTABLE_FIBERS) && !defined(SIM_ANNOUNCED_FIBERS)
#define SIM_CAN_MARCH 1
#else
#define SIM_CAN_MARCH 0
#endif

void sim_in_order_end(worker *w);
void sim_settle_now(worker *w) __attribute__((cold));
// To be called before anything is read or written of who runs, is ready, waits or has ended.
static inline void sim_settle(worker *w) {
  if (w->order != SIM_ANY_ORDER) sim_settle_now(w);
}
// The running thread is at a barrier. Does the order of the threads tell who follows? If not: settle.
bool sim_arrive_in_order(worker *w, sim_switch *decided);
// Every thread of the block is at the barrier, the running one as the last: all pass it in their order.
sim_switch sim_march_begin(worker *w);
// The running thread has ended. Who follows, if nothing but a march ends; NULL: settle.
sim_fiber *sim_march_end(worker *w);
// What the first stack of a block runs: its threads, row by row. Does not return.
void sim_run_rows(void);

// ---------------------------------------------------------------- watchdog.c

void sim_watch(worker *w);          // a new worker; starts the watchdog with the first one
void sim_unwatch(worker *w);        // before its memory goes
void sim_watchdog_wake(worker *w);  // it enters a kernel
// Ends the block: its grid has made no progress for the whole deadline.
_Noreturn void sim_block_expired(worker *w);

// Was the code that a signal interrupted running on the stack of a thread of the block?
bool sim_fault_on_fiber(const worker *w, const void *context);

// ---------------------------------------------------------------- fault.c

// Faults of kernels end their grid, not the program: handlers once per process, a signal stack per worker.
bool sim_fault_prepare(worker *w);
void sim_fault_release(worker *w);
#endif
