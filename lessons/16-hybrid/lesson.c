// SPDX-License-Identifier: MIT
// 16 · CPU and GPU on one problem: what is compared. Read cloud.c, cpu.c and density.cu for the problem,
// paper.c for what sharing it takes; then gpu.cu, static.cu and dynamic.cu.
#include <stdlib.h>
#include <string.h>

#include "cloud.h"
#include "heddle/error.h"

enum { MOST = 1 << 26 };

static bool option(const char *name, const char *value) {
  if (strcmp(name, "--cpu-gflops") != 0) return false;
  char *end;
  const double gflops = strtod(value, &end);
  if (end == value || *end || !(gflops >= 1 && gflops <= 1e6))
    hd_fail(HD_EXIT_USAGE, "--cpu-gflops %s: a number from 1 to 1000000 is needed", value);
  cpu_declared_flops = gflops * 1e9;
  return true;
}

static void setup(hd_case *c) {
  if (c->size > MOST) hd_fail(HD_EXIT_USAGE, "%ld particles: at most %d", c->size, MOST);
  cloud *s = c->state = hd_alloc(1, sizeof *s);
  cloud_open(s, c->size, c->seed);
  hd_add_output(c, "density", s->density, (size_t)s->n, HD_F32);
}

static void teardown(hd_case *c) {
  cloud_close(c->state);
  free(c->state);
}

static void reference(hd_case *c) {
  cloud_reference(c->state, c->outputs[0].expected);
}

// In units of 2⁻²⁴. A neighbour's term 3 w² · (5 for its distance), in the mean over a ball where w³ has
// 0.152 and w² 0.229: 23; four for its products; one for each addition. Additions of zero are exact.
static double tolerance(const hd_case *c) {
  const cloud *s = c->state;
  return 0x1p-24 * (double)(27 + s->most_neighbours);
}

static double flops(const hd_case *c) {
  const cloud *s = c->state;
  return PAIR_FLOPS * cloud_pairs(s, 0, s->tiles);
}

// Particles and densities, both pinned as well; the reference.
static double memory(long n) {
  return 48.0 * (double)n;
}

static double bound_s(const hd_case *c, enum hd_where where) {
  const cloud *s = c->state;
  return where == HD_GPU ? paper_bound(&s->speed) : hd_perfect_scaling_s(c, where, flops(c));
}

static const hd_place both_at = {HD_WITH_CUDA(gpu_place), HD_WITH_CUDA(gpu_collect),
                                 HD_WITH_CUDA(gpu_release)};
static const hd_place searched_at = {HD_WITH_CUDA(search_place), HD_WITH_CUDA(gpu_collect),
                                     HD_WITH_CUDA(gpu_release)};

#define SHARED(label, function, which, because, ...)                                             \
  {                                                                                              \
    .name = label, .where = HD_GPU, .run = HD_WITH_CUDA(function), .why = because, .at = &which, \
    .needs = "CUDA", __VA_ARGS__                                                                 \
  }

static const hd_variant variants[] = {
    {.name = "serial", .where = HD_SERIAL, .run = run_serial, .why = "one thread, no GPU"},
    {.name = "openmp", .where = HD_THREADS, .run = run_openmp, .why = "all cores, no GPU"},
    SHARED("cpu", run_cpu, both_at, "the CPU beside this GPU, alone"),
    SHARED("gpu", run_gpu, both_at, "up, kernel, down: the CPU waits"),
    SHARED("gpu-chunks", run_gpu_chunks, both_at, "copies beside kernels; the CPU waits still"),
    SHARED("half", run_half, both_at, "half of the rows each"),
    SHARED("nominal", run_nominal, both_at, "rows by the peaks of the data sheets"),
    SHARED("measured", run_measured, both_at, "rows by what a probe reached"),
    SHARED("by-work", run_by_work, both_at, "pairs by the same rates: rows are not equal"),
    SHARED("searched", run_searched, searched_at, "the best of ten splits that were tried"),
    SHARED("dynamic", run_dynamic, both_at, "who is free takes the next piece"),
    SHARED("guided", run_guided, both_at, "and pieces shrink towards the end"),
    SHARED("blocking", run_blocking, both_at,
           "by-work with cudaMemcpy: the CPU waits for the GPU, then starts"),
    SHARED("wrong-seam", run_wrong_seam, both_at,
           "the whole array copied back, over what the CPU has written", .wrong_on_purpose = true),
};

const hd_lesson hd_this_lesson = {
    .number = 16,
    .name = "hybrid",
    .title = "CPU and GPU on one problem",
    .size_name = "particles",
    .unit = "GFLOP/s",
    .kinds = "C CPU, U upload, K kernel, D download",
    .lanes = "CPU, up, SMs, down",
    .flops = flops,
    .rate = HD_RATE_FLOPS,
    .quick = {1 << 18},
    .full = {1 << 16, 1 << 18, 1 << 20},
    .gpu_quick = {1 << 18, 1 << 20},
    .gpu_full = {1 << 18, 1 << 20, 1 << 22},
    .sim_quick = {1 << 13},
    .sim_sampled = {1 << 18, 1 << 20},
    .verify = {0, 1, 33, 1000, 10007, -1},
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .bound_s = bound_s,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
    .option = option,
    .option_help =
        "  --cpu-gflops N        of the CPU beside a simulated GPU (default 768): declared, not measured\n",
};
