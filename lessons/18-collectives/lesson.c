// SPDX-License-Identifier: MIT
// What is compared: the same sum by different all-reduce algorithms, on CPU ranks and on GPUs.
#include <heddle/bench.h>
#include <heddle/device.h>
#include <heddle/error.h>
#include <heddle/machine.h>
#include <heddle/roof.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "collectives.h"

enum { SHORT_REPEATS = 50 };

static void setup(hd_case *c) {
  if (c->size < 1) hd_fail(HD_EXIT_USAGE, "floats = %ld: a vector has at least one element", c->size);
  c->state = hd_alloc((size_t)c->size, sizeof(float));
  hd_add_output(c, "sum", c->state, (size_t)c->size, HD_F32);
}

static void teardown(hd_case *c) {
  free(c->state);
}

static void reference(hd_case *c) {
  for (size_t i = 0; i < (size_t)c->size; i++) c->outputs[0].expected[i] = contribution(0, 1, i);
}

// All sums are exact: see contribution.
static double tolerance(const hd_case *c) {
  (void)c;
  return 0;
}

static int world_of(const hd_case *c) {
  return c->devices ? c->devices : c->threads;
}

// Bus bandwidth: the bytes that a rank must send, 2(N-1)/N·S, over the time. It does not depend on N where an
// algorithm uses all links all the time.
static double items(const hd_case *c) {
  const double n = world_of(c);
  return 2 * (n - 1) / n * (double)c->size * sizeof(float);
}

// In shared memory every rank's vector is read once and written once.
static double bytes(const hd_case *c) {
  return 2.0 * world_of(c) * (double)c->size * sizeof(float);
}

static double memory(long size) {
  return (double)size * sizeof(float) * 5 * 8;
}

static double bound(const hd_case *c, enum hd_where where) {
  double alpha_s, bytes_per_s;
  const double cached = 2.0 * (double)hd_machine_get()->l3;
  if (where == HD_RANKS) return bytes(c) > cached ? bytes(c) / hd_roof_bytes(omp_get_num_procs()) : NAN;
  hd_device_link(&alpha_s, &bytes_per_s);
  return fastest_on_paper(c->devices, (size_t)c->size, alpha_s, bytes_per_s);
}

// ---------------------------------------------------------------- the variants

static void run_case(hd_case *c, algorithm *run, enum hd_backend backend) {
  const bool modelled = backend != HD_COMM_THREADS && hd_device_simulated(),
             timed = modelled || !c->verifying;
  trial t = {.run = run,
             .backend = backend,
             .world = world_of(c),
             .count = (size_t)c->size,
             .sum = c->outputs[0].data,
             .repeats = !timed                ? 0
                        : modelled            ? 1
                        : c->size < (1 << 18) ? SHORT_REPEATS
                                              : 3};
  if (run_trial(&t)) hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  if (!timed) return;
  hd_traffic busiest = {0, 0};
  for (int r = 0; r < t.world; r++) {
    if (t.sent[r].messages > busiest.messages) busiest.messages = t.sent[r].messages;
    if (t.sent[r].bytes > busiest.bytes) busiest.bytes = t.sent[r].bytes;
  }
  hd_report_time(c, t.seconds);
  hd_figure(c, "messages", (double)busiest.messages, "");
  hd_figure(c, "bytes sent", (double)busiest.bytes, "B");
  hd_figure(c, "memory", t.memory, "B");
  if (backend == HD_COMM_THREADS || t.world == 1) return;
  double alpha_s, bytes_per_s;
  hd_device_link(&alpha_s, &bytes_per_s);
  hd_figure(c, "links on paper", links_on_paper(run, t.world, t.count, alpha_s, bytes_per_s), "s");
}

#define CPU(name, function)                 \
  static void cpu_##name(hd_case *c) {      \
    run_case(c, function, HD_COMM_THREADS); \
  }
#if HD_HAVE_CUDA
#define GPU(name, function)              \
  static void gpu_##name(hd_case *c) {   \
    run_case(c, function, HD_COMM_CUDA); \
  }
#else
#define GPU(name, function)
#endif
#define BOTH(name, function) CPU(name, function) GPU(name, function)
BOTH(naive, all_reduce_naive)
BOTH(tree, all_reduce_tree)
BOTH(doubling, all_reduce_doubling)
BOTH(ring, all_reduce_ring)
BOTH(hierarchical, all_reduce_hierarchical)
BOTH(library, all_reduce_library)
CPU(power_of_two, all_reduce_power_of_two)
HD_LAB(BOTH(yours, all_reduce_yours))
#if HD_HAVE_NCCL
static void gpu_nccl(hd_case *c) {
  run_case(c, all_reduce_library, HD_COMM_NCCL);
}
#define WITH_NCCL(f) (f)
#else
#define WITH_NCCL(f) NULL
#endif

// Simulated GPUs really move the longest vectors, which takes the host a while.
static bool not_too_long(const hd_case *c) {
  return c->full || c->size <= 1 << 20 || !hd_device_simulated();
}
// A real NCCL wants a GPU of its own for each rank.
static bool a_gpu_each(const hd_case *c) {
  return c->devices <= hd_device_count() && not_too_long(c);
}
static bool three_ranks(const hd_case *c) {
  return c->threads == 3;
}

#define RANKS(label, function, because) \
  { .name = label, .where = HD_RANKS, .run = cpu_##function, .why = because }
#define GPUS(label, function, because)                                                                     \
  {                                                                                                        \
    .name = label, .where = HD_GPUS, .run = HD_WITH_CUDA(gpu_##function), .needs = "CUDA", .why = because, \
    .fits = not_too_long                                                                                   \
  }

static const hd_variant variants[] = {
    RANKS("naive", naive, "rank 0 collects, adds and tells: its link carries everything"),
    RANKS("tree", tree, "half of the ranks hand over to the other half: log N rounds"),
    RANKS("doubling", doubling, "everybody swaps sums with everybody's partner: half of the tree's rounds"),
    RANKS("ring", ring, "chunks go round, all links always busy: the fewest bytes, the most messages"),
    RANKS("hierarchical", hierarchical, "rings inside nodes and across them: the ring's bytes, fewer steps"),
    RANKS("shared-memory", library, "no messages: each rank adds its part of all vectors in place"),
    {.name = "wrong-power-of-two",
     .where = HD_RANKS,
     .run = cpu_power_of_two,
     .why = "doubling without the ranks beyond a power of two",
     .wrong_on_purpose = true,
     .fits = three_ranks},
    GPUS("gpu-naive", naive, "the same code over peer copies and streams"),
    GPUS("gpu-tree", tree, "log N rounds"),
    GPUS("gpu-doubling", doubling, "both directions of a link at once"),
    GPUS("gpu-ring", ring, "all links always busy"),
    GPUS("gpu-hierarchical", hierarchical, "fewer steps than the ring"),
    GPUS("gpu-direct", library, "heddle/comm.h: parts pushed to all peers at once, added in rank order"),
    HD_LAB(RANKS("yours", yours, "the lab's"), GPUS("gpu-yours", yours, "the lab's"), )  //
    {.name = "gpu-nccl",
     .where = HD_GPUS,
     .run = WITH_NCCL(gpu_nccl),
     .needs = "NCCL",
     .why = "the library",
     .fits = a_gpu_each},
};

const hd_lesson hd_this_lesson = {
    .number = 18,
    .name = "collectives",
    .title = "All-reduce",
    .size_name = "floats",
    .unit = "GB/s",
    .items = items,
    .bytes = bytes,
    .rate = HD_RATE_ITEMS,
    .quick = {256, 1 << 20},
    .full = {256, 4096, 65536, 1 << 20, 1 << 24},
    .gpu_quick = {256, 16384, 1 << 20, 1 << 24},
    .gpu_full = {256, 4096, 16384, 65536, 1 << 18, 1 << 20, 1 << 22, 1 << 24},
    .sim_quick = {256},
    .sim_full = {256, 4096},
    .sim_sampled = {16384, 1 << 20, 1 << 22, 1 << 24},
    .verify = {1, 2, 33, 1000, 1009, -1},
    .sweep_ranks = {2, 3, 4},
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
