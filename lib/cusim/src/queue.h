// SPDX-License-Identifier: MIT
// Work that the host has issued and that is done later: when somebody waits for it, or asks whether it is
// done. What the host reads before it has waited is what was there before.
//
// Everything that is issued is also a line of one log, in the order of issue. Virtual times are made in that
// order, each as soon as it and all before it is done, so that they do not hang on the order of execution.
#ifndef CUSIM_QUEUE_H
#define CUSIM_QUEUE_H
#include "sim.h"
#include "timeline.h"

typedef struct sim_op sim_op;
struct sim_op {
  // Filled in before it is issued.
  void (*run)(sim_op *);         // does the work, on any thread, without locks; NULL: there is none
  void (*place)(sim_op *);       // in virtual time; locked, as the host thread that issued it; NULL: nowhere
  void (*discard)(sim_op *);     // frees what it holds besides itself; NULL: nothing
  bool always;                   // runs even when a kernel's error has ended the context
  double spend, seconds, share;  // host time of the call; how long, and of how much of its engine
  enum sim_engine engine;
  const char *label;  // lives as long as the program
  bool host_waits;    // the host's clock waits for its end, and, unless it returns early, the host too
  bool returns_early;
  // Known once it is placed.
  double end;
  bool placed, skipped;  // skipped: not run, as the context had ended
  // Kept by stream.c and queue.c.
  void *stream;  // struct CUstream_st; NULL: of no stream
  int device;
  enum { SIM_QUEUED, SIM_RUNNING, SIM_DONE } state;
  uint64_t number;  // in the log
  unsigned stamp;
  int references, before_count, before_room;
  sim_op **before, *few[2];  // what must be done first
  sim_op *older, *newer, *next_issued;
  sim_host *host;  // the thread that issued it
};

// A part of what has been issued.
typedef struct sim_target {
  enum { SIM_TARGET_OP, SIM_TARGET_STREAM, SIM_TARGET_DEVICE, SIM_TARGET_UPTO } kind;
  const sim_op *op;
  const void *stream;
  int device;
  uint64_t upto;  // all with this or a smaller number
} sim_target;

// ---------------------------------------------------------------- issuing, all with the lock held

void sim_queue_lock(void);
void sim_queue_unlock(void);

// A new operation with one reference, the log's; bytes: of the structure that begins with it. NULL: no
// memory.
void *sim_op_new(size_t bytes);
// `before` must be done first; NULL: nothing. Keeps a reference.
void sim_op_after(sim_op *op, sim_op *before);
void sim_op_issue(sim_op *op);
sim_op *sim_op_keep(sim_op *op);
void sim_op_drop(sim_op *op);

// ---------------------------------------------------------------- finishing, without the lock

// Does what is asked for, and what must come before it, in the order of issue (CUSIM_SCHEDULE: in another
// one, and perhaps more). A host function may not wait: then nothing is done.
void sim_finish(const sim_target *t);
void sim_finish_issued(void);  // all of it
// The same on another thread, as long as something happens; false: what is asked for waits for something that
// the host has yet to do.
bool sim_finish_patiently(const sim_target *t);
// Is everything issued placed, so that this thread's clock is known?
bool sim_times_known(void);
// What may run at any time does so now, now and then (CUSIM_SCHEDULE).
void sim_run_some(void);
// Is this thread inside a host function or callback of a stream?
bool sim_inside_operation(void);

// The host thread is busy; calls `then` when this thread's clock is known, with a copy of the argument.
void sim_host_spends(double seconds);
void sim_host_when_known(void (*then)(const void *argument), const void *argument, size_t bytes);

// ---------------------------------------------------------------- background.c, called by queue.c

// Does this part on a thread of its own.
void sim_background(const sim_target *t);
// Something waits that nobody has asked for: it is done when the host does nothing for a while.
void sim_background_watch(void);
// Grows whenever something happens: calls, operations that start or end, threads of kernels that end.
uint64_t sim_queue_events(void);
// Is something running; can something run that does not?
void sim_queue_look(bool *any, bool *running, bool *waiting);
// In the order of issue whatever the schedule.
void sim_finish_plainly(const sim_target *t);
#endif
