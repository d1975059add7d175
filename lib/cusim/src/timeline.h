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

#endif
