// SPDX-License-Identifier: MIT
// What is compared: the same iterations on a grid by rows, with halos brought in different ways.
#include <heddle/bench.h>
#include <heddle/device.h>
#include <heddle/error.h>
#include <heddle/roof.h>
#include <kernels/jacobi/jacobi.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "halo.h"

enum { ITERATIONS = 16 };

typedef struct state {
  float *initial, *result;
} state;

static size_t cells(const hd_case *c) {
  return (size_t)c->size * (size_t)c->size;
}
static size_t all_cells(const hd_case *c) {
  return ((size_t)c->size + 2) * ((size_t)c->size + 2);
}

static void setup(hd_case *c) {
  if (c->size < 1) hd_fail(HD_EXIT_USAGE, "n = %ld: a grid has at least one row", c->size);
  state *s = c->state = hd_alloc(1, sizeof *s);
  s->initial = hd_alloc(all_cells(c), sizeof(float));
  s->result = hd_alloc(cells(c), sizeof(float));
  hd_jacobi_fill(s->initial, all_cells(c), c->seed);
  hd_add_output(c, "grid", s->result, cells(c), HD_F32);
}

static void teardown(hd_case *c) {
  state *s = c->state;
  free(s->initial);
  free(s->result);
  free(s);
}

static void reference(hd_case *c) {
  const state *s = c->state;
  const size_t n = (size_t)c->size, width = n + 2;
  double *all = hd_alloc(all_cells(c), sizeof *all);
  hd_jacobi_reference(s->initial, all, all_cells(c), width + 1, (long)width, c->size, c->size, ITERATIONS);
  for (size_t i = 0; i < n; i++)
    memcpy(c->outputs[0].expected + i * n, all + (i + 1) * width + 1, n * sizeof *all);
  free(all);
}

// Each iteration rounds three times, and averages the errors of the one before.
static double tolerance(const hd_case *c) {
  (void)c;
  return 3 * ITERATIONS * 0x1p-24;
}

// Per iteration: three additions and a multiplication; each grid read or written once.
static double flops(const hd_case *c) {
  return 4.0 * (double)cells(c);
}
static double bytes(const hd_case *c) {
  return 8.0 * (double)cells(c);
}
static double memory(long size) {
  return 48.0 * ((double)size + 2) * ((double)size + 2);
}

// Perfect scaling: memory only, no halos.
static double bound(const hd_case *c, enum hd_where where) {
  double peak, rate;
  if (where != HD_GPUS) return where == HD_RANKS ? NAN : bytes(c) / hd_roof_bytes(1);
  hd_device_peaks(&peak, &rate);
  return bytes(c) / (rate * c->devices);
}

// ---------------------------------------------------------------- the variants

// Weak scaling: an eighth of the rows per rank, however many ranks; against one rank alone.
static void report_weak_scaling(hd_case *c, trial t) {
  t.result = NULL;
  t.moments = 0;
  const long rows = c->size / 8, world = t.world;
  iteration *method = t.method;
  t.method = halo_peer;  // alone there is nothing to bring
  t.rows = rows;
  t.world = 1;
  if (rows < 1 || world > 8 || run_trial(&t)) return;
  const double alone = t.seconds;
  t.method = method;
  t.rows = rows * world;
  t.world = (int)world;
  if (run_trial(&t)) hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  hd_figure(c, "weak scaling", 100 * alone / t.seconds, "%");
}

static void report_timeline(hd_case *c, const trial *t) {
  static const char *const LABELS[2][MOST_SPANS] = {{"F", "W", ""}, {"E", "F", "W"}};
  const int each = t->moments;
  for (int r = 0; r < t->world; r++)
    for (int i = 0; i < SPAN_ITERATIONS; i++)
      for (int k = 0; k + 1 < each; k++) {
        char label[16];
        snprintf(label, sizeof label, "%s%d", LABELS[each == 4][k], i);
        hd_add_span(c, r, label, t->span[r][i * each + k], t->span[r][i * each + k + 1]);
      }
}

static void run_case(hd_case *c, iteration *method, enum place place, int world) {
  const bool modelled = place == ON_GPU && hd_device_simulated();
  const state *s = c->state;
  trial *t = hd_alloc(1, sizeof *t);
  *t = (trial){.method = method,
               .place = place,
               .world = world,
               .rows = c->size,
               .columns = c->size,
               .iterations = ITERATIONS,
               .initial = s->initial,
               .result = s->result,
               .moments = method == halo_stale        ? 0
                          : method == halo_overlapped ? 4
                                                      : 3};
  if (run_trial(t)) hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  hd_report_time(c, t->seconds);
  if (t->moments && (modelled || !c->verifying)) report_timeline(c, t);
  hd_figure(c, "messages", (double)t->sent.messages, "");
  hd_figure(c, "bytes sent", (double)t->sent.bytes, "B");
  hd_figure(c, "memory", t->memory, "B");
  if (modelled) report_weak_scaling(c, *t);
  free(t);
}

static void cpu_serial(hd_case *c) {
  run_case(c, halo_peer, ON_CPU, 1);
}
#define CPU(name, method)                    \
  static void cpu_##name(hd_case *c) {       \
    run_case(c, method, ON_CPU, c->threads); \
  }
#if HD_HAVE_CUDA
#define GPU(name, method)                    \
  static void gpu_##name(hd_case *c) {       \
    run_case(c, method, ON_GPU, c->devices); \
  }
#else
#define GPU(name, method)
#endif
CPU(copy, halo_copy)
CPU(peer, halo_peer)
CPU(overlapped, halo_overlapped)
CPU(stale, halo_stale)
GPU(copy, halo_copy)
GPU(peer, halo_peer)
GPU(overlapped, halo_overlapped)

static bool two_ranks(const hd_case *c) {
  return c->threads == 2 && c->size > 1;
}

// Simulated GPUs hold the largest grid in this machine's memory, which takes a while.
static bool not_too_large(const hd_case *c) {
  return c->full || c->size <= 4096 || !hd_device_simulated();
}

#define RANKS(label, function, because) \
  { .name = label, .where = HD_RANKS, .run = cpu_##function, .why = because }
#define GPUS(label, function, because)                                                                     \
  {                                                                                                        \
    .name = label, .where = HD_GPUS, .run = HD_WITH_CUDA(gpu_##function), .needs = "CUDA", .why = because, \
    .fits = not_too_large                                                                                  \
  }

static const hd_variant variants[] = {
    {.name = "serial", .where = HD_SERIAL, .run = cpu_serial, .why = "one rank, no halos"},
    RANKS("copy", copy, "edges into a buffer, all meet, edges out of it"),
    RANKS("peer", peer, "edges straight into the neighbours' grids"),
    RANKS("overlapped", overlapped, "edges first, the rest while they travel"),
    {.name = "wrong-stale",
     .where = HD_RANKS,
     .run = cpu_stale,
     .why = "halos brought in every other iteration only",
     .wrong_on_purpose = true,
     .fits = two_ranks},
    GPUS("gpu-copy", copy, "halos through the host"),
    GPUS("gpu-peer", peer, "halos from GPU to GPU"),
    GPUS("gpu-overlapped", overlapped, "edges first, the rest while they travel: two streams"),
};

const hd_lesson hd_this_lesson = {
    .number = 19,
    .name = "halo",
    .title = "Jacobi on a divided grid",
    .size_name = "n",
    .unit = "GB/s",
    .kinds = "F cells, W waiting for halos, E edges",
    .flops = flops,
    .bytes = bytes,
    .rate = HD_RATE_BYTES,
    .quick = {1024},
    .full = {1024, 4096},
    .gpu_quick = {1024, 8192},
    .gpu_full = {1024, 4096, 8192},
    .sim_quick = {256},
    .sim_full = {256, 1024},
    .sim_sampled = {2048, 4096, 8192},
    .verify = {1, 2, 33, 100, 101, -1},
    .sweep_ranks = {1, 2, 4},
    .sweep_devices = {1, 2, 4, 8},
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .bound_s = bound,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
};
