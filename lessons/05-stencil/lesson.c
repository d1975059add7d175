// SPDX-License-Identifier: MIT
// 05 · Stencil: what is compared. Read sweeps.c, wavefront.c and mistakes.c for how, then naive.cu, tiled.cu,
// temporal.cu.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "heddle/device.h"
#include "heddle/error.h"
#include "heddle/machine.h"
#include "heddle/roof.h"
#include "kernels/jacobi/jacobi.h"
#include "stencil.h"

enum { MOST = 1 << 15 };

static void setup(hd_case *c) {
  if (c->size > MOST) hd_fail(HD_EXIT_USAGE, "n = %ld: at most %d, or indices overflow", c->size, MOST);
  stencil *s = c->state = hd_alloc(1, sizeof *s);
  *s = (stencil){.n = c->size, .pitch = stencil_pitch(c->size)};
  s->count = (size_t)(s->n + 2) * (size_t)s->pitch;
  s->initial = hd_alloc(s->count, sizeof(float));
  s->now = hd_alloc(s->count, sizeof(float));
  s->next = hd_alloc(s->count, sizeof(float));
  hd_jacobi_fill(s->initial, s->count, c->seed);
  hd_add_output(c, "grid", s->now, s->count, HD_F32);
}

static void teardown(hd_case *c) {
  stencil *s = c->state;
  free(s->initial);
  free(s->now);
  free(s->next);
  free(s);
}

static void reference(hd_case *c) {
  const stencil *s = c->state;
  hd_jacobi_reference(s->initial, c->outputs[0].expected, s->count, (size_t)stencil_at(s, 0, 0), s->pitch,
                      s->n, s->n, SWEEPS);
}

// Both grids from the start, the border in both; touched by those who will compute.
static void place_on_host(hd_case *c) {
  const stencil *s = c->state;
#pragma omp parallel for schedule(static)
  for (long i = 0; i < s->n + 2; i++) {
    memcpy(s->now + i * s->pitch, s->initial + i * s->pitch, (size_t)s->pitch * sizeof(float));
    memcpy(s->next + i * s->pitch, s->initial + i * s->pitch, (size_t)s->pitch * sizeof(float));
  }
}

// Each sweep rounds three times, and averages the errors of the one before.
static double tolerance(const hd_case *c) {
  (void)c;
  return 3 * SWEEPS * 0x1p-24;
}

static double updates(const hd_case *c) {
  return (double)SWEEPS * (double)c->size * (double)c->size;
}
static double flops(const hd_case *c) {
  return 4 * updates(c);
}
// Three grids in single precision, the reference and its second grid in double.
static double memory(long n) {
  return 28.0 * ((double)n + 2) * (double)stencil_pitch(n);
}

// The best roof of this run so far: a neighbour on the machine can only make it look lower.
static double memory_roof(const hd_case *c, enum hd_where where) {
  enum { MOST_THREADS = 64 };
  static double best[MOST_THREADS + 1];
  double peak, rate;
  if (where == HD_GPU) {
    hd_device_peaks(&peak, &rate);
    return rate;
  }
  double *roof = &best[c->threads < MOST_THREADS ? c->threads : MOST_THREADS];
  *roof = fmax(*roof, hd_roof_bytes(c->threads));
  return *roof;
}

// One sweep after the other: in each, every cell comes from memory once and goes back once. None for grids
// that stay in the last cache.
static double one_sweep_bound(const hd_case *c, enum hd_where where) {
  const double grids = 8.0 * (double)c->size * (double)c->size;
  if (where != HD_GPU && grids <= 2.0 * (double)hd_machine_get()->l3) return NAN;
  return SWEEPS * grids / memory_roof(c, where);
}

// Several sweeps on one trip: as many trips fewer, or the speed out of the caches.
static double wavefront_bound(const hd_case *c, enum hd_where where) {
  const int depth = wavefront_depth(c->state), trips = (SWEEPS + depth - 1) / depth;
  return fmax(one_sweep_bound(c, where) * trips / SWEEPS, updates(c) / cells_in_cache(c->threads));
}
// An addition is half of what a GPU's lane could do in its cycle.
static double temporal_bound(const hd_case *c, enum hd_where where) {
  double peak, rate;
  hd_device_peaks(&peak, &rate);
  return fmax(one_sweep_bound(c, where) / GPU_DEPTH, flops(c) / (peak / 2));
}

static bool several_threads(const hd_case *c) {
  return c->threads > 1;
}
// A mistake shows at a small size as well.
static bool small(const hd_case *c) {
  return c->size <= 1024;
}
static bool small_threads(const hd_case *c) {
  return small(c) && several_threads(c);
}

static const hd_place on_host = {.place = place_on_host};
static const hd_place on_gpu = {HD_WITH_CUDA(place_on_gpu), HD_WITH_CUDA(collect_from_gpu),
                                HD_WITH_CUDA(release_gpu)};
#define ON_GPU(name) HD_GPU, HD_WITH_CUDA(run_gpu_##name)
#define NEEDS_CUDA .at = &on_gpu, .needs = "CUDA"

static const hd_variant variants[] = {
    {"serial", HD_SERIAL, run_serial, "one core, a cell at a time: the baseline", .at = &on_host},
    {"simd", HD_SERIAL, run_simd, "a vector of cells at a time", .at = &on_host},
    {"omp", HD_THREADS, run_omp, "all cores, a parallel region for each sweep", .at = &on_host},
    {"one-region", HD_THREADS, run_one_region, "one region, a barrier after each sweep", .at = &on_host},
    {"tiled", HD_THREADS, run_tiled, "tiles, whose three rows stay in the first cache", .at = &on_host},
    {"streaming", HD_THREADS, run_streaming, "one-region, stores around the cache: 8 bytes a cell, not 12",
     .at = &on_host},
    {"wavefront", HD_THREADS, run_wavefront, "up to 16 sweeps on one trip through memory", .at = &on_host,
     .bound_s = wavefront_bound},
    {"wrong-in-place", HD_SERIAL, run_wrong_in_place, "one grid instead of two", .at = &on_host,
     .wrong_on_purpose = true, .fits = small},
    {"wrong-no-barrier", HD_THREADS, run_wrong_no_barrier, "one region without the barriers", .at = &on_host,
     .wrong_on_purpose = true, .fits = small_threads},
    {"gpu-naive", ON_GPU(naive), "a thread per cell, a launch per sweep", NEEDS_CUDA},
    {"gpu-tiled", ON_GPU(tiled), "neighbours from shared memory", NEEDS_CUDA},
    {"gpu-temporal", ON_GPU(temporal), "4 sweeps in shared memory, overlapping tiles", NEEDS_CUDA,
     .bound_s = temporal_bound},
    {"gpu-wrong-barrier", ON_GPU(wrong_barrier), "gpu-temporal without the barriers between sweeps",
     NEEDS_CUDA, .wrong_on_purpose = true, .fits = small},
};

const hd_lesson hd_this_lesson = {
    .number = 5,
    .name = "stencil",
    .title = "Stencil: Jacobi's iteration",
    .size_name = "n",
    .unit = "Gcells/s",
    .flops = flops,
    .items = updates,
    .rate = HD_RATE_ITEMS,
    .quick = {4096},
    .full = {256, 1024, 4096, 8192},
    .gpu_quick = {4096, 16384},
    .gpu_full = {1024, 4096, 16384},
    .sim_quick = {256},
    .sim_full = {256, 1024},
    .sim_sampled = {2048, 4096, 8192},
    .verify = {0, 1, 2, 33, 100, 101, 257, -1},
    .sweep_threads = true,
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .bound_s = one_sweep_bound,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
};
