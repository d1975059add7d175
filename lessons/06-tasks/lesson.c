// SPDX-License-Identifier: MIT
// 06 · Tasks: what is compared. Read merge.c for how.
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "heddle/clock.h"
#include "heddle/error.h"
#include "heddle/random.h"
#include "sort.h"

typedef struct state {
  record *in, *to, *other;  // (n)
  speed speed;
  gpu_records gpu;
} state;

// Keys of 20 bits: at 2^20 records most of them occur more than once, so that their order shows.
static void setup(hd_case *c) {
  const size_t n = (size_t)c->size;
  state *s = c->state = hd_alloc(1, sizeof *s);
  *s = (state){.in = hd_alloc(n, sizeof(record)),
               .to = hd_alloc(n, sizeof(record)),
               .other = hd_alloc(n, sizeof(record))};
#pragma omp parallel for
  for (size_t i = 0; i < n; i++) {
    const hd_random4 words = hd_philox(c->seed, 0, i);
    s->in[i] = (record){(int32_t)(words.v[0] >> 12) - (1 << 19), (int32_t)i};
    s->other[i] = (record){0, 0};  // the operating system hands its pages out now
  }
  hd_add_output(c, "records", s->to, 2 * n, HD_I32);
}

static void teardown(hd_case *c) {
  state *s = c->state;
  free(s->in);
  free(s->to);
  free(s->other);
  free(s);
}

// By counting, a byte of the keys at a time from the lowest on: no comparison, no merge.
static void sort_by_counting(record *records, record *other, size_t n) {
  for (int shift = 0; shift < 32; shift += 8) {
    size_t place[257] = {0};
#define DIGIT(r) (((uint32_t)(r).key ^ 0x80000000u) >> shift & 255)
    for (size_t i = 0; i < n; i++) place[DIGIT(records[i]) + 1]++;
    for (int d = 0; d < 256; d++) place[d + 1] += place[d];
    for (size_t i = 0; i < n; i++) other[place[DIGIT(records[i])]++] = records[i];
#undef DIGIT
    record *swapped = records;
    records = other;
    other = swapped;
  }
}

static void reference(hd_case *c) {
  const state *s = c->state;
  const size_t n = (size_t)c->size;
  record *sorted = hd_alloc(n, sizeof *sorted), *other = hd_alloc(n, sizeof *other);
  memcpy(sorted, s->in, n * sizeof *sorted);
  sort_by_counting(sorted, other, n);  // four passes: back in `sorted`
  for (size_t i = 0; i < n; i++) {
    c->outputs[0].expected[2 * i] = sorted[i].key;
    c->outputs[0].expected[2 * i + 1] = sorted[i].index;
  }
  free(sorted);
  free(other);
}

// There is only one order in which equal keys keep theirs.
static double tolerance(const hd_case *c) {
  (void)c;
  return 0;
}

static double items(const hd_case *c) {
  return (double)c->size;
}
static double bytes(const hd_case *c) {  // read and written once
  return 16.0 * (double)c->size;
}
// Three arrays of records, two more while the reference is made, its doubles.
static double memory(long n) {
  return (5 * 8.0 + 2 * 8.0) * (double)n;
}

// CUB counts with an int.
static bool fits_gpu(const hd_case *c) {
  return c->size < INT32_MAX;
}

// ---- what each rung divides, and so the chain that is left

static double path_all(const speed *v) {
  return v->sort_s;
}
static double path_sections(const speed *v) {
  return critical_path_s(v, v->n - v->n / 2, false);
}
static double path_tasks(const speed *v) {
  return critical_path_s(v, LEAF, false);
}
static double path_cut_off(const speed *v) {
  return critical_path_s(v, CUT_OFF, false);
}
static double path_pieces(const speed *v) {
  return critical_path_s(v, CUT_OFF, true);
}

// Threads beyond the cores add nothing.
static double least_s(const hd_case *c, double path_s) {
  const state *s = c->state;
  const int cores = c->threads < omp_get_num_procs() ? c->threads : omp_get_num_procs();
  return s->speed.sort_s > 0 ? fmax(s->speed.sort_s / cores, path_s) : NAN;
}

static void know_speed(hd_case *c) {
  state *s = c->state;
  measure_speed(&s->speed, s->in, c->size);
}

static sorting sorting_of(hd_case *c) {
  const state *s = c->state;
  return (sorting){
      .in = s->in, .to = s->to, .other = s->other, .n = c->size, .watch = c, .began_s = hd_wall()};
}

static void sort_by(hd_case *c, sorter *by, long cut, double path_s) {
  state *s = c->state;
  const sorting work = sorting_of(c);
  const long tasks = by(&work);
  if (by == sort_serial) s->speed.sort_s = fmin(s->speed.sort_s, hd_wall() - work.began_s);
  hd_figure(c, "tasks", (double)tasks, "");
  hd_figure(c, "levels of tasks", levels(c->size, cut), "");
  if (!(s->speed.sort_s > 0)) return;
  hd_figure(c, "critical path", path_s, "s");
  hd_figure(c, "parallelism", s->speed.sort_s / path_s, "");  // more threads than this find nothing to do
  hd_figure(c, "step on paper", least_s(c, path_s), "s");
}

#define RUNG(name, cut, path)                                               \
  static void run_##name(hd_case *c) {                                      \
    sort_by(c, sort_##name, cut, path_##path(&((state *)c->state)->speed)); \
  }                                                                         \
  static double bound_##name(const hd_case *c, enum hd_where where) {       \
    (void)where;                                                            \
    return least_s(c, path_##path(&((const state *)c->state)->speed));      \
  }
RUNG(serial, c->size, all)
RUNG(sections, c->size, sections)
RUNG(tasks, LEAF, tasks)
RUNG(cut_off, CUT_OFF, cut_off)
RUNG(depend, CUT_OFF, cut_off)
RUNG(pieces, CUT_OFF, pieces)
RUNG(qsort, c->size, all)
#define LEAST(name) .before = know_speed, .bound_s = bound_##name

static void run_no_wait(hd_case *c) {
  const sorting work = sorting_of(c);
  sort_no_wait(&work);
}

// The scratch as a program finds it that runs nothing else: nobody has left sorted halves there.
static void forget_halves(hd_case *c) {
  memset(((state *)c->state)->other, 0xff, (size_t)c->size * sizeof(record));
}

#if HD_HAVE_CUDA
static void place_on_gpu(hd_case *c) {
  state *s = c->state;
  gpu_place(&s->gpu, s->in, s->to, c->size);
}
static void run_cub(hd_case *c) {
  gpu_sort(&((state *)c->state)->gpu, c->size);
}
static void collect_from_gpu(hd_case *c) {
  const state *s = c->state;
  gpu_collect(&s->gpu, s->to, c->size);
}
static void release_on_gpu(hd_case *c) {
  gpu_release(&((state *)c->state)->gpu);
}
static const hd_place on_gpu = {place_on_gpu, collect_from_gpu, release_on_gpu};
#endif

static const hd_variant variants[] = {
    {"serial", HD_SERIAL, run_serial, "one thread: the baseline", LEAST(serial)},
    {"sections", HD_THREADS, run_sections, "two halves, as the source has them", LEAST(sections)},
    {"tasks", HD_THREADS, run_tasks, "a task for each half of each half, down to 32 records", LEAST(tasks)},
    {"cut-off", HD_THREADS, run_cut_off, "no tasks below 16 Ki records", LEAST(cut_off)},
    {"wrong-no-wait", HD_THREADS, run_no_wait, "a forgotten taskwait: merges what nobody has sorted",
     .wrong_on_purpose = true, .before = forget_halves},
    {"depend", HD_THREADS, run_depend, "all tasks made at once, each says what it needs", LEAST(depend)},
    {"pieces", HD_THREADS, run_pieces, "merges divided, too: the chain becomes short", LEAST(pieces)},
    {"qsort", HD_SERIAL, run_qsort, "the C library, by one thread", LEAST(qsort)},
    {"cub", HD_GPU, HD_WITH_CUDA(run_cub), "the vendor's library: a radix sort", .at = HD_WITH_CUDA(&on_gpu),
     .needs = "CUDA", .fits = fits_gpu},
};

const hd_lesson hd_this_lesson = {
    .number = 6,
    .name = "tasks",
    .title = "Tasks: merge sort",
    .size_name = "records",
    .unit = "M records/s",
    .kinds = "S sort, M merge",
    .bytes = bytes,
    .items = items,
    .rate = HD_RATE_ITEMS,
    .quick = {1 << 20},
    .full = {1 << 16, 1 << 20, 1 << 24},
    .gpu_quick = {1 << 20, 1 << 26},
    .gpu_full = {1 << 16, 1 << 20, 1 << 24, 1 << 26},
    .sim_quick = {1 << 20},
    .sim_full = {1 << 16, 1 << 20},
    .verify = {0, 1, 33, 1000, 65537, -1},
    .sweep_threads = true,
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
};
