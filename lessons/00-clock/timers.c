// SPDX-License-Identifier: MIT
// Read from top to bottom. Every clock is read by the same loop, so that the differences between the rows are
// the clocks' own. The loop itself (a store and a comparison, under 1 ns) is part of every row.
#include "timers.h"

#include <omp.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

#define READ_LOOP(name)                                   \
  void read_##name(int64_t *stamp, long n) {              \
    for (long i = 0; i < n; i++) stamp[i] = now_##name(); \
  }

static inline int64_t nanoseconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

// Time since the machine started: never set back, its rate adjusted to the world's. Linux answers it without
// entering the kernel (vDSO): it reads a counter of the core and scales it.
static inline int64_t now_monotonic(void) {
  return nanoseconds(CLOCK_MONOTONIC);
}
READ_LOOP(monotonic)

// The same without the adjusted rate: seconds of this machine's crystal.
static inline int64_t now_monotonic_raw(void) {
  return nanoseconds(CLOCK_MONOTONIC_RAW);
}
READ_LOOP(monotonic_raw)

// OpenMP's portable clock. It is a double in seconds, so its steps grow with the time since the start: about
// 1 ns after a few months.
static inline int64_t now_omp(void) {
  return (int64_t)(omp_get_wtime() * 1e9);
}
READ_LOOP(omp)

// The calendar in steps of 1 µs. It costs the same and tells less, and whoever sets the date moves it.
static inline int64_t now_gettimeofday(void) {
  struct timeval now;
  gettimeofday(&now, NULL);
  return now.tv_sec * INT64_C(1000000) + now.tv_usec;
}
READ_LOOP(gettimeofday)

#ifdef __x86_64__
// The counter under all of the above, as the core has it. The core may read it before earlier instructions
// are done, and ticks are not nanoseconds: somebody has to calibrate them (setup in lesson.c does).
static inline int64_t now_tsc(void) {
  return (int64_t)__rdtsc();
}
READ_LOOP(tsc)

// A fence makes the counter wait for all earlier instructions: what one needs around a short region.
static inline int64_t now_tsc_fenced(void) {
  _mm_lfence();
  return (int64_t)__rdtsc();
}
READ_LOOP(tsc_fenced)
#endif

// CLOCK_MONOTONIC again, but through the kernel: what the vDSO saves. Sandboxes and some virtual machines
// leave no other way.
static inline int64_t now_syscall(void) {
  struct timespec now;
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}
READ_LOOP(syscall)

// WRONG for short times: the time of the last timer interrupt. Cheap, and stands still for 1 … 10 ms.
static inline int64_t now_coarse(void) {
  return nanoseconds(CLOCK_MONOTONIC_COARSE);
}
READ_LOOP(coarse)

// WRONG for elapsed time: processor time of all threads of the process. It stands still while we wait, and
// runs twice as fast while two threads work: with it, no program ever gets a speed-up.
static inline int64_t now_cpu_time(void) {
  return clock();
}
READ_LOOP(cpu_time)

// WRONG for anything under minutes: whole seconds.
static inline int64_t now_seconds(void) {
  return time(NULL);
}
READ_LOOP(seconds)
