// SPDX-License-Identifier: MIT
// What is compared: one step of lesson 22's training with gradients that are compressed, or made private.
#include <heddle/bench.h>
#include <heddle/error.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"

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
  if ((size_t)c->size > train_set.count)
    hd_fail(HD_EXIT_USAGE, "batch = %ld: the training set has %zu images; at most %zu make a batch", c->size,
            train_set.count, train_set.count);
  const size_t n = hd_mlp_count(MODEL_WIDTH, MODEL_LAYERS);
  state *s = hd_alloc(1, sizeof *s);
  s->task = (task){.train = &train_set, .test = &test_set, .batch = (size_t)c->size, .seed = c->seed};
  s->initial = hd_alloc(n, sizeof(float));
  s->gradient = hd_alloc(n, sizeof(double));
  hd_mlp_initial(MODEL_WIDTH, MODEL_LAYERS, c->seed, s->initial);
  s->task.initial = s->initial;
  hd_add_output(c, "gradient", s->gradient, n, HD_F64);
  c->state = s;
}

static void teardown(hd_case *c) {
  state *s = c->state;
  free(s->initial);
  free(s->gradient);
  free(s);
}

// The mean gradient of the first batch. A compressed exchange must account for all of it: what was sent and
// what was left out add up to it.
static void reference(hd_case *c) {
  const state *s = c->state;
  const task *t = &s->task;
  const size_t n = c->outputs[0].count;
  uint32_t *order = hd_alloc(t->train->count, sizeof *order);
  hd_shuffle(order, t->train->count, t->seed, 0);
  reference_gradient(t, s->initial, order, t->batch, (double)INFINITY, c->outputs[0].expected, NULL);
  for (size_t i = 0; i < n && t->batch; i++) c->outputs[0].expected[i] /= (double)t->batch;
  free(order);
}

// Sums of up to a thousand products in fp32.
static double tolerance(const hd_case *c) {
  (void)c;
  return 1e-3;
}

static double items(const hd_case *c) {
  return (double)c->size;
}

// Two FLOPs per weight and image forward, two for its gradient, two for the gradient of its input, which
// nobody needs of the images.
static double flops(const hd_case *c) {
  return (double)c->size * (6.0 * (784 * 512 + 512 * 256 + 256 * 10) - 2.0 * 784 * 512);
}

static double memory(long size) {
  return 4.0 * 70000 * HD_IMAGE_PIXELS + (double)size * 4 * 4096 + 2e8;
}

// Perfect scaling of the arithmetic: exchange, optimizer, and compression for nothing.
static double bound(const hd_case *c, enum hd_where where) {
  return hd_perfect_scaling_s(c, where, flops(c));
}

static void cpu_one_rank(hd_case *c) {
  run_case(c, &plain, ON_CPU, 1, c->threads);
}
#define CPU(name)                              \
  static void cpu_##name(hd_case *c) {         \
    run_case(c, &name, ON_CPU, c->threads, 1); \
  }
#if HD_HAVE_CUDA
static void gpu_one_rank(hd_case *c) {
  run_case(c, &plain, ON_GPU, 1, 1);
}
// Selecting costs every rank the same, so one will do to compare.
static void gpu_largest_library(hd_case *c) {
  run_case(c, &largest_library, ON_GPU, 1, 1);
}
#define GPU(name)                              \
  static void gpu_##name(hd_case *c) {         \
    run_case(c, &name, ON_GPU, c->devices, 1); \
  }
#else
#define GPU(name)
#endif
#define BOTH(name) CPU(name) GPU(name)
BOTH(plain)
BOTH(quantized)
CPU(quantized_forgetful)
BOTH(largest)
CPU(largest_forgetful)
BOTH(factored)
BOTH(clipped)
CPU(less_noise)
CPU(more_noise)
BOTH(private_sgd)

// For their accuracies, which two ranks train for.
static bool two_ranks(const hd_case *c) {
  return c->threads == 2;
}

#define RANKS(label, function, because) \
  { .name = label, .where = HD_RANKS, .run = cpu_##function, .why = because }
#define NOISE(label, function, because) \
  { .name = label, .where = HD_RANKS, .run = cpu_##function, .fits = two_ranks, .why = because }
#define GPUS(label, function, because) \
  { .name = label, .where = HD_GPUS, .run = HD_WITH_CUDA(gpu_##function), .needs = "CUDA", .why = because }

static const hd_variant variants[] = {
    {.name = "one-rank", .where = HD_SERIAL, .run = cpu_one_rank, .why = "the serial twin of all others"},
    RANKS("all-reduce", plain, "lesson 22's: every gradient in fp32"),
    RANKS("int8", quantized, "8 bits an element, stochastic rounding, errors fed back"),
    RANKS("int8-forgetful", quantized_forgetful, "without feedback: rounding that is right on average"),
    RANKS("top-k", largest, "the largest hundredth, the rest fed back until it is large"),
    RANKS("top-k-forgetful", largest_forgetful, "without feedback: small gradients are never heard of"),
    RANKS("low-rank", factored, "as products of matrices of four columns, which can be added on their way"),
    RANKS("clipped", clipped, "each image's gradient clipped to length 1: no noise, no privacy"),
    RANKS("dp-sgd", private_sgd, "and noise of 1.1 times that length"),
    NOISE("dp-sgd-0.5", less_noise, "less of it: more accurate, less private"),
    NOISE("dp-sgd-2", more_noise, "more of it"),
    {.name = "gpu-one-rank",
     .where = HD_GPU,
     .run = HD_WITH_CUDA(gpu_one_rank),
     .needs = "CUDA",
     .why = "the same code over cuBLAS and CUDA kernels"},
    {.name = "gpu-top-k-cub",
     .where = HD_GPU,
     .run = HD_WITH_CUDA(gpu_largest_library),
     .needs = "CUDA",
     .why = "top-k on one GPU by the library: sort all, take the first"},
    GPUS("gpu-all-reduce", plain, "a ring of fp32 gradients"),
    GPUS("gpu-int8", quantized, "a warp packs a block: pays where a link is slower than packing"),
    GPUS("gpu-top-k", largest, "a radix select: least to send, most launches"),
    GPUS("gpu-low-rank", factored, "two small all-reduces: thin products, and hardly more for more ranks"),
    GPUS("gpu-clipped", clipped, "a block per image finds its gradient's length without the gradient"),
    GPUS("gpu-dp-sgd", private_sgd, "and noise, a number by each thread"),
};

const hd_lesson hd_this_lesson = {
    .number = 28,
    .name = "compress-private",
    .title = "Gradients made small, or private",
    .size_name = "batch",
    .unit = "images/s",
    .flops = flops,
    .items = items,
    .rate = HD_RATE_ITEMS,
    .quick = {128},
    .full = {128, 1024},
    .gpu_quick = {128, 8192},
    .gpu_full = {128, 1024, 8192},
    .sim_quick = {128},
    .sim_full = {128, 1024},
    .verify = {0, 1, 33, -1},
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
