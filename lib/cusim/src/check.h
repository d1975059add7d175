// SPDX-License-Identifier: MIT
// CUSIM_CHECK: a checker that watches every block of every launch through the traced twins, and the runtime
// API's calls. docs/cusim-check.md says what it finds; here is what the rest of cusim tells it.
//
// In check mode all blocks run traced, one after the other, and operations are executed when they are issued:
// the checker's own happens-before relation tells what could have run together. Every function is a no-op
// where the check is off.
#ifndef CUSIM_CHECK_H
#define CUSIM_CHECK_H
#include "observe.h"

#ifdef __cplusplus
extern "C" {
#endif

enum sim_check_group {
  SIM_CHECK_MEMORY = 1,
  SIM_CHECK_INIT = 2,
  SIM_CHECK_RACE = 4,
  SIM_CHECK_SYNC = 8,
  SIM_CHECK_HOST = 16,
  SIM_CHECK_LEAK = 32
};

// What CUSIM_CHECK asks for: groups; read when the program starts.
extern unsigned sim_check_wanted;
static inline bool sim_check_wants(unsigned groups) {
  return (sim_check_wanted & groups) != 0;
}
static inline bool sim_check_on(void) {
  return sim_check_wanted != 0;
}
void sim_check_read_symbols(void);  // a module was loaded (check_memory.c)
void sim_modules_remove(void);      // their files, when nothing is reported any more (module.c)

// ---------------------------------------------------------------- a block (check_block.c), called by the
// engine

typedef struct sim_check_place {  // what a block may touch beside device memory
  void *dynamic_shared;
  const char *stacks;  // of its threads
  size_t stack_bytes;
  const void *packet;  // the kernel's arguments
  size_t packet_bytes;
} sim_check_place;

typedef struct sim_check sim_check;  // one worker's block
extern _Thread_local sim_check *sim_check_current __attribute__((tls_model("initial-exec")));

void sim_check_open(const sim_launch *launch, uint64_t block, const sim_check_place *place);
void sim_check_close(void);
// Behind a block that has run to its end: must it run once more, for the checker alone? Then it does, and its
// end is told (completed: it was not ended early).
bool sim_check_replay_begin(void);
void sim_check_replay_end(bool completed);
bool sim_check_replays(void);
void sim_check_switch(int thread);
void sim_check_shared(const void *base, size_t bytes);
void sim_check_barrier(int thread);  // __syncthreads reached
void sim_check_warp_op(int thread,
                       unsigned mask);  // a warp operation reached, with the mask as it was called
void sim_check_exit(int thread);
// Around a wait for the grid's other blocks.
void sim_check_pause(void);
void sim_check_resume(void);
void sim_check_grid_reached(void);  // this block waits for the others
void sim_check_grid_sync(void);     // they have all come
void sim_check_grid_done(void);     // the launch has ended
// The block can never go on: barrier_waiters and warp_waiters have a bit per lane, for each warp.
void sim_check_stuck(unsigned warps, const unsigned *barrier_waiters, const unsigned *warp_waiters);

// ---------------------------------------------------------------- accesses (check_block.c), called by the
// hooks

enum sim_check_flags {
  SIM_CHECK_WRITE = 1,
  SIM_CHECK_ATOMIC = 2,
  SIM_CHECK_VOLATILE = 4,
  SIM_CHECK_UNALIGNED = 8,  // the compiler does not count on the alignment
  SIM_CHECK_PIECES = 16     // a part of a structure's copy: holes may be uninitialised
};
void sim_check_access(uintptr_t pc, const void *address, size_t bytes, unsigned flags);
void sim_check_fence(void);
// The running thread makes what it did known at this place of the engine's; it learns what others made known.
void sim_check_give(const void *at);
void sim_check_take(const void *at);
void sim_check_source(uintptr_t pc, unsigned mask, unsigned lane);  // a shuffle from a lane outside its mask
void sim_check_site(uintptr_t pc);  // where the barrier or warp operation that follows stands

// ---------------------------------------------------------------- the runtime API (check_memory.c,
// check_order.c)

// Memory of a new allocation, with inaccessible-by-rule space around it; NULL if there is none.
void *sim_check_allocate(size_t bytes, size_t alignment);
// An allocation has been made (after the runtime's table knows it), or is about to go. Frees what
// sim_check_allocate gave; addresses are not used again for a while.
void sim_check_allocated(const sim_allocation *a);
void sim_check_released(const sim_allocation *a, bool ours);
// A pointer was freed that is no allocation's base.
void sim_check_bad_free(const void *p, bool host);
void sim_check_reset(void);  // cudaDeviceReset: everything is freed

// One operation in a stream's order (NULL: the legacy default stream of the device), begun and ended around
// its execution. blocking: waits for the legacy default stream and is waited for by it.
typedef struct sim_check_stream {
  const void *stream;
  int device;
  bool legacy, blocking;
} sim_check_stream;
unsigned sim_check_op_begin(const sim_check_stream *s, const char *what, bool kernel);
void sim_check_op_end(unsigned op);
// The stream is destroyed: its operations remain, another stream may get its address.
void sim_check_stream_destroy(const sim_check_stream *s);
// The operation reads or writes these bytes as a whole (rows of a pitched copy are one range each).
void sim_check_range(unsigned op, const void *address, size_t bytes, bool write);
// The same for `rows` rows of `width` bytes, `pitch` bytes apart, which the operation initialises if it
// writes: what a library call does with a matrix.
void sim_check_rows(unsigned op, const void *address, size_t width, size_t pitch, size_t rows, bool write);
// A copy within device memory takes over what is initialised; any other write initialises.
void sim_check_copied(const void *to, const void *from, size_t bytes);
// Is this the target or source of a copy or fill, as a whole?
void sim_check_pointer(const void *p, size_t bytes, const char *side);
// A copy between two devices in the legacy default stream: behind all work of the device, and before what
// comes.
void sim_check_device_before(const sim_check_stream *s, int device);
void sim_check_device_behind(const sim_check_stream *s, int device);
void sim_check_event_record(const void *event, const sim_check_stream *s);
void sim_check_event_wait(const sim_check_stream *s, const void *event);
void sim_check_event_destroy(const void *event);
void sim_check_host_waits_event(const void *event);
void sim_check_host_waits_stream(const sim_check_stream *s);
void sim_check_host_waits_device(int device);
// A fault at this address: was it a host access that the checker is waiting for? Then it can go on. For other
// handlers of SIGSEGV, which ask this first.
bool sim_host_fault(uintptr_t address, bool write);
// A host call that the runtime refuses or should have: kind and sentence, at the caller's line.
__attribute__((format(printf, 2, 3))) void sim_check_host_problem(const char *kind, const char *format, ...);
// A host call that is kept for a later report: the calls that led to it, innermost first.
enum { SIM_CHECK_FRAMES = 16 };
typedef struct sim_check_call {
  uintptr_t pc[SIM_CHECK_FRAMES];
} sim_check_call;
void sim_check_call_made(sim_check_call *c);
// " at file:line", or nothing.
void sim_check_call_name(const sim_check_call *c, char *text, size_t bytes);
__attribute__((format(printf, 3, 4))) void sim_check_call_problem(const sim_check_call *c, const char *kind,
                                                                  const char *format, ...);
// The program goes on to copy results, launches in vain again, or ends: is there a refused launch whose error
// it has not asked for? (error.c)
void sim_launch_unasked(void);
// A library's call reads or writes these bytes, as a whole: are they device memory?
void sim_check_argument(const void *p, size_t bytes, const char *call);

#ifdef __cplusplus
}
#endif
#endif
