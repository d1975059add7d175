// SPDX-License-Identifier: MIT
// Grids run one after the other, each on all cores. Where one makes no progress, it may wait for another one:
// then that one runs beside it.
#include <pthread.h>
#include <time.h>

#include "check.h"
#include "exec.h"
#include "queue.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t left = PTHREAD_COND_INITIALIZER;
static int running, device;
static bool alone;  // a cooperative grid, or one that is checked: nothing can run beside it
static const double patience_s = 0.3;

static bool may_enter(const sim_launch *launch, double waited) {
  if (!running) return true;
  if (alone || launch->cooperative || sim_check_on() || waited < patience_s) return false;
  return launch->device == device || !sim_variables_differ();
}

void sim_gate_enter(const sim_launch *launch) {
  const double look_s = 20e-3;
  uint64_t before = sim_queue_events();
  pthread_mutex_lock(&lock);
  for (double waited = 0; !may_enter(launch, waited); waited += look_s) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)(look_s * 1e9);
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_cond_timedwait(&left, &lock, &until);
    const uint64_t now = sim_queue_events();
    if (now != before) waited = 0;
    before = now;
  }
  if (!running++) {
    device = launch->device;
    alone = launch->cooperative || sim_check_on();
    sim_variables_bind(device);
  }
  pthread_mutex_unlock(&lock);
}

void sim_gate_leave(void) {
  pthread_mutex_lock(&lock);
  running--;
  pthread_cond_signal(&left);
  pthread_mutex_unlock(&lock);
}
