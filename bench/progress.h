// SPDX-License-Identifier: MIT
// A progress bar on one line of a terminal; nothing at all elsewhere.
#ifndef PROGRESS_H
#define PROGRESS_H
#include <stdbool.h>

typedef struct progress {
  int steps, done;
  double started;  // hd_wall()
  bool terminal;
} progress;

progress progress_start(int steps);
void progress_draw(progress *p, const char *what, double seconds);  // what is running, and for how long
void progress_step(progress *p);                                    // one step is done
void progress_clear(progress *p);
double progress_seconds(const progress *p);  // since the start
#endif
