// SPDX-License-Identifier: MIT
// Inside the checker: problems, memory with its shadow, orders of accesses.
#ifndef CUSIM_CHECK_PROBLEM_H
#define CUSIM_CHECK_PROBLEM_H
#include "check.h"

// ---------------------------------------------------------------- problems (check.c)

// Where and by whom. pc: return addresses, innermost first; kernel NULL: the host.
typedef struct sim_check_context {
  uintptr_t pc[SIM_CHECK_FRAMES], other_pc;
  const char *kernel;
  unsigned launch;
  uint64_t block;
  int thread;
  sim_dim3 grid, shape;
  bool warning;
  const char *tail;  // follows the line of other_pc
} sim_check_context;

// Notes a problem: once per kind and place, with the first block and thread. kind must live for ever.
__attribute__((format(printf, 3, 4))) void sim_check_problem(const char *kind, const sim_check_context *c,
                                                             const char *format, ...);
bool sim_check_found(void);
bool sim_check_write_report(void);  // at the end; was there a problem?
// The calls that led here from the program's own code.
void sim_check_backtrace(uintptr_t pc[SIM_CHECK_FRAMES]);

// ---------------------------------------------------------------- shadow (check_memory.c)

// One access, as it is remembered. op 0: none.
typedef struct sim_stamp {
  uint32_t pc;  // relative to the program's image
  uint32_t op, block, clock, epoch;
  uint16_t thread;
  uint8_t mask;  // bytes of the word
  uint8_t flags;
} sim_stamp;
// What is remembered of a 4-byte word: its last accesses by different threads, the latest write first.
enum { SIM_CELL_STAMPS = 3 };
typedef struct sim_cell {
  sim_stamp at[SIM_CELL_STAMPS];
} sim_cell;

typedef struct sim_region {  // an allocation
  sim_allocation a;
  uintptr_t low, high;  // with the space around it that is ours
  bool live, ours, reported, constant;
  uint8_t *initialised;  // a bit per byte; NULL: all of it
  sim_cell *cells;       // NULL before the first access
  uintptr_t made[SIM_CHECK_FRAMES], freed[SIM_CHECK_FRAMES];
  unsigned number;   // in order of allocation
  unsigned used_by;  // last kernel that touched it, for memory that the host sees
  struct sim_region *next;
} sim_region;

// The region whose memory, or space around it, holds the address; NULL if none does.
sim_region *sim_region_at(uintptr_t address);
// The live region that ends closest below or begins closest above the address; NULL if there is none.
sim_region *sim_region_near(uintptr_t address);
sim_cell *sim_region_cells(sim_region *r);
bool sim_region_all_initialised(const sim_region *r, uintptr_t address, size_t bytes);
bool sim_region_any_initialised(const sim_region *r, uintptr_t address, size_t bytes);
void sim_region_initialise(sim_region *r, uintptr_t address, size_t bytes);
void sim_check_report_leaks(void);

// The program's images: its own, those of its libraries and modules.
bool sim_in_image(uintptr_t address);
bool sim_in_constants(uintptr_t address);
// A place in their code in four bytes. 0: it is in none of them.
uint32_t sim_pc_pack(uintptr_t pc);
uintptr_t sim_pc_unpack(uint32_t packed);

// ---------------------------------------------------------------- order inside a launch (check_race.c)

enum { SIM_MOST_THREADS = 1024 };

typedef struct sim_acquired {  // a thread has read what these releases published
  struct sim_sync *at;
  uint32_t count;  // of at's releases
  uint32_t epoch, clock;
  uint16_t thread;
} sim_acquired;

// What one block's threads know of others through atomics and flags. Lives as long as the launch.
typedef struct sim_known {
  sim_acquired *item;
  size_t count, room;
  struct sim_known *next;
} sim_known;

typedef struct sim_check_thread {
  uint32_t epoch;  // block barriers passed
  uint32_t clock;  // warp operations and fences passed
  uint32_t fence_clock, fence_epoch;
  bool fenced, waits_in_warp;
  uint32_t seen[SIM_LANES];  // clocks of the warp's lanes that this thread comes after
  uintptr_t site;            // of the last barrier or warp operation
  struct sim_warp_group *group;
  unsigned group_side;
} sim_check_thread;

typedef struct sim_pending {  // a store in conflict, which is harmless if it changes nothing
  sim_check_context context;
  const char *kind;
  char text[400];
  uintptr_t address;
  size_t bytes;
  uint8_t before[16];
  bool open;
} sim_pending;

typedef struct sim_view {  // of the running block, for the order of its accesses
  sim_check_thread *thread;
  uint32_t op, block;
  uint32_t fence_epoch;  // last epoch in which any thread of the block made a fence, + 1
  sim_known *known;
} sim_view;

// Is a remembered access ordered before whatever the thread does now?
bool sim_ordered(const sim_view *v, unsigned thread, const sim_stamp *before);
// The thread reads or writes a word that others may use as a flag.
void sim_sync_acquire(sim_view *v, unsigned thread, uintptr_t address);
void sim_sync_release(sim_view *v, unsigned thread, uintptr_t address);
sim_known *sim_known_new(void);
void sim_sync_forget(void);  // the launch is over

// ---------------------------------------------------------------- order of operations (check_order.c)

// Was operation a complete before b began, whatever the schedule?
bool sim_op_before(unsigned a, unsigned b);
const char *sim_op_name(unsigned op);
bool sim_op_host_knows(unsigned op);
// One more operation behind op, in its stream.
unsigned sim_op_next(unsigned op);

typedef struct sim_range {
  uintptr_t low, high;
  unsigned op;
  bool write;
} sim_range;
// What operations that a kernel could run beside have touched, until it ends.
size_t sim_op_beside(unsigned op, const sim_range **ranges);

// ---------------------------------------------------------------- host accesses (check_host.c)

// The operation that touched these bytes is done, but the host does not know: host accesses to pinned and
// managed memory among them are problems until sim_host_release finds that the host has waited.
void sim_host_protect_range(const sim_range *range);
void sim_host_protect_region(const sim_region *r, unsigned op);  // what a kernel touched of it
void sim_host_release(void);
void sim_host_forget(const sim_region *r);  // it is about to be freed
// While an operation runs, cusim itself may touch everything.
void sim_host_suspend(bool on);
// All regions, for the end of a kernel.
void sim_region_each(void (*visit)(const sim_region *, unsigned op), unsigned op);
#endif
