// SPDX-License-Identifier: MIT
// 15 · Streams: what is compared. Read cpu.c and relax.cu for the computation, paper.c for what a pipeline
// takes; then schedules.cu, kernels.cu and graph.cu, a part each.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "heddle/error.h"
#include "heddle/random.h"
#include "relax.h"

static enum part part = PIPELINE;      // --part
static long elements = 4 << 20;        // --elements, of the pipeline's array
static int steps = 2048;               // --steps, of the pipeline: as long as a copy takes, on an H200
static const int KERNEL_STEPS = 4096;  // about ten launches long
// Where an H200's millions of elements would be executed by this CPU; a prime.
static const long REDUCED = 32771;
static const int REDUCED_STEPS = 64;

static long positive(const char *name, const char *value, long most) {
  char *end;
  const long n = strtol(value, &end, 10);
  if (end == value || *end || n < 1 || n > most)
    hd_fail(HD_EXIT_USAGE, "%s %s: a whole number from 1 to %ld is needed", name, value, most);
  return n;
}

static bool option(const char *name, const char *value) {
  static const char *const names[] = {"pipeline", "kernels", "graph"};
  if (strcmp(name, "--elements") == 0) {
    elements = positive(name, value, 1L << 30);
  } else if (strcmp(name, "--steps") == 0) {
    steps = (int)positive(name, value, 1000000);
  } else if (strcmp(name, "--part") == 0) {
    int i = 0;
    while (i < HD_COUNT(names) && strcmp(value, names[i]) != 0) i++;
    if (i == HD_COUNT(names))
      hd_fail(HD_EXIT_USAGE, "--part %s: must be one of pipeline, kernels, graph", value);
    part = (enum part)i;
  } else {
    return false;
  }
  return true;
}

static relaxation sized(const hd_case *c) {
  switch (part) {
    case KERNELS:
      return (relaxation){
          .part = part, .elements = ARRAY * c->size, .steps = c->reduced ? REDUCED_STEPS : KERNEL_STEPS};
    case GRAPH:
      return (relaxation){.part = part, .elements = TINY, .steps = (int)c->size};
    default:
      return (relaxation){.part = part,
                          .elements = c->reduced && elements > REDUCED ? REDUCED : elements,
                          .steps = c->reduced && steps > REDUCED_STEPS ? REDUCED_STEPS : steps};
  }
}

enum { MOST_PIECES = 4096 };

static void setup(hd_case *c) {
  if (c->size < 1 || c->size > MOST_PIECES)
    hd_fail(HD_EXIT_USAGE, "%ld pieces: at least 1 and at most %d", c->size, MOST_PIECES);
  relaxation *r = c->state = hd_alloc(1, sizeof *r);
  *r = sized(c);
  r->x = hd_alloc((size_t)r->elements, sizeof(float));
  r->y = hd_alloc((size_t)r->elements, sizeof(float));
  hd_fill_normal(r->x, (size_t)r->elements, c->seed, 0);
  hd_add_output(c, "y", r->y, (size_t)r->elements, HD_F32);
}

static void teardown(hd_case *c) {
  relaxation *r = c->state;
  free(r->x);
  free(r->y);
  free(r);
}

// No steps: their closed form.
static void reference(hd_case *c) {
  const relaxation *r = c->state;
  const double kept = pow(RELAX_KEEP, r->steps);
#pragma omp parallel for
  for (long i = 0; i < r->elements; i++) c->outputs[0].expected[i] = 1 + kept * (r->x[i] - 1.0);
}

// Each step rounds once, by at most half a unit of the last place, 2⁻²⁴; one more for x in double.
static double tolerance(const hd_case *c) {
  const relaxation *r = c->state;
  return 0x1p-24 * (r->steps + 1);
}

static double flops(const hd_case *c) {
  const relaxation *r = c->state;
  return 2.0 * (double)r->elements * r->steps;
}

// The array in single precision: x, y, both pinned; its reference.
static double memory(long size) {
  return 24.0 * (double)(part == PIPELINE ? elements : ARRAY * size);
}

// On a GPU: no schedule of these chunks is shorter, no order of these kernels shorter than their blocks in
// one.
static double bound_s(const hd_case *c, enum hd_where where) {
  const relaxation *r = c->state;
  if (where != HD_GPU) return hd_perfect_scaling_s(c, where, flops(c));
  return part == PIPELINE ? paper_bound(&r->cost, (int)c->size) : r->cost.joined;
}

static bool pipeline_fits(const hd_case *c) {
  (void)c;
  return part == PIPELINE;
}
static bool kernels_fit(const hd_case *c) {
  (void)c;
  return part == KERNELS;
}
static bool graph_fits(const hd_case *c) {
  (void)c;
  return part == GRAPH;
}

static const hd_place chunks_at = {HD_WITH_CUDA(pipeline_place), HD_WITH_CUDA(pipeline_collect),
                                   HD_WITH_CUDA(pipeline_release)};
static const hd_place arrays_at = {HD_WITH_CUDA(arrays_place), HD_WITH_CUDA(arrays_collect),
                                   HD_WITH_CUDA(arrays_release)};

#define ON_CPU(label, place, function, when, because) \
  { .name = label, .where = place, .run = function, .fits = when, .why = because }
#define ON_GPU(label, function, which, when, because, ...)                                       \
  {                                                                                              \
    .name = label, .where = HD_GPU, .run = HD_WITH_CUDA(function), .why = because, .at = &which, \
    .needs = "CUDA", .fits = when, __VA_ARGS__                                                   \
  }
#define CHUNKS(label, function, ...) \
  ON_GPU("pipeline/" label, function, chunks_at, pipeline_fits, __VA_ARGS__)
#define KERNELS_OF(label, function, ...) \
  ON_GPU("kernels/" label, function, arrays_at, kernels_fit, __VA_ARGS__)
#define STEPS_OF(label, function, ...) ON_GPU("graph/" label, function, arrays_at, graph_fits, __VA_ARGS__)

static const hd_variant variants[] = {
    ON_CPU("pipeline/serial", HD_SERIAL, run_serial, pipeline_fits, "one CPU thread"),
    ON_CPU("pipeline/openmp", HD_THREADS, run_openmp, pipeline_fits, "all cores"),
    CHUNKS("one-stream", run_one_stream, "upload, kernel, download, and again: nothing overlaps"),
    CHUNKS("streams-2", run_streams_2, "two chunks on their way: two of the three engines work"),
    CHUNKS("streams-3", run_streams_3, "three: the slowest engine never rests"),
    CHUNKS("streams-4", run_streams_4, "a fourth has no engine of its own"),
    CHUNKS("breadth", run_breadth_first, "three uploads, three kernels, three downloads"),
    CHUNKS("by-engine", run_by_engine, "a stream per engine, and events where chunks pass on"),
    CHUNKS("pageable", run_pageable, "streams-3 on memory that is not pinned: the host waits in every copy"),
    CHUNKS("default", run_default_stream, "streams-3, but kernels in no stream: everybody waits"),
    CHUNKS("wrong-event", run_wrong_no_event, "by-engine without its events", .wrong_on_purpose = true),
    CHUNKS("wrong-buffer", run_wrong_one_buffer, "breadth with a single buffer", .wrong_on_purpose = true),
    ON_CPU("kernels/openmp", HD_THREADS, run_openmp, kernels_fit, "all cores of the CPU"),
    KERNELS_OF("one-stream", run_kernels_1, "one kernel at a time, on an eighth of an H200"),
    KERNELS_OF("streams-2", run_kernels_2, "two side by side"),
    KERNELS_OF("streams-8", run_kernels_8, "as many as there are SMs for"),
    KERNELS_OF("streams-32", run_kernels_32, "more than there are SMs for"),
    KERNELS_OF("joined", run_kernels_joined, "all blocks in one kernel"),
    ON_CPU("graph/serial", HD_SERIAL, run_serial, graph_fits, "one CPU thread, which launches nothing"),
    STEPS_OF("stream", run_chain, "a launch per step"),
    STEPS_OF("graph", run_graph, "all steps in one launch", .before = HD_WITH_CUDA(prepare_graph)),
    STEPS_OF("updated", run_updated, "and its input exchanged before", .before = HD_WITH_CUDA(prepare_graph)),
    STEPS_OF("fused", run_fused, "all steps in one kernel: nothing to launch"),
};

const hd_lesson hd_this_lesson = {
    .number = 15,
    .name = "streams",
    .title = "Streams",
    .size_name = "pieces",
    .unit = "µs",
    .kinds = "U upload, K kernel, D download",
    .lanes = "up, SMs, down",
    .flops = flops,
    .rate = HD_RATE_TIME,
    .quick = {16},  // chunks are nothing to a CPU
    .full = {16},
    .gpu_quick = {1, 2, 4, 8, 16, 32, 64, 128},
    .gpu_full = {1, 2, 4, 8, 16, 32, 64, 128},
    .sim_sampled = {1, 2, 4, 8, 16, 32, 64, 128},
    .verify = {1, 2, 3, 33, 128, -1},
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
        "  --part WHICH          pipeline (default), kernels or graph\n"
        "  --elements N          of the pipeline's array (default 4194304)\n"
        "  --steps N             of each of its elements (default 2048)\n",
};
