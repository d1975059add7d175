// SPDX-License-Identifier: MIT
// The watchdog: one thread of the process that looks at the workers a few times a second. A thread of a block
// that polls memory for what another thread of the block is to write would hold the block's OS thread for
// ever: where nothing has happened since the last look, a signal makes it give way. A grid without progress
// for CUSIM_DEADLINE seconds (60) is ended with cudaErrorLaunchTimeout.
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "worker.h"

enum { USAGE = 2, IDLE_LOOKS = 100 };
static const double calm_s = 10e-3, busy_s = 0.3e-3;  // between looks; the latter while somebody polls

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static worker *workers;
static _Atomic bool asleep;
static bool started;
static double deadline = 60;
static _Atomic bool reported;

static void *program_counter(const ucontext_t *c) {
#if defined(__x86_64__)
  return (void *)c->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
  return (void *)c->uc_mcontext.pc;
#else
  (void)c;
  return NULL;
#endif
}

static void *stack_pointer(const ucontext_t *c) {
#if defined(__x86_64__)
  return (void *)c->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
  return (void *)c->uc_mcontext.sp;
#else
  (void)c;
  return NULL;
#endif
}

bool sim_fault_on_fiber(const worker *w, const void *context) {
  return sim_worker_owns_stack(w, stack_pointer(context));
}

static void on_look(int number, siginfo_t *info, void *context) {
  (void)number, (void)info;
  worker *w = sim_self;
  if (!w || w->traced || !sim_fault_on_fiber(w, context)) return;
  // Neither the engine nor a library, which may hold a lock, may be interrupted for another thread.
  if (!sim_is_device_code(program_counter(context))) return;
  const int error = errno;
  sim_yield();
  errno = error;
}

void sim_block_expired(worker *w) {
  if (!atomic_exchange(&reported, true)) {
    const sim_index b = cusim_block_idx, t = cusim_thread_idx;
    fprintf(stderr,
            "cusim: %s: no thread has ended or passed a barrier for %g seconds; block (%u,%u,%u), thread "
            "(%u,%u,%u) "
            "still runs (CUSIM_DEADLINE=seconds grants more)\n",
            w->launch->kernel, deadline, b.x, b.y, b.z, t.x, t.y, t.z);
  }
  sim_block_fail(SIM_RUN_TIMEOUT);
}

// ---------------------------------------------------------------- the watchdog's own thread

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void pause_for(double seconds) {
  const struct timespec t = {(time_t)seconds, (long)(1e9 * fmod(seconds, 1))};
  nanosleep(&t, NULL);
}

typedef struct look {
  uint64_t progress;
  bool running;
} look;

// Locked.
static look look_around(void) {
  look l = {0, false};
  for (const worker *w = workers; w; w = w->next) {
    l.progress += atomic_load_explicit(&w->progress, memory_order_relaxed);
    // In their order nobody counts threads that have ended, but each is another one.
    if (__atomic_load_n(&w->order, __ATOMIC_RELAXED) != SIM_ANY_ORDER)
      l.progress += __atomic_load_n(w->row_x, __ATOMIC_RELAXED) +
                    (uintptr_t)__atomic_load_n(w->marches, __ATOMIC_RELAXED);
    l.running |= atomic_load_explicit(&w->running, memory_order_relaxed);
  }
  return l;
}

uint64_t sim_watch_progress(void) {
  pthread_mutex_lock(&lock);
  const uint64_t progress = look_around().progress;
  pthread_mutex_unlock(&lock);
  return progress;
}

// Locked.
static void signal_running(bool expired) {
  for (worker *w = workers; w; w = w->next) {
    if (!atomic_load_explicit(&w->running, memory_order_relaxed)) continue;
    if (expired) atomic_store(&w->expired, true);
    pthread_kill(w->os_thread, SIGURG);
  }
}

static void *watch(void *unused) {
  (void)unused;
  look last = {0, false};
  double since = now();
  int idle = 0;
  for (;;) {
    pthread_mutex_lock(&lock);
    const look l = look_around();
    idle = l.running ? 0 : idle + 1;
    const bool stuck = l.running && last.running && l.progress == last.progress;
    if (!stuck) since = now();
    if (stuck) signal_running(now() - since > deadline);
    last = l;
    if (idle > IDLE_LOOKS) {
      atomic_store(&asleep, true);
      while (atomic_load(&asleep)) pthread_cond_wait(&work, &lock);
      idle = 0;
    }
    pthread_mutex_unlock(&lock);
    pause_for(stuck ? busy_s : calm_s);
  }
  return NULL;
}

// Locked. The signals of the program are not for this thread.
static void start(void) {
  const char *value = getenv("CUSIM_DEADLINE");
  if (value && *value) {
    char *end;
    deadline = strtod(value, &end);
    if (*end || !(deadline > 0)) {
      fprintf(stderr, "cusim: CUSIM_DEADLINE=%s is not a time; it must be a number of seconds above 0\n",
              value);
      exit(USAGE);
    }
  }
  struct sigaction action = {.sa_sigaction = on_look, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(SIGURG, &action, NULL);
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_t dog;
  if (pthread_create(&dog, NULL, watch, NULL) == 0) pthread_detach(dog);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
}

// In a child process there is no watchdog yet, and of the workers only the calling thread's.
static void forget_in_child(void) {
  pthread_mutex_init(&lock, NULL);
  started = false;
  atomic_store(&asleep, false);
  worker *mine = NULL;
  for (worker *w = workers; w; w = w->next)
    if (pthread_equal(w->os_thread, pthread_self())) mine = w;
  workers = mine;
  if (mine) mine->next = NULL;
}

void sim_watch(worker *w) {
  static bool fork_known;
  pthread_mutex_lock(&lock);
  w->next = workers;
  workers = w;
  if (!fork_known) pthread_atfork(NULL, NULL, forget_in_child);
  fork_known = true;
  if (!started) start();
  started = true;
  pthread_mutex_unlock(&lock);
}

void sim_unwatch(worker *w) {
  pthread_mutex_lock(&lock);
  worker **link = &workers;
  while (*link && *link != w) link = &(*link)->next;
  if (*link) *link = w->next;
  pthread_mutex_unlock(&lock);
}

void sim_watchdog_wake(worker *w) {
  atomic_store_explicit(&w->expired, false, memory_order_relaxed);
  if (atomic_load_explicit(&asleep, memory_order_relaxed)) {
    pthread_mutex_lock(&lock);
    atomic_store(&asleep, false);
    pthread_cond_signal(&work);
    pthread_mutex_unlock(&lock);
  }
}

void sim_watch_grid(void) {
  atomic_store_explicit(&reported, false, memory_order_relaxed);
}
