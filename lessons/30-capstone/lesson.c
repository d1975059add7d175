// SPDX-License-Identifier: MIT
// 30 · The capstone: what is compared. Three parts (--part): a GPT is trained in the layout that lesson 27's
// planner chose, it continues prompts on one worker and on several, and GPT-2's own step is timed.
#include <heddle/device.h>
#include <heddle/error.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"

static const part *const parts[] = {&train_part, &infer_part, &step_part};
static enum { TRAIN, INFER, STEP } chosen = TRAIN;  // --part

static void setup(hd_case *c) {
  parts[chosen]->setup(c);
}
static void teardown(hd_case *c) {
  parts[chosen]->teardown(c);
}
static void reference(hd_case *c) {
  parts[chosen]->reference(c);
}
static double flops(const hd_case *c) {
  return parts[chosen]->flops(c);
}
static double items(const hd_case *c) {
  return parts[chosen]->items(c);
}
static double memory(long size) {
  return parts[chosen]->memory(size);
}

// All FLOPs of products at the measured roof of all cores, or the published one of all GPUs.
static double bound(const hd_case *c, enum hd_where where) {
  return hd_perfect_scaling_s(c, where, flops(c));
}

// Symbols are the same or not. Losses and gradients are sums of rounded products through all blocks: 1e-5 is
// usual, mistakes show as 0.1 and more.
static double tolerance(const hd_case *c) {
  (void)c;
  return chosen == INFER ? 0 : 5e-4;
}

// ---------------------------------------------------------------- variants

// Simulated GPUs have memory for so large a network once, not eight times, and time for it in the full
// profile.
static bool large_for_simulation(const hd_case *c) {
  return c->devices && c->size > 8 && hd_device_simulated();
}

static int workers(const hd_case *c) {
  return c->devices ? c->devices : c->threads;
}

#define TRAINING(name, way, gpu)                                                   \
  static bool name##_fits(const hd_case *c) {                                      \
    return chosen == TRAIN && !large_for_simulation(c) &&                          \
           training_fits(c, (training){.how = way, .on_gpu = gpu});                \
  }                                                                                \
  static void name(hd_case *c) {                                                   \
    const bool alone = way == ALONE;                                               \
    run_training(c, (training){.how = way, .on_gpu = gpu}, alone ? 1 : workers(c), \
                 alone && !c->devices ? c->threads : 1);                           \
  }
#define INFERENCE(name, alone, ...)                                      \
  static bool name##_fits(const hd_case *c) {                            \
    return chosen == INFER && !large_for_simulation(c) &&                \
           ((alone) || inference_fits(c, (inference){__VA_ARGS__}));     \
  }                                                                      \
  static void name(hd_case *c) {                                         \
    run_inference(c, (inference){__VA_ARGS__}, (alone) ? 1 : workers(c), \
                  (alone) && !c->devices ? c->threads : 1);              \
  }
TRAINING(train_alone, ALONE, false)
TRAINING(train_data, BY_DATA, false)
TRAINING(train_planned, PLANNED, false)
INFERENCE(infer_whole, true, .cached = false)
INFERENCE(infer_keeps, true, .keeps = true)
INFERENCE(infer_cache, true, .cached = true)
INFERENCE(infer_prompts, false, .cached = true)
INFERENCE(infer_heads, false, .cached = true, .by_heads = true)
#if HD_HAVE_CUDA
TRAINING(gpu_train_alone, ALONE, true)
TRAINING(gpu_train_data, BY_DATA, true)
TRAINING(gpu_train_planned, PLANNED, true)
INFERENCE(gpu_infer_whole, true, .on_gpu = true)
INFERENCE(gpu_infer_cache, true, .cached = true, .on_gpu = true)
INFERENCE(gpu_infer_prompts, false, .cached = true, .on_gpu = true)
INFERENCE(gpu_infer_heads, false, .cached = true, .by_heads = true, .on_gpu = true)
#endif

static bool step_fits(const hd_case *c) {
  return chosen == STEP && (c->full || !large_for_simulation(c));
}

#define CPU(label, place, function, because) \
  { .name = label, .where = place, .run = function, .fits = function##_fits, .why = because }
#define GPU(label, place, function, because)                                       \
  {                                                                                \
    .name = label, .where = place, .run = HD_WITH_CUDA(function), .needs = "CUDA", \
    .fits = HD_WITH_CUDA(function##_fits), .why = because                          \
  }
#define STEP_AT(label, place, in, because) \
  { .name = label, .where = place, .run = run_step, .fits = step_fits, .at = &(in), .why = because }

static const hd_variant variants[] = {
    CPU("train/serial", HD_SERIAL, train_alone, "the serial twin: one thread, one batch"),
    CPU("train/openmp", HD_THREADS, train_alone, "every operation divided among threads"),
    CPU("train/data", HD_RANKS, train_data, "the batch divided among ranks, whatever it costs"),
    CPU("train/planned", HD_RANKS, train_planned, "the layout that is fastest on paper"),
    GPU("train/gpu-one", HD_GPU, gpu_train_alone, "the same code over cuBLAS and CUDA kernels"),
    GPU("train/gpu-data", HD_GPUS, gpu_train_data, "the batch divided"),
    GPU("train/gpu-planned", HD_GPUS, gpu_train_planned, "the layout that is fastest on paper"),
    CPU("infer/whole", HD_SERIAL, infer_whole, "the serial twin: the whole sequence for each symbol"),
    CPU("infer/keeps", HD_SERIAL, infer_keeps, "the same with all kept for a backward pass that never comes"),
    CPU("infer/cache", HD_SERIAL, infer_cache, "one row a symbol, beside the keys and values of the past"),
    CPU("infer/openmp", HD_THREADS, infer_cache, "its operations divided among threads"),
    CPU("infer/prompts", HD_RANKS, infer_prompts, "the prompts divided among ranks, the texts gathered"),
    CPU("infer/heads", HD_RANKS, infer_heads, "the heads and columns divided: two sums a block and symbol"),
    GPU("infer/gpu-whole", HD_GPU, gpu_infer_whole, "the whole sequence for each symbol"),
    GPU("infer/gpu-cache", HD_GPU, gpu_infer_cache, "one row a symbol: launches are all it waits for"),
    GPU("infer/gpu-prompts", HD_GPUS, gpu_infer_prompts, "the prompts divided, the texts gathered"),
    GPU("infer/gpu-heads", HD_GPUS, gpu_infer_heads, "the heads divided"),
    STEP_AT("step/serial", HD_SERIAL, step_on_cpu, "one thread"),
    STEP_AT("step/openmp", HD_THREADS, step_on_cpu, "every operation divided among threads"),
#if HD_HAVE_CUDA
    STEP_AT("step/gpu", HD_GPU, step_on_gpu, "the same code over cuBLAS and CUDA kernels"),
#endif
};

// ---------------------------------------------------------------- options

static bool option(const char *name, const char *value) {
  static const char *const names[] = {"train", "infer", "step"};
  char *end;
  const double number = strtod(value, &end);
  if (strcmp(name, "--part") == 0) {
    int i = 0;
    while (i < HD_COUNT(names) && strcmp(value, names[i]) != 0) i++;
    if (i == HD_COUNT(names)) hd_fail(HD_EXIT_USAGE, "--part %s: must be one of train, infer, step", value);
    chosen = i;
  } else if (strcmp(name, "--steps") == 0) {
    if (*end || !(number >= 3 && number <= 100000) || number != (double)(int)number)
      hd_fail(HD_EXIT_USAGE, "--steps %s: a whole number from 3 to 100000 is needed", value);
    training_steps = (int)number;
  } else if (strcmp(name, "--memory") == 0) {
    if (*end || !(number > 0)) hd_fail(HD_EXIT_USAGE, "--memory %s: MB per device, more than 0", value);
    memory_limit_b = 1e6 * number;
  } else {
    return false;
  }
  return true;
}

const hd_lesson hd_this_lesson = {
    .number = 30,
    .name = "capstone",
    .title = "A small GPT",
    .size_name = "blocks",
    .unit = "symbols/s",
    .flops = flops,
    .items = items,
    .rate = HD_RATE_ITEMS,
    .quick = {2},
    .full = {4},
    .gpu_quick = {8},
    .gpu_full = {8},
    .sim_sampled = {8, 12},
    .verify = {1, 2, 3, 5, -1},
    .sweep_threads = true,
    .sweep_ranks = {2, 4},
    .sweep_devices = {2, 4, 8},
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
        "  --part WHICH          train (default), infer or step\n"
        "  --steps N             train: steps of the checked run (default 20, in the full profile 200)\n"
        "  --memory MB           train: what plans must fit into per device (default: no limit)\n",
};
