// SPDX-License-Identifier: MIT
#include "heddle/progress.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "heddle/clock.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char busy_with[64];
static double since, done;
static bool drawn;

static void draw(double seconds) {
  enum { WIDTH = 30 };
  const int full = (int)(done * WIDTH);
  fputs("\r", stderr);
  for (int i = 0; done > 0 && i < WIDTH; i++) fputs(i < full ? "█" : "·", stderr);
  fprintf(stderr, "%s%s  %.0f s\033[K", done > 0 ? "  " : "", busy_with, seconds);
  drawn = true;
}

// Four times a second: too seldom to disturb what is being timed.
static void *draw_for_ever(void *unused) {
  const struct timespec pause = {0, 250000000};
  (void)unused;
  for (;;) {
    nanosleep(&pause, NULL);
    pthread_mutex_lock(&lock);
    const double seconds = hd_wall() - since;
    if (busy_with[0] && seconds > 2) draw(seconds);
    pthread_mutex_unlock(&lock);
  }
  return NULL;
}

static void start(void) {
  pthread_t thread;
  if (isatty(STDERR_FILENO) && pthread_create(&thread, NULL, draw_for_ever, NULL) == 0)
    pthread_detach(thread);
}

void hd_progress(const char *what, const char *name) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, start);
  pthread_mutex_lock(&lock);
  busy_with[0] = '\0';
  if (what) snprintf(busy_with, sizeof busy_with, "%s %s", what, name);
  since = hd_wall();
  done = 0;
  if (drawn) fputs("\r\033[K", stderr);
  drawn = false;
  pthread_mutex_unlock(&lock);
}

void hd_progress_share(double share) {
  pthread_mutex_lock(&lock);
  done = share;
  pthread_mutex_unlock(&lock);
}
