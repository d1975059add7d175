// SPDX-License-Identifier: MIT
// Ways for data from one rank to another and back.
#ifndef HEDDLE_LESSON_17_LINKS_H
#define HEDDLE_LESSON_17_LINKS_H
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// First one round trip whose data the other side turns over (every bit), so that nothing can stay at home
// unseen. Then, if timed, several round trips.
typedef struct trip {
  const void *data;  // host
  void *returned;    // host, may not be data
  size_t bytes;
  int timed;
  double seconds;  // one way, the mean over the timed round trips
} trip;

void trip_messages(trip *t);  // between two CPU ranks
void trip_staged(trip *t);    // between two GPUs through host memory
void trip_peer(trip *t);      // straight from one GPU's memory to the other's
void trip_managed(trip *t);   // memory that belongs to all and moves to who asks for it
void trip_no_wait(trip *t);   // a mistake: the second GPU does not wait for the copy

#ifdef __cplusplus
}
#endif
#endif
