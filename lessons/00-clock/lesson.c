// SPDX-License-Identifier: MIT
// 00 · Clocks: what is compared. Read timers.c for how each clock is read, samples.c for what is made of it.
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "events.h"
#include "heddle/bench.h"
#include "heddle/clock.h"
#include "heddle/error.h"
#include "heddle/stats.h"
#include "samples.h"
#include "timers.h"

enum { NAPS = 5 };

static void setup(hd_case *c) {
  clock_state *s = c->state = hd_alloc(1, sizeof *s);
  s->stamp = hd_alloc((size_t)c->size, sizeof s->stamp[0]);
  s->sample_ns = hd_alloc((size_t)c->size, sizeof s->sample_ns[0]);
  for (long i = 0; i < c->size; i++) s->sample_ns[i] = 0, s->stamp[i] = 0;
  s->events = NULL;
  hd_add_output(c, "checks", s->checks, CHECKS, HD_F64);
  s->tsc_tick_ns = s->tsc_cost_s = NAN;
#ifdef __x86_64__
  // How long is a tick? Both clocks over the same 10 ms, the median of five.
  double tick[NAPS];
  for (int i = 0; i < NAPS; i++) {
    int64_t from, to;
    const double start = hd_wall();
    read_tsc(&from, 1);
    usleep(10000);
    const double end = hd_wall();
    read_tsc(&to, 1);
    tick[i] = 1e9 * (end - start) / (double)(to - from);
  }
  s->tsc_tick_ns = hd_summarize(tick, NAPS).median;
  // The bound: every clock here reads this counter, so none can cost less. The best of short spans.
  const long n = c->size < 1000 ? c->size : 1000;
  for (int i = 0; i < 200 && n > 0; i++) {
    const double start = hd_wall();
    read_tsc(s->stamp, n);
    s->tsc_cost_s = fmin(s->tsc_cost_s, (hd_wall() - start) / (double)n);
  }
#endif
}

static void teardown(hd_case *c) {
  clock_state *s = c->state;
  free(s->stamp);
  free(s->sample_ns);
  free(s);
}

static void reference(hd_case *c) {
  double *expected = c->outputs[0].expected;
  expected[CHECK_STEPS_BACK] = 0;
  expected[CHECK_AGREEMENT] = 1;
  expected[CHECK_STORED] = 1;
}

// A clock must measure a pause of 2 ms to 1 %: a disturbed nap in five does no harm, a coarse clock does.
static double tolerance(const hd_case *c) {
  (void)c;
  return 0.01;
}

// The clock's opinion of a nap over CLOCK_MONOTONIC's; the median of a few.
static double agreement(timer *read, double tick_ns) {
  double ratio[NAPS];
  for (int i = 0; i < NAPS; i++) {
    int64_t from, to;
    const double start = hd_wall();
    read(&from, 1);
    usleep(2000);
    read(&to, 1);
    ratio[i] = (double)(to - from) * tick_ns * 1e-9 / (hd_wall() - start);
  }
  return hd_summarize(ratio, NAPS).median;
}

// All CPU variants: n readings in a row; the time of one, and the spread of the steps between them.
static void measure(hd_case *c, timer *read, double tick_ns) {
  clock_state *s = c->state;
  const long n = c->size;
  if (c->verifying)
    for (long i = 0; i < n; i++) s->stamp[i] = -1;
  const double start = hd_wall();
  read(s->stamp, n);
  const double seconds = hd_wall() - start;
  if (n > 0) hd_report_time(c, seconds / (double)n);
  for (long i = 1; i < n; i++) s->sample_ns[i - 1] = (double)(s->stamp[i] - s->stamp[i - 1]) * tick_ns;
  report_samples(c, s->sample_ns, n - 1);
  if (!c->verifying) return;
  long back = 0, stored = 0;
  for (long i = 0; i < n; i++) {
    back += i > 0 && s->stamp[i] < s->stamp[i - 1];
    stored += s->stamp[i] >= 0;
  }
  s->checks[CHECK_STEPS_BACK] = (double)back;
  s->checks[CHECK_STORED] = n > 0 ? (double)stored / (double)n : 1;
  s->checks[CHECK_AGREEMENT] = agreement(read, tick_ns);
}

#define RUN(name, tick_ns)             \
  static void run_##name(hd_case *c) { \
    measure(c, read_##name, tick_ns);  \
  }
RUN(monotonic, 1)
RUN(monotonic_raw, 1)
RUN(omp, 1)
RUN(gettimeofday, 1e3)
RUN(syscall, 1)
RUN(coarse, 1)
RUN(cpu_time, 1e9 / CLOCKS_PER_SEC)
RUN(seconds, 1e9)
#ifdef __x86_64__
RUN(tsc, ((clock_state *)c->state)->tsc_tick_ns)
RUN(tsc_fenced, ((clock_state *)c->state)->tsc_tick_ns)
#endif

// Gives the pages of the stamps back, so that the next run touches each of them for the first time.
static void forget_pages(hd_case *c) {
  const clock_state *s = c->state;
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), mask = ~(page - 1);
  const uintptr_t from = ((uintptr_t)s->stamp + page - 1) & mask, to = (uintptr_t)(s->stamp + c->size) & mask;
  if (to > from && madvise((void *)from, to - from, MADV_DONTNEED))
    hd_fail(HD_EXIT_FAILURE, "cannot give memory back to the system (madvise)");
}

static double bound_s(const hd_case *c, enum hd_where where) {
  return where == HD_SERIAL ? ((const clock_state *)c->state)->tsc_cost_s : NAN;
}

static double memory(long n) {
  return 16.0 * (double)n;
}

static const hd_variant variants[] = {
    {"monotonic", HD_SERIAL, run_monotonic, "clock_gettime(CLOCK_MONOTONIC): what this suite measures with"},
    {"unwarmed", HD_SERIAL, run_monotonic, "the same, storing into memory never touched before: a first run",
     .before = forget_pages},
    {"monotonic-raw", HD_SERIAL, run_monotonic_raw,
     "without the adjusted rate: another path, the same cost?"},
    {"omp-wtime", HD_SERIAL, run_omp, "OpenMP's portable clock: the same clock through a library call"},
    {"gettimeofday", HD_SERIAL, run_gettimeofday, "steps of 1 µs: as dear, and blind below its step"},
    {"tsc", HD_SERIAL, WITH_TSC(run_tsc), "the core's counter alone: what the others are made of",
     .needs = "an x86-64 CPU"},
    {"tsc-fenced", HD_SERIAL, WITH_TSC(run_tsc_fenced), "a fence before it: wait for earlier instructions",
     .needs = "an x86-64 CPU"},
    {"syscall", HD_SERIAL, run_syscall, "the same clock through the kernel: what the vDSO saves"},
    {"coarse", HD_SERIAL, run_coarse, "the last timer tick: cheap, and too coarse for 2 ms",
     .wrong_on_purpose = true},
    {"cpu-time", HD_SERIAL, run_cpu_time, "clock(): processor time, which stands still while waiting",
     .wrong_on_purpose = true},
    {"seconds", HD_SERIAL, run_seconds, "time(): whole seconds", .wrong_on_purpose = true},
    {"gpu-events", HD_GPU, HD_WITH_CUDA(run_gpu_events), "CUDA events with nothing in between",
     HD_WITH_CUDA(&at_events), "CUDA"},
    {"gpu-kernel", HD_GPU, HD_WITH_CUDA(run_gpu_kernels), "an empty kernel between the events: a launch",
     HD_WITH_CUDA(&at_events), "CUDA"},
};

const hd_lesson hd_this_lesson = {
    .number = 0,
    .name = "clock",
    .title = "Clocks: what a reading costs",
    .size_name = "readings",
    .unit = "ns",
    .rate = HD_RATE_TIME,
    .quick = {100000},
    .full = {1000, 1000000},
    .gpu_quick = {1000},
    .gpu_full = {1000, 10000},
    .verify = {0, 1, 33, 1000, 7919, -1},
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .bound_s = bound_s,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
};
