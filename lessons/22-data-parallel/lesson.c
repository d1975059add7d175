// SPDX-License-Identifier: MIT
// What is compared: one step of the same training by different strategies, on CPU ranks and on GPUs. A run
// takes a few steps whose result is checked against one worker in double precision, then some that are timed.
#include <heddle/bench.h>
#include <heddle/device.h>
#include <heddle/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"
#include "strategies.h"

// The best of 0, 1e-4, 3e-4, 5e-4 and 1e-3 on 5,000 held-out training images, mean of three seeds.
#define WEIGHT_DECAY 5e-4f

static const char *data_folder;  // --data
static hd_dataset train_set, test_set;

static bool option(const char *name, const char *value) {
  if (strcmp(name, "--data") != 0) return false;
  data_folder = value;
  return true;
}

static void setup(hd_case *c) {
  char why[512];
  if (!train_set.count && !hd_dataset_load(data_folder, &train_set, &test_set, why, sizeof why))
    hd_fail(HD_EXIT_FAILURE, "%s", why);
  if ((size_t)c->size * (size_t)checked_steps(c) > train_set.count)
    hd_fail(HD_EXIT_USAGE, "batch = %ld: the training set has %zu images; at most %zu make a batch", c->size,
            train_set.count, train_set.count);
  state *s = hd_alloc(1, sizeof *s);
  *s = (state){.task = {.train = &train_set,
                        .test = &test_set,
                        .width = {HD_IMAGE_PIXELS, 512, 256, HD_CLASSES},
                        .batch = (size_t)c->size,
                        .weight_decay = WEIGHT_DECAY,
                        .seed = c->seed}};
  const size_t n = hd_mlp_count(s->task.width, LAYERS);
  s->initial = hd_alloc(n, sizeof(float));
  s->first = hd_alloc(n, sizeof(float));
  s->other = hd_alloc(n, sizeof(float));
  s->doubtful = hd_alloc(n, sizeof(bool));
  hd_mlp_initial(s->task.width, LAYERS, c->seed, s->initial);
  s->task.initial = s->initial;
  hd_add_output(c, "update, first rank", s->first, n, HD_F32);
  hd_add_output(c, "update, another rank", s->other, n, HD_F32);
  c->state = s;
}

static void teardown(hd_case *c) {
  state *s = c->state;
  free(s->initial);
  free(s->first);
  free(s->other);
  free(s->doubtful);
  free(s);
}

static void reference(hd_case *c) {
  const state *s = c->state;
  reference_update(&s->task, checked_steps(c), c->outputs[0].expected, s->doubtful);
  memcpy(c->outputs[1].expected, c->outputs[0].expected, c->outputs[0].count * sizeof(double));
}

// An update is a difference of numbers of about sqrt(2/784) = 0.05 that are rounded to 2^-24 of themselves in
// every step, and is itself a hundred to a thousand times smaller: about 2e-5 is usual, 1e-4 was seen. A
// doubtful decision in the second layer also reaches the first one's gradient, thinned out. A mistake shows
// as 1 and more.
static double tolerance(const hd_case *c) {
  (void)c;
  return 5e-3;
}

static double items(const hd_case *c) {
  return (double)c->size;
}

// Two FLOPs per weight and image forward, two for its gradient, two for the gradient of its input; nobody
// needs the gradient of the images.
static double flops(const hd_case *c) {
  return (double)c->size * (6.0 * (784 * 512 + 512 * 256 + 256 * 10) - 2.0 * 784 * 512);
}

// The data set and, per image of the batch, its pixels and activations in every precision.
static double memory(long size) {
  return 4.0 * 70000 * HD_IMAGE_PIXELS + (double)size * 8 * 4096;
}

// Perfect scaling: the arithmetic of a step at the measured (CPU) or published (GPU) roof of all workers.
// What stays between it and a strategy is its communication, its optimizer and its small matrices.
static double bound(const hd_case *c, enum hd_where where) {
  return hd_perfect_scaling_s(c, where, flops(c));
}

#define CPU(name)                           \
  static void cpu_##name(hd_case *c) {      \
    run_case(c, &name, ON_CPU, c->threads); \
  }
#if HD_HAVE_CUDA
#define GPU(name)                           \
  static void gpu_##name(hd_case *c) {      \
    run_case(c, &name, ON_GPU, c->devices); \
  }
static void gpu_one_worker(hd_case *c) {
  run_case(c, &one_worker, ON_GPU, 0);
}
#else
#define GPU(name)
#endif
#define BOTH(name) CPU(name) GPU(name)

static void cpu_one_worker(hd_case *c) {
  run_case(c, &one_worker, ON_CPU, 0);
}
BOTH(parameter_server)
BOTH(model_averaging)
BOTH(all_reduce)
CPU(large_batch)
BOTH(weighted)
BOTH(joined)
BOTH(accumulated)
BOTH(bucketed)
CPU(wrong_sum_after_step)
CPU(wrong_own_weights)
CPU(wrong_naive_mean)
CPU(wrong_forgotten_k)
CPU(wrong_eval_gradient)

// Mistakes need two ranks to be made, and images to be made on.
static bool mistake_fits(const hd_case *c) {
  return c->threads == 2 && c->size == 128;
}

#define RANKS(label, function, because) \
  { .name = label, .where = HD_RANKS, .run = cpu_##function, .why = because }
#define GPUS(label, function, because) \
  { .name = label, .where = HD_GPUS, .run = HD_WITH_CUDA(gpu_##function), .needs = "CUDA", .why = because }
#define MISTAKE(label, function, because)                                                              \
  {                                                                                                    \
    .name = label, .where = HD_RANKS, .run = cpu_##function, .why = because, .wrong_on_purpose = true, \
    .fits = mistake_fits                                                                               \
  }

static const hd_variant variants[] = {
    {.name = "one-worker", .where = HD_SERIAL, .run = cpu_one_worker, .why = "the serial twin of all others"},
    {.name = "threads-inside",
     .where = HD_THREADS,
     .run = cpu_one_worker,
     .why = "one worker whose every operation is divided among threads"},
    RANKS("parameter-server", parameter_server,
          "a central aggregator sums gradients and returns the parameters"),
    RANKS("model-averaging", model_averaging,
          "local steps, then the mean of the models: checked at every step, "
          "timed at every fourth"),
    RANKS("all-reduce", all_reduce, "every rank sums a part of all gradients, all take the same step"),
    RANKS("large-batch", large_batch, "the same; trainings at a rate in proportion to the batch, warmed up"),
    RANKS("weighted", weighted, "shares of 3 : 1 and the weighted mean of local means"),
    RANKS("joined", joined, "the same to the last image of an epoch, with zeros from ranks that have none"),
    RANKS("accumulated", accumulated,
          "four micro-batches, one synchronization: a quarter of the activations"),
    RANKS("bucketed", bucketed, "all-reduce of finished layers while backward goes on"),
    MISTAKE("wrong-after-step", wrong_sum_after_step, "parameters all-reduced after the step"),
    MISTAKE("wrong-own-init", wrong_own_weights, "each rank initialises its own weights"),
    MISTAKE("wrong-naive-mean", wrong_naive_mean, "unequal shares, plain mean"),
    MISTAKE("wrong-no-1/k", wrong_forgotten_k, "means of micro-batches summed"),
    MISTAKE("wrong-eval", wrong_eval_gradient, "an evaluation that leaves its gradient behind"),
    {.name = "gpu-one-worker",
     .where = HD_GPU,
     .run = HD_WITH_CUDA(gpu_one_worker),
     .needs = "CUDA",
     .why = "the same code over cuBLAS and CUDA kernels"},
    GPUS("gpu-parameter-server", parameter_server, "gradients and parameters through the links of one GPU"),
    GPUS("gpu-model-averaging", model_averaging, "a quarter of the communication"),
    GPUS("gpu-all-reduce", all_reduce, "a ring: every link works at once"),
    GPUS("gpu-weighted", weighted, "the largest share decides"),
    GPUS("gpu-joined", joined, "the same, and ranks whose images have ended join in with zeros"),
    GPUS("gpu-accumulated", accumulated, "four times the launches, a quarter of the activations"),
    GPUS("gpu-bucketed", bucketed, "links and arithmetic at the same time"),
};

const hd_lesson hd_this_lesson = {
    .number = 22,
    .name = "data-parallel",
    .title = "Training with N workers",
    .size_name = "batch",
    .unit = "images/s",
    .kinds = "G gradient, U update, S sum of a bucket",
    .lanes = "work, sums",
    .flops = flops,
    .items = items,
    .rate = HD_RATE_ITEMS,
    .quick = {128},
    .full = {128, 1024},
    .gpu_quick = {128, 8192, 32768},
    .gpu_full = {128, 1024, 8192, 32768},
    .sim_quick = {128},
    .sim_full = {128, 1024},
    .sim_sampled = {8192},
    .verify = {0, 1, 33, 128, -1},
    .sweep_threads = true,
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
    .option = option,
    .option_help = "  --data DIR            the folder of Fashion-MNIST's four files, or \"synthetic\"\n",
};
