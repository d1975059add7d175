// SPDX-License-Identifier: MIT
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#include "heddle/clock.h"

progress progress_start(int steps) {
  return (progress){.steps = steps, .started = hd_wall(), .terminal = isatty(STDOUT_FILENO)};
}

double progress_seconds(const progress *p) {
  return hd_wall() - p->started;
}

void progress_draw(progress *p, const char *what, double seconds) {
  enum { WIDTH = 30 };
  if (!p->terminal) return;
  const int full = p->done * WIDTH / p->steps;
  printf("\r[");
  for (int i = 0; i < WIDTH; i++) fputs(i < full ? "█" : "·", stdout);
  printf("] %2d/%d  %-24s %3.0f s  (%.0f s)\033[K", p->done, p->steps, what, seconds, progress_seconds(p));
  fflush(stdout);
}

void progress_step(progress *p) {
  p->done++;
}

void progress_clear(progress *p) {
  if (p->terminal) printf("\r\033[K");
  fflush(stdout);
}
