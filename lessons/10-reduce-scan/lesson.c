// SPDX-License-Identifier: MIT
// 10 · Reduction and scan: what is compared. Two computations, chosen by --operation: read the sum first, in
// the order of sum.h, then the scan in that of scan.h.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "heddle/bench.h"
#include "heddle/device.h"
#include "heddle/error.h"
#include "heddle/random.h"
#include "scan.h"
#include "sum.h"

static bool scans;  // --operation scan

static bool option(const char *name, const char *value) {
  if (strcmp(name, "--operation") != 0) return false;
  scans = strcmp(value, "scan") == 0;
  if (!scans && strcmp(value, "reduce") != 0)
    hd_fail(HD_EXIT_USAGE, "--operation %s: must be reduce or scan", value);
  return true;
}

// Uniform in (0, 1): all of one sign, so that the error of the sum is that of its additions.
static void setup_sum(hd_case *c) {
  sum_case *s = c->state = hd_alloc(1, sizeof *s);
  *s = (sum_case){.x = hd_alloc((size_t)c->size, sizeof s->x[0])};
#pragma omp parallel for
  for (long i = 0; i < (c->size + 3) / 4; i++) {
    const hd_random4 words = hd_philox(c->seed, 0, (uint64_t)i);
    for (long j = 4 * i; j < 4 * i + 4 && j < c->size; j++) s->x[j] = hd_uniform(words.v[j % 4]);
  }
  hd_add_output(c, "sum", &s->sum, 1, HD_F32);
}

// From -8 to 7: their prefix sums fit 32 bits at any size that fits a memory.
static void setup_scan(hd_case *c) {
  scan_case *s = c->state = hd_alloc(1, sizeof *s);
  *s = (scan_case){.k = hd_alloc((size_t)c->size, sizeof s->k[0]),
                   .y = hd_alloc((size_t)c->size, sizeof s->y[0])};
#pragma omp parallel for
  for (long i = 0; i < (c->size + 3) / 4; i++) {
    const hd_random4 words = hd_philox(c->seed, 0, (uint64_t)i);
    for (long j = 4 * i; j < 4 * i + 4 && j < c->size; j++) s->k[j] = (int)(words.v[j % 4] >> 28) - 8;
  }
  hd_add_output(c, "y", s->y, (size_t)c->size, HD_I32);
}

static void setup(hd_case *c) {
  if (scans)
    setup_scan(c);
  else
    setup_sum(c);
}

static void teardown(hd_case *c) {
  if (scans) {
    scan_case *s = c->state;
    free(s->k);
    free(s->y);
  } else {
    free(((sum_case *)c->state)->x);
  }
  free(c->state);
}

// In pieces, each in double: exact for the integers, and far below fp32's rounding for the floats.
static void reference_sum(hd_case *c) {
  const float *x = ((const sum_case *)c->state)->x;
  double sum = 0;
#pragma omp parallel for reduction(+ : sum)
  for (long i = 0; i < c->size; i++) sum += x[i];
  c->outputs[0].expected[0] = sum;
}

static void reference_scan(hd_case *c) {
  const int *k = ((const scan_case *)c->state)->k;
  double sum = 0;
  for (long i = 0; i < c->size; i++) c->outputs[0].expected[i] = sum += k[i];
}

static void reference(hd_case *c) {
  if (scans)
    reference_scan(c);
  else
    reference_sum(c);
}

// Each fp32 addition of positive numbers is off by at most 2^-24 of its result, so the sum by at most as many
// times that as additions stand one behind the other. In every rung but two that is at most 512. Integers are
// exact.
static double tolerance(const hd_case *c) {
  (void)c;
  return scans ? 0 : 512 * 0x1p-24;
}

// n additions one behind the other: at worst n times 2^-24, which allows anything; but roundings go up and
// down, and a walk of n such steps ends beyond 8 sqrt(n) of them only once in 10^14 times.
static double long_chain(const hd_case *c) {
  return fmax(tolerance(c), 8 * sqrt((double)c->size) * 0x1p-24);
}

// The sum reads; the scan also writes. An addition for four bytes or more never is the bound, so none is
// declared.
static double bytes(const hd_case *c) {
  return (scans ? 8.0 : 4.0) * (double)c->size;
}
static bool only_reads(const hd_case *c) {
  (void)c;
  return !scans;
}
static double memory(long n) {
  return (scans ? 16.0 : 4.0) * (double)n;
}

static bool fits_reduce(const hd_case *c) {
  (void)c;
  return !scans;
}
static bool fits_scan(const hd_case *c) {
  (void)c;
  return scans;
}
// One addition at a time in one place takes tens of milliseconds at this size, and one float holds no more.
static bool fits_atomic(const hd_case *c) {
  return !scans && c->size <= 1 << 24;
}
// What goes wrong shows at a million elements as well as at a hundred.
static bool fits_mistake(const hd_case *c) {
  return !scans && c->size <= 1 << 20;
}

static const hd_place sum_on_gpu = {HD_WITH_CUDA(place_sum), HD_WITH_CUDA(collect_sum),
                                    HD_WITH_CUDA(release_sum)};
static const hd_place scan_on_gpu = {HD_WITH_CUDA(place_scan), HD_WITH_CUDA(collect_scan),
                                     HD_WITH_CUDA(release_scan)};
#define SUM(name) HD_GPU, HD_WITH_CUDA(run_sum_##name)
#define SUM_AT .at = &sum_on_gpu, .needs = "CUDA"
#define SCAN(name) HD_GPU, HD_WITH_CUDA(run_scan_##name)
#define SCAN_AT .at = &scan_on_gpu, .needs = "CUDA", .fits = fits_scan

static const hd_variant variants[] = {
    {"reduce/serial", HD_SERIAL, run_sum_serial, "one thread, one accumulator in double: the baseline",
     .fits = fits_reduce},
    {"reduce/wrong-float", HD_SERIAL, run_sum_wrong_float, "the accumulator in fp32: stands still at 2^24",
     .fits = fits_reduce, .wrong_on_purpose = true},
    {"reduce/simd", HD_SERIAL, run_sum_simd, "many sums side by side: additions wait for memory only",
     .fits = fits_reduce},
    {"reduce/omp", HD_THREADS, run_sum_omp, "a piece for each core", .fits = fits_reduce},
    {"reduce/atomic", SUM(atomic), "every element by an atomic addition to one float", SUM_AT,
     .fits = fits_atomic, .tolerance = long_chain},
    {"reduce/tree", SUM(tree), "a tree in shared memory: every 2nd, 4th, 8th … thread adds", SUM_AT,
     .fits = fits_reduce},
    {"reduce/sequential", SUM(sequential), "the same tree by neighbouring threads: whole warps drop out",
     SUM_AT, .fits = fits_reduce},
    {"reduce/shuffle", SUM(shuffle), "warps add in registers: one barrier instead of nine", SUM_AT,
     .fits = fits_reduce},
    {"reduce/vector", SUM(vector), "16-byte loads, four under way per thread, one wave of blocks", SUM_AT,
     .fits = fits_reduce},
    {"reduce/single-pass", SUM(single_pass), "the last block adds the blocks' sums: one launch, same bits",
     SUM_AT, .fits = fits_reduce},
    {"reduce/wrong-barrier", SUM(wrong_barrier), "the tree without its barriers", SUM_AT,
     .fits = fits_mistake, .wrong_on_purpose = true},
    {"reduce/wrong-mask", SUM(wrong_mask), "shuffles called only by the lanes that receive", SUM_AT,
     .fits = fits_mistake, .wrong_on_purpose = true},
    {"reduce/wrong-fence", SUM(wrong_fence), "the last block without the fence before the counter", SUM_AT,
     .fits = fits_mistake, .wrong_on_purpose = true},
    {"reduce/cub", SUM(cub), "the vendor's library", SUM_AT, .fits = fits_reduce},
    {"scan/serial", HD_SERIAL, run_scan_serial, "one thread, one sum: the baseline", .fits = fits_scan},
    {"scan/simd", HD_SERIAL, run_scan_simd, "vectors scanned in log2(lanes) steps, stores around the cache",
     .fits = fits_scan},
    {"scan/two-pass", HD_THREADS, run_scan_two_pass, "a piece for each core: add it up, then scan it",
     .fits = fits_scan},
    {"scan/chained", HD_THREADS, run_scan_chained, "chunks that stay in the cache between the two passes",
     .fits = fits_scan},
    {"scan/hillis-steele", SCAN(hillis_steele), "log2(256) steps in shared memory, then the blocks' sums",
     SCAN_AT},
    {"scan/shuffle", SCAN(shuffle), "16 elements per thread, warps scan in registers", SCAN_AT},
    {"scan/reduce-first", SCAN(reduce_first), "add up first, scan once: 12 bytes an element, not 16",
     SCAN_AT},
    {"scan/look-back", SCAN(look_back), "one pass: a tile looks back for the sum of those before it",
     SCAN_AT},
    {"scan/cub", SCAN(cub), "the vendor's library", SCAN_AT},
};

const hd_lesson hd_this_lesson = {
    .number = 10,
    .name = "reduce-scan",
    .title = "Reduction and scan",
    .size_name = "n",
    .unit = "GB/s",
    .bytes = bytes,
    .only_reads = only_reads,
    .rate = HD_RATE_BYTES,
    .quick = {1 << 20, 64 << 20},
    .full = {1 << 16, 1 << 20, 16 << 20, 64 << 20},
    .gpu_quick = {1 << 20, 1 << 24, 1 << 28},  // 1 GiB each at 2^28: nothing stays in a cache
    .gpu_full = {1 << 16, 1 << 20, 1 << 22, 1 << 24, 1 << 26, 1 << 28},
    .sim_quick = {1 << 20},
    .sim_full = {1 << 16, 1 << 20},
    .sim_sampled = {1 << 24, 1 << 26},
    .verify = {0, 1, 33, 1000, 7919, 100003, -1},
    .sweep_threads = true,
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
    .option = option,
    .option_help = "  --operation reduce|scan   the sum of n floats, or the prefix sums of n integers\n",
};
