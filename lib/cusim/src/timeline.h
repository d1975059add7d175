// SPDX-License-Identifier: MIT
// What clock.c tells timeline.c: one operation in virtual time.
#ifndef CUSIM_TIMELINE_H
#define CUSIM_TIMELINE_H
#include "sim.h"

typedef struct sim_timeline_event {
  int device, track;  // device -1: the host; track: stream or host thread
  int engine;
  double start, end;
  bool waited;  // it began when an operation of another stream, for which its stream waited, ended
  const char *track_name, *label;
} sim_timeline_event;

// Keeps a copy if CUSIM_TIMELINE asks for it.
void sim_timeline_record(const sim_timeline_event *);

// What is to be written at the program's end is known to be from now on.
void sim_timeline_prepare(void);

// The calling thread's own clock, for whoever acts as this thread later.
typedef struct sim_host sim_host;
sim_host *sim_host_self(void);
void sim_host_act_as(sim_host *);
int *sim_host_number(void);    // of the thread's row in the timeline; -1: none yet
double sim_host_latest(void);  // of all threads' clocks

#endif
