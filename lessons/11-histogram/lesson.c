// SPDX-License-Identifier: MIT
// 11 · Histogram: what is compared. Read cpu.c, global.cu, shared.cu, copies.cu, aggregated.cu for how.
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heddle/bench.h"
#include "heddle/error.h"
#include "heddle/random.h"
#include "histogram.h"

enum { UNIFORM, SKEWED, CONSTANT, MANY, KINDS };
// A kind of keys is a part of the lesson, with its own rows and plots.
static const char *const kinds[KINDS] = {"uniform", "skewed", "constant", "many"};
static int kind, asked_bins;  // --keys; --bins, 0 if not given

static int bin_count(void) {
  return asked_bins ? asked_bins : kind == MANY ? 4096 : 256;
}

// Skewed: the density falls like 1 / (b + 1), as in Zipf's law; of 256 bins the first gets an eighth.
static uint32_t key_of(uint32_t word) {
  if (kind == CONSTANT) return (uint32_t)bin_count() / 2;
  if (kind != SKEWED) return (uint32_t)((uint64_t)word * (uint64_t)bin_count() >> 32);
  const uint32_t bins = (uint32_t)bin_count(), b = (uint32_t)powf((float)bins + 1, hd_uniform(word)) - 1;
  return b < bins ? b : bins - 1;
}

static void setup(hd_case *c) {
  if (c->size > INT_MAX)
    hd_fail(HD_EXIT_USAGE, "n = %ld: at most %d keys, as counts have 32 bits", c->size, INT_MAX);
  const int bins = bin_count();
  histogram_case *h = c->state = hd_alloc(1, sizeof *h);
  *h = (histogram_case){.bins = bins,
                        .keys = hd_alloc((size_t)c->size, sizeof(uint32_t)),
                        .counts = hd_alloc((size_t)bins, sizeof(int32_t))};
#pragma omp parallel for
  for (long i = 0; i < c->size; i += 4) {
    const hd_random4 words = hd_philox(c->seed, 0, (uint64_t)i / 4);
    for (long k = 0; k < 4 && i + k < c->size; k++) h->keys[i + k] = key_of(words.v[k]);
  }
  hd_add_output(c, "counts", h->counts, (size_t)bins, HD_I32);
}

static void teardown(hd_case *c) {
  histogram_case *h = c->state;
  free(h->keys);
  free(h->counts);
  free(h);
}

static int by_value(const void *left, const void *right) {
  const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  return (a > b) - (a < b);
}

// By other means than the variants where that is quick: sorted, the keys of a bin stand together.
static void reference(hd_case *c) {
  enum { FEW = 1 << 20 };
  const histogram_case *h = c->state;
  double *counts = c->outputs[0].expected;
  for (int b = 0; b < h->bins; b++) counts[b] = 0;
  if (c->size > FEW) {
    for (long i = 0; i < c->size; i++) counts[h->keys[i]]++;
    return;
  }
  uint32_t *sorted = hd_alloc((size_t)c->size, sizeof *sorted);
  memcpy(sorted, h->keys, (size_t)c->size * sizeof *sorted);
  qsort(sorted, (size_t)c->size, sizeof *sorted, by_value);
  for (long from = 0, to = 0; from < c->size; from = to) {
    while (to < c->size && sorted[to] == sorted[from]) to++;
    counts[sorted[from]] = (double)(to - from);
  }
  free(sorted);
}

// Whole numbers: exact.
static double tolerance(const hd_case *c) {
  (void)c;
  return 0;
}

// Each key is read once; the counts stay where they are counted.
static double bytes(const hd_case *c) {
  return 4.0 * (double)c->size;
}
static double memory(long n) {
  return 8.0 * (double)n;  // keys, and a simulated GPU's copy of them
}

static bool only_reads(const hd_case *c) {
  (void)c;
  return true;
}

// few: an atomic takes tens of nanoseconds, more keys teach nothing more.
#define KIND(name, number)                          \
  static bool name(const hd_case *c) {              \
    (void)c;                                        \
    return kind == (number);                        \
  }                                                 \
  static bool few_##name(const hd_case *c) {        \
    return kind == (number) && c->size <= 32 << 20; \
  }
KIND(uniform, UNIFORM)
KIND(skewed, SKEWED)
KIND(constant, CONSTANT)
KIND(many, MANY)

static const hd_place on_gpu = {HD_WITH_CUDA(place_arrays), HD_WITH_CUDA(collect_counts),
                                HD_WITH_CUDA(release_arrays)};
#define ON_CPU(label, place, function, fitting, because) \
  { .name = label, .where = place, .run = function, .fits = fitting, .why = because }
#define ON_GPU(label, function, fitting, because)                                                  \
  {                                                                                                \
    .name = label, .where = HD_GPU, .run = HD_WITH_CUDA(function), .at = &on_gpu, .fits = fitting, \
    .needs = "CUDA", .why = because                                                                \
  }
#define LADDER(part)                                                                                         \
  ON_CPU(#part "/serial", HD_SERIAL, run_serial, part, "one CPU thread, one counter per bin: the baseline"), \
      ON_CPU(#part "/copies", HD_SERIAL, run_copies, part,                                                   \
             "four counters per bin: equal neighbours do not wait for each other"),                          \
      ON_CPU(#part "/omp-atomic", HD_THREADS, run_omp_atomic, few_##part,                                    \
             "all cores, one histogram, indivisible increments"),                                            \
      ON_CPU(#part "/omp-private", HD_THREADS, run_omp_private, part,                                        \
             "all cores, a histogram each, added up at the end"),                                            \
      ON_GPU(#part "/global", run_global, part, "one histogram in global memory: its atomics meet in L2"),   \
      ON_GPU(#part "/shared", run_shared, part, "a histogram per block in shared memory, merged once"),      \
      ON_GPU(#part "/vector", run_vector, part, "four keys per load: more bytes under way"),                 \
      ON_GPU(#part "/per-warp", run_per_warp, part, "a histogram per warp: warps did not meet anyway"),      \
      ON_GPU(#part "/per-lane", run_per_lane, part,                                                          \
             "a histogram per lane, each in a bank of its own: no lane waits"),                              \
      ON_GPU(#part "/aggregated", run_aggregated, part, "lanes with equal keys send one of them"),           \
      ON_GPU(#part "/cub", run_cub, part, "the library: cub::DeviceHistogram")

static hd_variant variants[] = {LADDER(uniform), LADDER(skewed), LADDER(constant), LADDER(many)};

// Rows of other bins are other rows: they say so in their names.
static void add_to_names(const char *bins) {
  static char names[HD_COUNT(variants)][48];
  for (int i = 0; i < HD_COUNT(variants); i++) {
    snprintf(names[i], sizeof names[i], "%.32s-%s", variants[i].name, bins);
    variants[i].name = names[i];
  }
}

static bool option(const char *name, const char *value) {
  if (strcmp(name, "--keys") == 0) {
    for (kind = 0; kind < KINDS && strcmp(value, kinds[kind]) != 0;) kind++;
    if (kind == KINDS) hd_fail(HD_EXIT_USAGE, "--keys %s: must be uniform, skewed, constant or many", value);
  } else if (strcmp(name, "--bins") == 0) {
    char *end;
    const long number = strtol(value, &end, 10);
    if (*end || end == value || number < 1 || number > MOST_BINS)
      hd_fail(HD_EXIT_USAGE, "--bins %s: a whole number from 1 to %d is needed", value, MOST_BINS);
    if (asked_bins) hd_fail(HD_EXIT_USAGE, "--bins %s: given twice", value);
    asked_bins = (int)number;
    add_to_names(value);
  } else {
    return false;
  }
  return true;
}

const hd_lesson hd_this_lesson = {
    .number = 11,
    .name = "histogram",
    .title = "Histogram: counting keys",
    .size_name = "n",
    .unit = "GB/s",
    .bytes = bytes,
    .rate = HD_RATE_BYTES,
    .quick = {32 << 20},  // 128 MiB: more than any cache
    .full = {1 << 20, 8 << 20, 32 << 20, 128 << 20},
    .gpu_quick = {32 << 20, 256 << 20},  // 1 GiB: nothing stays in a cache
    .gpu_full = {1 << 20, 8 << 20, 32 << 20, 256 << 20},
    .sim_quick = {1 << 20},
    .sim_sampled = {8 << 20, 32 << 20},
    .verify = {0, 1, 33, 1000, 7919, 100003, -1},
    .memory = memory,
    .only_reads = only_reads,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
    .option = option,
    .option_help =
        "  --keys WHICH          uniform (default); skewed as in Zipf's law; constant: all equal;\n"
        "                        many: uniform, in 4096 bins instead of 256\n"
        "  --bins N              so many bins instead (1 … 8192)\n",
};
