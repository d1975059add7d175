// SPDX-License-Identifier: MIT
// Clocks to compare. Each function reads its clock n times in a row and stores the readings in ticks of that
// clock; how long a tick is, is in the table of lesson.c.
#ifndef TIMERS_H
#define TIMERS_H
#include <stdint.h>

typedef void timer(int64_t *stamp, long n);

timer read_monotonic, read_monotonic_raw, read_omp, read_gettimeofday, read_syscall;
timer read_coarse, read_cpu_time, read_seconds;
#ifdef __x86_64__
#define WITH_TSC(f) (f)
timer read_tsc, read_tsc_fenced;
#else
#define WITH_TSC(f) NULL
#endif

#endif
