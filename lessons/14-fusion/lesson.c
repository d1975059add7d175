// SPDX-License-Identifier: MIT
// 14 · Fusion: what is compared. Three computations, chosen by --part, in the order of fusion.h.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"
#include "heddle/device.h"
#include "heddle/error.h"

static enum part part = SOFTMAX;  // --part

static bool option(const char *name, const char *value) {
  static const char *const names[] = {"softmax", "layer-norm", "attention"};
  if (strcmp(name, "--part") != 0) return false;
  int i = 0;
  while (i < HD_COUNT(names) && strcmp(value, names[i]) != 0) i++;
  if (i == HD_COUNT(names))
    hd_fail(HD_EXIT_USAGE, "--part %s: must be one of softmax, layer-norm, attention", value);
  part = (enum part)i;
  return true;
}

// Rows: 256 MiB must move; on a real GPU 2 GiB, of which no L2 holds a part worth mentioning; on a CPU 128
// MiB. Where they are only checked, or executed by this CPU, some rows of each kind.
static long elements_of(const hd_case *c) {
  const long n = c->size;
  if (c->reduced) return n * (n > 10000 ? 3 : n > 1000 ? 11 : 37);
  return 1L << ((!c->on_gpu ? 24 : hd_device_simulated() ? 25 : 28) - (part == LAYER_NORM));
}

// Enough heads to fill a GPU as long as their matrices fit 1 GiB; on a CPU a few. Their number is odd: the
// simulator takes the block in the middle of a grid for all, and that should be one of queries in the middle.
static long heads_of(const hd_case *c) {
  const long squares = (c->on_gpu ? 1L << 28 : 1L << 22) / (c->size * c->size), most = c->on_gpu ? 15 : 3;
  if (c->reduced) return c->size > 300 ? 1 : 3;
  return squares < 1 ? 1 : squares < most ? squares : most;
}

// A card that is simulated executes each score on this CPU: of long sequences it is only shown the beginning.
static long length_of(const hd_case *c) {
  return c->reduced && !c->untimed && c->size > 1024 ? 321 : c->size;
}

enum { LONGEST = 1 << 20, LONGEST_ATTENTION = 1 << 15 };

static void setup(hd_case *c) {
  const long most = part == ATTENTION ? LONGEST_ATTENTION : LONGEST;
  if (c->size < 1 || c->size > most)
    hd_fail(HD_EXIT_USAGE, "--size %ld: rows of at least 1 and at most %ld", c->size, most);
  if (part == ATTENTION)
    setup_attention(c, heads_of(c), length_of(c));
  else
    setup_rows(c, part, elements_of(c));
}

static void teardown(hd_case *c) {
  if (part == ATTENTION)
    teardown_attention(c);
  else
    teardown_rows(c);
}

static void reference(hd_case *c) {
  if (part == ATTENTION)
    reference_attention(c);
  else if (part == LAYER_NORM)
    reference_norm(c);
  else
    reference_softmax(c);
}

// A sum of n fp32 numbers is off by a walk of at most n steps of 2^-24, which ends beyond 8 √n of them once
// in 10^14 times (lesson 10). An exponential is off by 2 units in its last place and what its argument's
// rounding makes of it: for arguments down to -10 another 10 of 2^-24; 32 covers these, its division, and the
// gain and bias of the norm.
static double tolerance(const hd_case *c) {
  return (32 + 8 * sqrt((double)c->size)) * 0x1p-24;
}

// Each x was rounded when the shift was added, and h again: by half a unit of the last place of the shift. An
// exponential turns that into a relative error of the same size, a norm divides it by a deviation of √2 and
// multiplies it by a gain of at most 5. Welford's mean walks √n such steps.
static double shifted_tolerance(const hd_case *c) {
  return tolerance(c) + shift_of(part) * 0x1p-24 * (part == SOFTMAX ? 2 : 5 * (2 + sqrt((double)c->size)));
}

// bf16: scores are off by 0.60 · 2^-8 of their deviation, which is 1 (lesson 13); so are, by that ratio,
// their exponentials. Rounding those and the values adds 0.42 · 2^-8 each; together HALF_ERROR, and 8
// deviations cover the largest. That is a share of a row's own size, which is 1 for the first rows and √(e /
// t) for the mean of t values (Σ of squared weights, e² / (t e)); hd_compare counts in units of the root of
// the mean over all rows.
static double half_tolerance(const hd_case *c) {
  const double n = (double)((const attention_case *)c->state)->n,
               rms = sqrt(fmin(1, M_E * (1 + log(fmax(n / M_E, 1))) / n));
  return 8 * HALF_ERROR / rms + tolerance(c);
}

// Two products of WIDTH multiplications and additions for each score up to the diagonal. What else is done is
// not declared.
static double flops(const hd_case *c) {
  if (part != ATTENTION) return 0;
  const attention_case *a = c->state;
  return 4.0 * WIDTH * (double)a->heads * (double)a->n * (double)(a->n + 1) / 2;
}

// Inputs once, outputs once.
static double bytes(const hd_case *c) {
  if (part == ATTENTION) {
    const attention_case *a = c->state;
    return 16.0 * WIDTH * (double)a->heads * (double)a->n;
  }
  const rows_case *s = c->state;
  return (part == SOFTMAX ? 8.0 : 16.0) * (double)s->rows * (double)s->n;
}

// Two arrays and a reference in double, or four and two references of half as many numbers. Attention: four
// arrays and one.
static double memory(long n) {
  const double count = hd_device_count() > 0 && !hd_device_simulated() ? 0x1p28 : 0x1p25;
  return part == ATTENTION ? 24.0 * WIDTH * 16 * (double)n
                           : (part == SOFTMAX ? 16 : 32) * fmax(count, (double)n);
}

static bool fits_softmax(const hd_case *c) {
  (void)c;
  return part == SOFTMAX;
}
static bool fits_norm(const hd_case *c) {
  (void)c;
  return part == LAYER_NORM;
}
// Longer ones take this CPU seconds, also where it simulates a GPU.
static bool fits_attention(const hd_case *c) {
  return part == ATTENTION && (c->size <= 8192 || (c->on_gpu && !hd_device_simulated()));
}
// A thread for each of so long a row takes seconds to simulate and shows nothing new.
static bool fits_thread(const hd_case *c) {
  return part == SOFTMAX && c->size <= 4096;
}
static bool fits_softmax_held(const hd_case *c) {
  return part == SOFTMAX && c->size <= 32768;
}
static bool fits_norm_held(const hd_case *c) {
  return part == LAYER_NORM && c->size <= 32768;
}
// What keeps the matrix: up to 2 GiB of it.
static bool fits_matrix(const hd_case *c) {
  return fits_attention(c) && 4.0 * (double)heads_of(c) * (double)c->size * (double)c->size <= 0x1p31;
}
static bool fits_half(const hd_case *c) {
  return fits_attention(c) && hd_device_product_peak(HD_BF16) > hd_device_product_peak(HD_F32);
}
// One query at a time: seconds beyond this.
static bool fits_slow(const hd_case *c) {
  return part == ATTENTION && c->size <= 2048;
}

#define PLACE(place, collect, release) \
  { HD_WITH_CUDA(place), HD_WITH_CUDA(collect), HD_WITH_CUDA(release) }
static const hd_place rows = PLACE(place_rows, collect_rows, release_rows),
                      shifted = PLACE(place_shifted, collect_rows, release_rows),
                      plain = PLACE(place_attention, collect_attention, release_attention),
                      matrix = PLACE(place_matrix, collect_attention, release_attention),
                      half = PLACE(place_half, collect_half, release_attention),
                      packed = PLACE(place_packed, collect_packed, release_attention);

#define ON_CPU(label, place, function, when, because) \
  { .name = label, .where = place, .run = function, .fits = when, .why = because }
#define ON_GPU(label, function, which, when, because, ...)                                       \
  {                                                                                              \
    .name = label, .where = HD_GPU, .run = HD_WITH_CUDA(function), .why = because, .at = &which, \
    .needs = "CUDA", .fits = when, __VA_ARGS__                                                   \
  }
#define SOFTMAX_BY(label, function, ...) ON_GPU("softmax/" label, run_softmax_##function, __VA_ARGS__)
#define NORM_BY(label, function, ...) ON_GPU("layer-norm/" label, run_norm_##function, __VA_ARGS__)
#define ATTENTION_BY(label, function, ...) ON_GPU("attention/" label, run_attention_##function, __VA_ARGS__)

static const hd_variant variants[] = {
    ON_CPU("softmax/serial", HD_SERIAL, run_softmax_serial, fits_softmax, "three passes, expf: the baseline"),
    ON_CPU("softmax/simd", HD_SERIAL, run_softmax_simd, fits_softmax,
           "an exponential that is no call: vectors"),
    ON_CPU("softmax/omp", HD_THREADS, run_softmax_omp, fits_softmax, "rows for each core"),
    ON_CPU("softmax/stream", HD_THREADS, run_softmax_stream, fits_softmax,
           "stores around the cache: 8 bytes, not 12"),
    SOFTMAX_BY("separate", separate, rows, fits_softmax,
               "an operation is a kernel: four of them, 24 bytes a number"),
    SOFTMAX_BY("thread", thread, rows, fits_thread, "one kernel, a thread for each row"),
    SOFTMAX_BY("block", block, rows, fits_softmax, "a block for each row: coalesced"),
    SOFTMAX_BY("warp", warp, rows, fits_softmax, "a warp for each row: shuffles, no barrier"),
    SOFTMAX_BY("online", online, rows, fits_softmax, "maximum and sum in one pass: two reads, not three"),
    SOFTMAX_BY("held", held, rows, fits_softmax_held, "the row in registers: one read, 16 bytes a load"),
    SOFTMAX_BY("shifted", held, shifted, fits_softmax_held, "held, all numbers larger by 128",
               .tolerance = shifted_tolerance),
    SOFTMAX_BY("wrong-no-max", no_max, shifted, fits_softmax,
               "the maximum not subtracted: exp(89) is infinite", .wrong_on_purpose = true,
               .tolerance = shifted_tolerance),
    ON_CPU("layer-norm/serial", HD_SERIAL, run_norm_serial, fits_norm, "three passes: the baseline"),
    ON_CPU("layer-norm/omp", HD_THREADS, run_norm_omp, fits_norm, "vectors, and rows for each core"),
    ON_CPU("layer-norm/stream", HD_THREADS, run_norm_stream, fits_norm,
           "stores around the cache: 16 bytes, not 24"),
    NORM_BY("separate", separate, rows, fits_norm,
            "an operation is a kernel: four of them, 28 bytes a number"),
    NORM_BY("kernels-nn", kernel, rows, fits_norm, "the norm in one kernel, as training has it: 20 bytes"),
    NORM_BY("fused", fused, rows, fits_norm, "the residual in the same kernel: 16 bytes"),
    NORM_BY("one-pass", squares, rows, fits_norm, "sum and sum of squares in one pass"),
    NORM_BY("wrong-squares", squares, shifted, fits_norm,
            "one-pass, all numbers larger by 4096: cancellation", .wrong_on_purpose = true,
            .tolerance = shifted_tolerance),
    NORM_BY("welford", welford, rows, fits_norm, "one pass that subtracts only what is near"),
    NORM_BY("shifted", welford, shifted, fits_norm, "welford, all numbers larger by 4096",
            .tolerance = shifted_tolerance),
    NORM_BY("held", held, rows, fits_norm_held, "the row in registers, 16 bytes a load"),
    ON_CPU("attention/serial", HD_SERIAL, run_attention_serial, fits_slow, "a query at a time: the baseline"),
    ON_CPU("attention/omp", HD_THREADS, run_attention_omp, fits_slow, "queries for each core"),
    ON_CPU("attention/gemm", HD_THREADS, run_attention_gemm, fits_attention,
           "lesson 07's product, n x n scores"),
    ON_CPU("attention/tiles", HD_THREADS, run_attention_tiles, fits_attention,
           "flash: scores are a tile in L1"),
    ATTENTION_BY("naive", naive, matrix, fits_matrix, "three kernels, a thread for each result"),
    ATTENTION_BY("kernels-nn", kernel, packed, fits_matrix,
                 "one kernel, a warp for each query, as training has it"),
    ATTENTION_BY("tiled", tiled, matrix, fits_matrix, "three kernels, both products by tiles"),
    ATTENTION_BY("fused", fused, matrix, fits_matrix, "two kernels: the softmax inside the products"),
    ATTENTION_BY("flash", flash, plain, fits_attention, "one kernel: scores stay in registers"),
    ATTENTION_BY("causal", causal, plain, fits_attention, "flash, and tiles behind the diagonal left out"),
    ATTENTION_BY("wrong-stale", stale, plain, fits_attention,
                 "causal, values not rescaled when a maximum grows", .wrong_on_purpose = true),
    ATTENTION_BY("tensor", half, half, fits_half, "causal on tensor cores, operands in bf16",
                 .operands = HD_BF16, .tolerance = half_tolerance),
    ATTENTION_BY("cublas", cublas, matrix, fits_matrix,
                 "the library's two products, n x n scores between them"),
};

const hd_lesson hd_this_lesson = {
    .number = 14,
    .name = "fusion",
    .title = "Fusion",
    .size_name = "n",
    .unit = "µs",
    .flops = flops,
    .bytes = bytes,
    .rate = HD_RATE_TIME,
    .quick = {512, 2048},  // no size of the GPUs': theirs have more rows
    .full = {128, 512, 2048, 8192},
    .gpu_quick = {1024, 4096, 16384},
    .gpu_full = {256, 1024, 4096, 16384},
    .sim_sampled = {1024, 4096, 16384},
    .verify = {1, 33, 127, 257, 1000, -1},
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
    .option = option,
    .option_help = "  --part WHICH          softmax (default), layer-norm or attention\n",
};
