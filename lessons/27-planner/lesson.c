// SPDX-License-Identifier: MIT
// What is compared: one step of the same network in the layouts that are obvious and in those that a planner
// chose on paper.
#include <heddle/bench.h>
#include <heddle/error.h>
#include <heddle/random.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"
#include "paper.h"

enum { ROWS = 256, BLOCKS = 8 };

static int grid_devices, what_if_devices;
static double paper_width = 1024;

static void setup(hd_case *c) {
  if (grid_devices) print_grid(grid_devices, (long)paper_width);
  if (what_if_devices) print_what_if(what_if_devices, (long)paper_width);
  if (grid_devices || what_if_devices) exit(0);
  if (c->size < 1) hd_fail(HD_EXIT_USAGE, "width = %ld: a layer has at least one unit", c->size);
  const size_t n = (size_t)c->size * ROWS, parameters = BLOCKS * block_parameters(c->size, 1);
  state *s = hd_alloc(1, sizeof *s);
  s->gpu_devices = 0;
  s->input = hd_new_normal(n, c->seed, 0, 1);
  s->target = hd_new_normal(n, c->seed, 1, 1);
  s->initial = hd_new_normal(parameters, c->seed, 2, 0.5f / sqrtf((float)c->size));
  s->gradient = hd_alloc(parameters, sizeof(float));
  s->problem = (problem){.model = {.width = c->size, .rows = ROWS, .blocks = BLOCKS},
                         .input = s->input,
                         .target = s->target,
                         .initial = s->initial};
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

static double tolerance(const hd_case *c) {
  (void)c;
  return 5e-4;  // sixteen products of rounded numbers: 1e-5 is usual, mistakes show as 0.1 and more
}

static double items(const hd_case *c) {
  (void)c;
  return ROWS;
}

// Two products of 4·width² weights in each block; two FLOPs per weight and row forward, four back.
static double flops(const hd_case *c) {
  return 6.0 * BLOCKS * 8 * (double)c->size * (double)c->size * ROWS;
}

static double memory(long size) {
  return 8.0 * (double)size * ((double)size * BLOCKS * 8 * 5 + (double)ROWS * BLOCKS * 24);
}

static double bound(const hd_case *c, enum hd_where where) {
  return hd_perfect_scaling_s(c, where, flops(c));
}

// ---------------------------------------------------------------- the strategies

static const strategy alone = {.fixed = BY_DATA}, data = {.fixed = BY_DATA}, tensor = {.fixed = BY_TENSOR},
                      pipeline = {.fixed = BY_PIPELINE}, best = {.place = 1, .what_if = true},
                      wrong_group = {.fixed = BY_TENSOR, .mistake = WRONG_GROUP};

static void cpu_alone(hd_case *c) {
  run_case(c, &alone, false, 1, c->threads);
}
#define CPU(name)                             \
  static void cpu_##name(hd_case *c) {        \
    run_case(c, &name, false, c->threads, 1); \
  }
#if HD_HAVE_CUDA
#define GPU(name)                            \
  static void gpu_##name(hd_case *c) {       \
    run_case(c, &name, true, c->devices, 1); \
  }
static const strategy second = {.place = 2}, third = {.place = 3};
static void gpu_alone(hd_case *c) {
  run_case(c, &alone, true, 1, 1);
}
#else
#define GPU(name)
#endif
#define BOTH(name) CPU(name) GPU(name)
BOTH(data)
BOTH(tensor)
BOTH(pipeline)
BOTH(best)
GPU(second)
GPU(third)
CPU(wrong_group)

static int ranks_of(const hd_case *c) {
  return c->devices ? c->devices : c->threads;
}
static bool rows_divide(const hd_case *c) {
  return ROWS % ranks_of(c) == 0;
}
static bool columns_divide(const hd_case *c) {
  return 4 * c->size % ranks_of(c) == 0;
}
static bool a_block_each(const hd_case *c) {
  return ranks_of(c) <= BLOCKS;
}
static bool planner_fits(const hd_case *c) {
  return ranks_of(c) == 1 || rows_divide(c) || columns_divide(c) || a_block_each(c);
}
static bool two_columns(const hd_case *c) {
  return c->threads == 2 && columns_divide(c);
}

#define RANKS(label, function, when, because) \
  { .name = label, .where = HD_RANKS, .run = cpu_##function, .fits = when, .why = because }
#define GPUS(label, function, when, because)                                                             \
  {                                                                                                      \
    .name = label, .where = HD_GPUS, .run = HD_WITH_CUDA(gpu_##function), .needs = "CUDA", .fits = when, \
    .why = because                                                                                       \
  }

static const hd_variant variants[] = {
    {.name = "one-rank", .where = HD_SERIAL, .run = cpu_alone, .why = "the serial twin"},
    RANKS("data", data, rows_divide, "the batch is divided, every rank has all parameters"),
    RANKS("tensor", tensor, columns_divide, "every block is divided"),
    RANKS("pipeline", pipeline, a_block_each, "the blocks are divided"),
    RANKS("planned", best, planner_fits, "the best on paper of what fits"),
    {.name = "wrong-group",
     .where = HD_RANKS,
     .run = cpu_wrong_group,
     .why = "gradients are summed over ranks that hold different parameters",
     .wrong_on_purpose = true,
     .fits = two_columns},
    {.name = "gpu-one",
     .where = HD_GPU,
     .run = HD_WITH_CUDA(gpu_alone),
     .needs = "CUDA",
     .why = "the same code over cuBLAS and CUDA kernels"},
    GPUS("gpu-data", data, rows_divide, "needs more memory than the limit"),
    GPUS("gpu-tensor", tensor, columns_divide, "every block is divided"),
    GPUS("gpu-pipeline", pipeline, a_block_each, "the blocks are divided"),
    GPUS("gpu-planned-3", third, planner_fits, "the third on paper"),
    GPUS("gpu-planned-2", second, planner_fits, "the second on paper"),
    GPUS("gpu-planned", best, planner_fits, "the best on paper of what fits"),
};

// ---------------------------------------------------------------- options

static bool option(const char *name, const char *value) {
  char *end;
  const double number = strtod(value, &end);
  const bool whole = !*end && number >= 1 && number <= 4096 && number == floor(number);
  if (strcmp(name, "--memory") == 0) {
    if (*end || !(number > 0)) hd_fail(HD_EXIT_USAGE, "--memory %s: MB per device, more than 0", value);
    memory_limit = 1e6 * number;
    return true;
  }
  const bool grid = strcmp(name, "--grid") == 0, width = strcmp(name, "--paper-width") == 0;
  if (!grid && !width && strcmp(name, "--what-if") != 0) return false;
  if (!whole) hd_fail(HD_EXIT_USAGE, "%s %s: a whole number from 1 to 4096", name, value);
  if (width)
    paper_width = number;
  else
    *(grid ? &grid_devices : &what_if_devices) = (int)number;
  return true;
}

const hd_lesson hd_this_lesson = {
    .number = 27,
    .name = "planner",
    .title = "The layout is chosen on paper",
    .size_name = "width",
    .unit = "rows/s",
    .flops = flops,
    .items = items,
    .rate = HD_RATE_ITEMS,
    .quick = {128},
    .full = {128, 256},
    .gpu_quick = {128, 1024},
    .gpu_full = {128, 1024, 4096},
    .sim_quick = {128},
    .sim_full = {128, 256},
    .sim_sampled = {512},
    .verify = {1, 33, 64, -1},
    .sweep_ranks = {2, 4},
    .sweep_devices = {4, 8},
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .bound_s = bound,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
    .option = option,
    .option_help =
        "  --memory MB           that a device may use; default: half of what data parallelism needs\n"
        "  --grid N              prints all layouts of N devices as the planner sees them, and ends\n"
        "  --what-if N           prints the best layouts on 1, 2, 4 ... N devices on paper, and ends;\n"
        "                        with --memory those that fit\n"
        "  --paper-width N       width of both (default 1024)\n",
};
