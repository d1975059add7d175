// SPDX-License-Identifier: MIT
// Threads that do what was issued while the host is elsewhere: it polls memory that a kernel writes, or a
// kernel waits for one of another stream. Started when first needed.
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "queue.h"

// Seconds without any event: until the host, or a kernel that runs, is thought to wait for what is queued.
static const double idle_s = 1, stuck_s = 0.5, look_s = 20e-3;

typedef struct job {
  sim_target target;
  struct job *next;
} job;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER, watched = PTHREAD_COND_INITIALIZER;
static job *jobs;
static int idle;  // threads without a job
static bool watching, started;

// A program's signals are not for these threads.
static bool start(void *(*body)(void *)) {
  sigset_t all, old;
  sigfillset(&all);
  sigdelset(&all, SIGSEGV), sigdelset(&all, SIGBUS), sigdelset(&all, SIGFPE), sigdelset(&all, SIGILL);
  sigdelset(&all, SIGURG);  // the watchdog's
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_t thread;
  const bool done = pthread_create(&thread, NULL, body, NULL) == 0;
  if (done) pthread_detach(thread);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  return done;
}

static void *do_jobs(void *unused) {
  (void)unused;
  pthread_mutex_lock(&lock);
  for (;;) {
    while (!jobs) {
      idle++;
      pthread_cond_wait(&work, &lock);
      idle--;
    }
    job *j = jobs;
    jobs = j->next;
    pthread_mutex_unlock(&lock);
    sim_finish_plainly(&j->target);
    free(j);
    pthread_mutex_lock(&lock);
  }
  return NULL;
}

void sim_background(const sim_target *t) {
  job *j = malloc(sizeof *j);
  if (!j) return;
  *j = (job){.target = *t};
  pthread_mutex_lock(&lock);
  job **last = &jobs;
  int waiting = 1;
  for (; *last; last = &(*last)->next) waiting++;
  *last = j;
  const bool enough = idle >= waiting;
  pthread_cond_signal(&work);
  pthread_mutex_unlock(&lock);
  if (!enough) start(do_jobs);
}

static void *watch(void *unused) {
  (void)unused;
  const struct timespec pause = {0, (long)(look_s * 1e9)};
  uint64_t before = 0;
  double quiet = 0;
  for (;;) {
    nanosleep(&pause, NULL);
    bool any, running, waiting;
    sim_queue_look(&any, &running, &waiting);
    const uint64_t now = sim_queue_events();
    quiet = now == before ? quiet + look_s : 0;
    before = now;
    if (waiting && quiet > (running ? stuck_s : idle_s)) {
      sim_background(&(sim_target){.kind = SIM_TARGET_UPTO, .upto = UINT64_MAX});
      quiet = 0;
    }
    if (any) continue;
    pthread_mutex_lock(&lock);
    watching = false;
    sim_queue_look(&any, &running, &waiting);  // what came meanwhile found us watching
    while (!watching && !any) pthread_cond_wait(&watched, &lock);
    watching = true;
    pthread_mutex_unlock(&lock);
  }
  return NULL;
}

// A child process has none of these threads.
static void forget_in_child(void) {
  pthread_mutex_init(&lock, NULL);
  pthread_cond_init(&work, NULL);
  pthread_cond_init(&watched, NULL);
  started = watching = false;
  idle = 0;
  jobs = NULL;
}

void sim_background_watch(void) {
  pthread_mutex_lock(&lock);
  if (!started) {
    pthread_atfork(NULL, NULL, forget_in_child);
    started = watching = true;
    start(watch);
  } else if (!watching) {
    watching = true;
    pthread_cond_signal(&watched);
  }
  pthread_mutex_unlock(&lock);
}
