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

static enum { UNIFORM, SKEWED, CONSTANT } distribution;  // --keys
static int bins = 256;                                   // --bins

// Skewed: the density falls like 1 / (b + 1), as in Zipf's law; of 256 bins the first gets an eighth.
static uint32_t key_of(uint32_t word) {
  if (distribution == CONSTANT) return (uint32_t)bins / 2;
  if (distribution == UNIFORM) return (uint32_t)((uint64_t)word * (uint64_t)bins >> 32);
  const uint32_t b = (uint32_t)powf((float)bins + 1, hd_uniform(word)) - 1;
  return b < (uint32_t)bins ? b : (uint32_t)bins - 1;
}

static void setup(hd_case *c) {
  if (c->size > INT_MAX)
    hd_fail(HD_EXIT_USAGE, "n = %ld: at most %d keys, as counts have 32 bits", c->size, INT_MAX);
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
  for (int b = 0; b < bins; b++) counts[b] = 0;
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

// An atomic takes tens of nanoseconds: more keys teach nothing more.
static bool few(const hd_case *c) {
  return c->size <= 32 << 20;
}

static const hd_place on_gpu = {HD_WITH_CUDA(place_arrays), HD_WITH_CUDA(collect_counts),
                                HD_WITH_CUDA(release_arrays)};
static const hd_place in_cub = {HD_WITH_CUDA(place_for_cub), HD_WITH_CUDA(collect_counts),
                                HD_WITH_CUDA(release_arrays)};
#define ON_GPU(name) HD_GPU, HD_WITH_CUDA(run_##name)
#define NEEDS_CUDA .at = &on_gpu, .needs = "CUDA"

static hd_variant variants[] = {
    {"serial", HD_SERIAL, run_serial, "one CPU thread, one counter per bin: the baseline"},
    {"copies", HD_SERIAL, run_copies, "four counters per bin: equal neighbours do not wait for each other"},
    {"omp-atomic", HD_THREADS, run_omp_atomic, "all cores, one histogram, indivisible increments",
     .fits = few},
    {"omp-private", HD_THREADS, run_omp_private, "all cores, a histogram each, added up at the end"},
    {"global", ON_GPU(global), "one histogram in global memory: its atomics meet in L2", NEEDS_CUDA},
    {"shared", ON_GPU(shared), "a histogram per block in shared memory, merged once", NEEDS_CUDA},
    {"vector", ON_GPU(vector), "four keys per load: more bytes under way", NEEDS_CUDA},
    {"per-warp", ON_GPU(per_warp), "a histogram per warp: warps did not meet anyway", NEEDS_CUDA},
    {"per-lane", ON_GPU(per_lane), "a histogram per lane, each in a bank of its own: no lane waits",
     NEEDS_CUDA},
    {"aggregated", ON_GPU(aggregated), "lanes with equal keys send one of them", NEEDS_CUDA},
    {"cub", ON_GPU(cub), "the library: cub::DeviceHistogram", .at = &in_cub, .needs = "CUDA"},
};

// Rows of other keys and bins are other rows: they say so in their names.
static void name_variants(void) {
  static const char *const names[] = {"", "-skewed", "-constant"};
  static const char *plain[HD_COUNT(variants)];
  static char full[HD_COUNT(variants)][40];
  for (int i = 0; i < HD_COUNT(variants); i++) {
    if (!plain[i]) plain[i] = variants[i].name;
    char number[16] = "";
    if (bins != 256) snprintf(number, sizeof number, "-%d", bins);
    snprintf(full[i], sizeof full[i], "%s%s%s", plain[i], names[distribution], number);
    variants[i].name = full[i];
  }
}

static bool option(const char *name, const char *value) {
  if (strcmp(name, "--bins") == 0) {
    char *end;
    const long number = strtol(value, &end, 10);
    if (*end || end == value || number < 1 || number > MOST_BINS)
      hd_fail(HD_EXIT_USAGE, "--bins %s: a whole number from 1 to %d is needed", value, MOST_BINS);
    bins = (int)number;
  } else if (strcmp(name, "--keys") == 0) {
    if (strcmp(value, "uniform") == 0)
      distribution = UNIFORM;
    else if (strcmp(value, "skewed") == 0)
      distribution = SKEWED;
    else if (strcmp(value, "constant") == 0)
      distribution = CONSTANT;
    else
      hd_fail(HD_EXIT_USAGE, "--keys %s: must be uniform, skewed or constant", value);
  } else {
    return false;
  }
  name_variants();
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
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
    .option = option,
    .option_help =
        "  --bins N              counters (1 … 8192; default 256)\n"
        "  --keys WHICH          uniform (default), skewed as in Zipf's law, or constant: all keys equal\n",
};
