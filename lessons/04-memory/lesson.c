// SPDX-License-Identifier: MIT
// 04 · Memory: what is compared. Four parts, chosen by --part: the triad (triad.c, bind.c, places.c), the
// same into fresh memory (fresh.c), a sum at strides (stride.c), a walk along a list (chase.c).
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "heddle/error.h"
#include "heddle/machine.h"
#include "heddle/random.h"
#include "heddle/roof.h"
#include "memory.h"

static enum part { TRIAD, FRESH, STRIDE, LATENCY } part;  // --part

static bool option(const char *name, const char *value) {
  static const char *const names[] = {"triad", "fresh", "stride", "latency"};
  if (strcmp(name, "--part") != 0) return false;
  int i = 0;
  while (i < HD_COUNT(names) && strcmp(value, names[i]) != 0) i++;
  if (i == HD_COUNT(names))
    hd_fail(HD_EXIT_USAGE, "--part %s: must be one of triad, fresh, stride, latency", value);
  part = (enum part)i;
  return true;
}

// Three arrays of floats, one of integers or nodes: together as many KiB as --size says.
static long elements(const hd_case *c) {
  const long bytes = 1024 * c->size;
  return part == LATENCY ? bytes / (long)sizeof(node) : bytes / (part == STRIDE ? 4 : 12);
}

// Fisher and Yates.
static uint32_t *shuffled_numbers(long n, uint64_t seed) {
  uint32_t *order = hd_alloc((size_t)n, sizeof *order);
  for (long i = 0; i < n; i++) order[i] = (uint32_t)i;
  for (long i = n - 1; i > 0; i--) {
    const uint64_t word = hd_philox(seed, 0, (uint64_t)i / 4).v[i % 4];
    const long j = (long)(word * (uint64_t)(i + 1) >> 32);
    const uint32_t swap = order[i];
    order[i] = order[j];
    order[j] = swap;
  }
  return order;
}

static const uint32_t MULTIPLIER = 2654435761;  // neighbours differ in all bits

static void setup(hd_case *c) {
  memory_case *m = c->state = hd_alloc(1, sizeof *m);
  *m = (memory_case){.n = elements(c)};
  if (part == LATENCY) {
    if (m->n > UINT32_MAX) hd_fail(HD_EXIT_USAGE, "KiB = %ld: a list has at most 2^32 nodes", c->size);
    m->order = shuffled_numbers(m->n, c->seed);
    if (m->n) hd_add_output(c, "walked", &m->walked, 1, HD_F64);
  } else if (part == STRIDE) {
    m->x = hd_alloc((size_t)m->n, sizeof m->x[0]);
#pragma omp parallel for schedule(static)
    for (long i = 0; i < m->n; i++) m->x[i] = (uint32_t)c->seed + MULTIPLIER * (uint32_t)i;
    hd_add_output(c, "sum", &m->sum, 1, HD_F64);
  } else {
    m->output = hd_alloc((size_t)m->n, sizeof m->output[0]);
    hd_add_output(c, "a", m->output, (size_t)m->n, HD_F32);
  }
}

static void teardown(hd_case *c) {
  memory_case *m = c->state;
  free(m->output);
  free(m->x);
  free(m->order);
  free(m);
}

// No loop and no list where a formula will do.
static void reference(hd_case *c) {
  const memory_case *m = c->state;
  const uint64_t n = (uint64_t)m->n;
  if (part == LATENCY) {
    if (n) c->outputs[0].expected[0] = (double)(STEPS % n);
  } else if (part == STRIDE) {
    const uint64_t pairs = n % 2 ? (n - 1) / 2 * n : n / 2 * (n - 1);  // 0 + 1 + … + n - 1
    c->outputs[0].expected[0] = (uint32_t)(n * c->seed + MULTIPLIER * pairs);
  } else {
#pragma omp parallel for schedule(static)
    for (long i = 0; i < m->n; i++)
      c->outputs[0].expected[i] = (double)b_of(c->seed, i) + 3 * (double)c_of(c->seed, i);
  }
}

// Integers, and multiples of 2^-10 below 4: nothing is rounded.
static double tolerance(const hd_case *c) {
  (void)c;
  return 0;
}

// What the program asks for. A walk's unit is the time of a step, a line's.
static double bytes(const hd_case *c) {
  const double n = (double)elements(c);
  return part == LATENCY ? LINE : part == STRIDE ? 4 * n : 12 * n;
}
static bool only_reads(const hd_case *c) {
  (void)c;
  return part == STRIDE;
}

// A step's line at the speed at which one core reads lines that it need not wait for.
static double line_bound(const hd_case *c, enum hd_where where) {
  (void)where;
  const bool cached = 1024.0 * (double)c->size <= 2.0 * (double)hd_machine_get()->l3;
  return cached ? NAN : LINE / hd_roof_read(1);
}

// The arrays, where the harness looks for the result, and its reference; the list and its order.
static double memory(long size) {
  return 2.0 * 1024 * (double)size;
}

enum { IN_L1 = 32, IN_L2 = 512, IN_L3 = 8192, IN_MEMORY = 196608 };

// In the quick profile most variants are shown where they differ: in memory.
static bool quick_leaves_out(const hd_case *c) {
  return !c->full && !c->reduced && (c->size == IN_L1 || c->size == IN_L2 || c->size == IN_L3);
}
static bool fits_any(const hd_case *c) {
  (void)c;
  return part == TRIAD;
}
static bool fits_triad(const hd_case *c) {
  return part == TRIAD && !quick_leaves_out(c);
}
static bool fits_fresh(const hd_case *c) {
  return part == FRESH && !quick_leaves_out(c);
}
static bool fits_stride(const hd_case *c) {
  return part == STRIDE && !quick_leaves_out(c);
}
static bool fits_latency(const hd_case *c) {
  (void)c;
  return part == LATENCY;
}

#define TRIAD_OF(label, function, where, place, when, because, ...) \
  { "triad/" label, where, run_triad_##function, because, .at = &(place), .fits = (when), __VA_ARGS__ }
#define FRESH_OF(label, function, because, ...)                                                        \
  {                                                                                                    \
    "fresh/" label, HD_THREADS, run_fresh_##function, because, .at = &inputs_only, .fits = fits_fresh, \
                                                               __VA_ARGS__                             \
  }
#define STRIDE_OF(s, because) \
  { "stride/" #s, HD_THREADS, run_stride_##s, because, .fits = fits_stride }
#define WALK(label, function, place, because)                                                   \
  {                                                                                             \
    "latency/" label, HD_SERIAL, run_##function, because, .at = &(place), .fits = fits_latency, \
                                                          .unit = "ns", .bound_s = line_bound   \
  }

static const hd_variant variants[] = {
    TRIAD_OF("serial", serial, HD_SERIAL, huge_by_users, fits_triad,
             "one core; 12 bytes asked for, 16 moved"),
    TRIAD_OF("threads", threads, HD_THREADS, huge_by_users, fits_any, "all cores"),
    TRIAD_OF("streaming", streaming, HD_THREADS, huge_by_users, fits_any,
             "stores around the cache: 12 bytes moved"),
    TRIAD_OF("in-place", in_place, HD_THREADS, huge_by_users, fits_triad,
             "a += 3 c: what is overwritten was needed anyway", .before = copy_b_to_a),
    TRIAD_OF("prefetch", prefetch, HD_THREADS, huge_by_users, fits_triad,
             "streaming, and inputs asked for in advance"),
    TRIAD_OF("bound", bound, HD_THREADS, huge_by_users, fits_triad, "streaming, each thread on its own core"),
    TRIAD_OF("one-core", one_core, HD_THREADS, huge_by_users, fits_triad,
             "streaming, all threads on one core: what launchers do"),
    TRIAD_OF("small-pages", streaming, HD_THREADS, small_by_users, fits_triad, "streaming, pages of 4 KiB"),
    TRIAD_OF("touched-by-one", streaming, HD_THREADS, huge_by_one, fits_triad,
             "streaming, one thread touched all pages first"),
    FRESH_OF("by-one", by_one, "allocated, cleared by one thread, computed by all", .before = unmap_a),
    FRESH_OF("by-users", by_users, "allocated and computed: each thread meets its page faults",
             .before = unmap_a),
    FRESH_OF("huge", huge, "in pages of 2 MiB: a 512th of the faults", .before = unmap_a),
    FRESH_OF("kept", kept, "an array that was in use before: no faults", .before = map_a),
    FRESH_OF("wrong-untouched", untouched, "inputs from calloc: one page of zeros, read again and again",
             .before = unmap_a, .wrong_on_purpose = true),
    STRIDE_OF(1, "one float after the other: all 64 bytes of a line are used at once"),
    STRIDE_OF(2, "every second: 32 bytes of a line, and the others later"),
    STRIDE_OF(4, "every fourth"),
    STRIDE_OF(8, "every eighth"),
    STRIDE_OF(16, "one float of a line: 64 bytes moved for 4"),
    STRIDE_OF(32, "every second line"),
    WALK("chase", chase, shuffled, "a random order: each step waits for the one before it"),
    WALK("four-chains", chase_four, shuffled, "four walks at once: misses overlap"),
    WALK("ahead", chase_ahead, shuffled, "16 nodes in advance asked for: software prefetch"),
    WALK("small-pages", chase, shuffled_small, "a random order in pages of 4 KiB: TLB misses"),
    WALK("in-order", chase, in_order, "in the order of addresses: the hardware prefetches"),
};

const hd_lesson hd_this_lesson = {
    .number = 4,
    .name = "memory",
    .title = "Memory",
    .size_name = "KiB",
    .unit = "GB/s",
    .bytes = bytes,
    .only_reads = only_reads,
    .rate = HD_RATE_BYTES,
    .quick = {IN_L1, IN_L2, IN_L3, IN_MEMORY},
    .full = {16, IN_L1, 256, IN_L2, 2048, IN_L3, 65536, IN_MEMORY},
    .verify = {0, 1, 33, 1000, 7919, -1},
    .sweep_threads = true,
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
    .option = option,
    .option_help = "  --part WHICH          triad (default), fresh, stride or latency\n",
};
