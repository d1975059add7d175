// SPDX-License-Identifier: MIT
// What is compared: one step of a branching network, its operations placed on streams and on devices in
// different ways.
#include <heddle/bench.h>
#include <heddle/error.h>
#include <heddle/random.h>
#include <math.h>
#include <stdlib.h>

#include "case.h"

enum { ROWS = 256, STREAMS = 4 };

// ---------------------------------------------------------------- the problem

static void setup(hd_case *c) {
  if (c->size < 1) hd_fail(HD_EXIT_USAGE, "width = %ld: a layer has at least one unit", c->size);
  const size_t n = (size_t)c->size * ROWS, parameters = LAYERS * layer_parameters(c->size);
  state *s = hd_alloc(1, sizeof *s);
  s->gpu_links = s->gpu_known = false;
  s->input = hd_new_normal(n, c->seed, 0, 1);
  s->target = hd_new_normal(n, c->seed, 1, 1);
  s->initial = hd_new_normal(parameters, c->seed, 2, 1.2f / sqrtf((float)c->size));
  s->gradient = hd_alloc(parameters, sizeof(float));
  s->problem = (problem){
      .width = c->size, .rows = ROWS, .input = s->input, .target = s->target, .initial = s->initial};
  hd_add_output(c, "gradient", s->gradient, parameters, HD_F32);
  c->state = s;
}

static void teardown(hd_case *c) {
  state *s = c->state;
  free(s->input);
  free(s->target);
  free(s->initial);
  free(s->gradient);
  free(s);
}

static void reference(hd_case *c) {
  reference_gradient(&((const state *)c->state)->problem, c->outputs[0].expected);
}

// Eight layers one after the other, each a sum of `width` rounded products: 1e-5 is usual; mistakes show as
// 0.1 and more.
static double tolerance(const hd_case *c) {
  (void)c;
  return 5e-4;
}

static double items(const hd_case *c) {
  (void)c;
  return ROWS;
}

// Two FLOPs per weight and row forward, two for its gradient, two for that of its input, which the first
// layer does not need.
static double flops(const hd_case *c) {
  return (6.0 * LAYERS - 2) * (double)c->size * (double)c->size * ROWS;
}

static double memory(long size) {
  return 8.0 * (double)size * ((double)size * LAYERS * 8 + (double)ROWS * LAYERS * 8);
}

// The shortest there can be: the chain through the longest branches, or the whole work divided among devices.
// All at the peak, and no copies.
static double bound(const hd_case *c, enum hd_where where) {
  const network n = network_of(ROWS, c->size);
  // Threads and streams divide a single operation, too: for them there is no chain.
  if (where != HD_RANKS && where != HD_GPUS) return hd_perfect_scaling_s(c, where, flops(c));
  hd_case alone = *c;
  alone.threads = alone.devices = 1;
  const double chain = graph_critical_path(&n.graph) / graph_work(&n.graph);
  return fmax(chain * hd_perfect_scaling_s(&alone, where, flops(c)),
              hd_perfect_scaling_s(c, where, flops(c)));
}

// ---------------------------------------------------------------- the strategies

static plan serial_plan(const graph *g, int devices) {
  (void)devices;
  return plan_serial(g);
}

static const strategy serial = {.make = serial_plan}, round_robin = {.make = plan_round_robin},
                      greedy = {.make = plan_greedy}, critical_path = {.make = plan_critical_path},
                      exhaustive = {.make = plan_exhaustive},
                      last_reader = {.make = plan_critical_path, .mistake = LAST_READER};

static void cpu_serial(hd_case *c) {
  run_case(c, &serial, ON_CPU, 1, c->threads);
}
#define CPU(name)                              \
  static void cpu_##name(hd_case *c) {         \
    run_case(c, &name, ON_CPU, c->threads, 1); \
  }
#if HD_HAVE_CUDA
#define GPU(name)                              \
  static void gpu_##name(hd_case *c) {         \
    run_case(c, &name, ON_GPU, c->devices, 1); \
  }
static const strategy streams = {.make = plan_greedy, .streams = true},
                      graph_serial = {.make = serial_plan, .streams = true, .recorded = true},
                      graph_streams = {.make = plan_greedy, .streams = true, .recorded = true},
                      no_events = {.make = plan_greedy, .streams = true, .mistake = NO_EVENTS};
static void gpu_serial(hd_case *c) {
  run_case(c, &serial, ON_GPU, 1, 1);
}
static void gpu_streams(hd_case *c) {
  run_case(c, &streams, ON_GPU, STREAMS, 1);
}
static void gpu_graph_serial(hd_case *c) {
  run_case(c, &graph_serial, ON_GPU, 1, 1);
}
static void gpu_graph_streams(hd_case *c) {
  run_case(c, &graph_streams, ON_GPU, STREAMS, 1);
}
static void gpu_no_events(hd_case *c) {
  run_case(c, &no_events, ON_GPU, STREAMS, 1);
}
#else
#define GPU(name)
#endif
#define BOTH(name) CPU(name) GPU(name)
BOTH(round_robin)
BOTH(greedy)
BOTH(critical_path)
BOTH(exhaustive)
CPU(last_reader)

static bool mistake_fits(const hd_case *c) {
  return c->threads == 2;
}

#define RANKS(label, function, because) \
  { .name = label, .where = HD_RANKS, .run = cpu_##function, .why = because }
#define ONE_GPU(label, function, because) \
  { .name = label, .where = HD_GPU, .run = HD_WITH_CUDA(gpu_##function), .needs = "CUDA", .why = because }
#define GPUS(label, function, because) \
  { .name = label, .where = HD_GPUS, .run = HD_WITH_CUDA(gpu_##function), .needs = "CUDA", .why = because }

static const hd_variant variants[] = {
    {.name = "one-rank",
     .where = HD_SERIAL,
     .run = cpu_serial,
     .why = "the serial twin: one operation after the other"},
    {.name = "threads-inside",
     .where = HD_THREADS,
     .run = cpu_serial,
     .why = "every operation divided among threads, the branches one after the other"},
    RANKS("round-robin", round_robin, "branches to ranks in turn: no thought"),
    RANKS("greedy", greedy, "whatever can start first, where it can"),
    RANKS("critical-path", critical_path, "the longest way to the end first"),
    RANKS("exhaustive", exhaustive, "the best of all placements, each in the order of ranks"),
    {.name = "wrong-last-reader",
     .where = HD_RANKS,
     .run = cpu_last_reader,
     .why = "the gradient of a shared input is its last reader's only",
     .wrong_on_purpose = true,
     .fits = mistake_fits},
    ONE_GPU("gpu-serial", serial, "one stream: one kernel after the other"),
    ONE_GPU("gpu-streams", streams, "four streams: kernels of several branches at once"),
    ONE_GPU("gpu-graph-serial", graph_serial,
            "one stream, recorded: the host issues the whole step with one call"),
    ONE_GPU("gpu-graph-streams", graph_streams,
            "four streams, recorded: nothing but the GPU itself sets the pace"),
    {.name = "wrong-no-events",
     .where = HD_GPU,
     .run = HD_WITH_CUDA(gpu_no_events),
     .needs = "CUDA",
     .why = "streams that do not wait for what they read",
     .wrong_on_purpose = true},
    GPUS("gpu-round-robin", round_robin, "branches to GPUs in turn"),
    GPUS("gpu-greedy", greedy, "what can start first"),
    GPUS("gpu-critical-path", critical_path, "the longest way first"),
    GPUS("gpu-exhaustive", exhaustive, "the best of all placements, each in the order of ranks"),
};

const hd_lesson hd_this_lesson = {
    .number = 25,
    .name = "operator-parallel",
    .title = "A branching network on streams and devices",
    .size_name = "width",
    .unit = "rows/s",
    .kinds = "F forward, J join, L loss, G gather, B backward, W weights",
    .flops = flops,
    .items = items,
    .rate = HD_RATE_ITEMS,
    .quick = {256},
    .full = {256, 512},
    .gpu_quick = {256, 1024},
    .gpu_full = {256, 1024, 4096},
    .sim_quick = {256},
    .sim_full = {256, 512},
    .sim_sampled = {1024},
    .verify = {1, 33, 101, -1},
    .sweep_threads = true,
    .sweep_ranks = {2, 4},
    .sweep_devices = {2, 3, 4, 8},
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .bound_s = bound,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
};
