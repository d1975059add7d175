// SPDX-License-Identifier: MIT
// What is compared: one step of the same training by different engines. A run takes a few steps whose result
// is checked against a double-precision twin, by SGD and by AdamW, then some that are timed.
#include <heddle/bench.h>
#include <heddle/device.h>
#include <heddle/error.h>
#include <heddle/roof.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"
#include "reference.h"

static const char *data_folder;  // --data
static bool cnn;                 // --model cnn
static hd_dataset train_set, test_set;

static bool option(const char *name, const char *value) {
  if (strcmp(name, "--data") == 0) {
    data_folder = value;
  } else if (strcmp(name, "--model") == 0) {
    cnn = strcmp(value, "cnn") == 0;
    if (!cnn && strcmp(value, "mlp") != 0) hd_fail(HD_EXIT_USAGE, "--model %s: must be mlp or cnn", value);
  } else {
    return false;
  }
  return true;
}

static model chosen(void) {
  return cnn ? cnn_model() : mlp_model();
}

static void setup(hd_case *c) {
  char why[512];
  if (!train_set.count && !hd_dataset_load(data_folder, &train_set, &test_set, why, sizeof why))
    hd_fail(HD_EXIT_FAILURE, "%s", why);
  state *s = hd_alloc(1, sizeof *s);
  *s = (state){.task = {.model = chosen(),
                        .train = &train_set,
                        .test = &test_set,
                        .batch = (size_t)c->size,
                        .seed = c->seed}};
  if (s->task.batch * (size_t)checked_steps(&s->task) > train_set.count)
    hd_fail(HD_EXIT_USAGE, "batch = %ld: the training set has %zu images; at most %zu make a batch", c->size,
            train_set.count, train_set.count);
  const model *m = &s->task.model;
  const size_t n = hd_net_count(m->layers, m->count);
  s->initial = hd_alloc(n, sizeof(float));
  hd_net_initial(m->layers, m->count, c->seed, s->initial);
  s->task.initial = s->initial;
  for (int i = 0; i < 2; i++) {
    s->update[i] = hd_alloc(n, sizeof(float));
    s->doubtful[i] = hd_alloc(n, sizeof(bool));
    hd_add_output(c, i ? "update by AdamW" : "update by SGD", s->update[i], n, HD_F32);
  }
  c->state = s;
}

static void teardown(hd_case *c) {
  state *s = c->state;
  for (int i = 0; i < 2; i++) free(s->update[i]), free(s->doubtful[i]);
  free(s->initial);
  free(s);
}

static void reference(hd_case *c) {
  const state *s = c->state;
  for (int i = 0; i < 2; i++)
    reference_update(&s->task, i ? HD_ADAMW : HD_SGD, CHECKED_EPSILON, checked_steps(&s->task),
                     c->outputs[i].expected, s->doubtful[i]);
}

// As in lesson 22: an update is a small difference of rounded numbers, 2e-5 is usual; a doubtful decision of
// a layer also reaches those below it, thinned out. A mistake shows as 1 and more.
static double tolerance(const hd_case *c) {
  (void)c;
  return 5e-3;
}

// Of 16-bit engines, see report_distances.
static double rough(const hd_case *c) {
  (void)c;
  return 0.25;
}

// In a batch of few images, ReLUs decided the other way are whole gradients of many weights.
static bool rough_fits(const hd_case *c) {
  return c->size >= 32;
}
static bool mlp_fits(const hd_case *c) {
  (void)c;
  return !cnn;
}
static bool cnn_fits(const hd_case *c) {
  (void)c;
  return cnn;
}
// A simulated GPU executes a convolution's billions of operations on this CPU: few images tell as much.
static bool cnn_gpu_fits(const hd_case *c) {
  return cnn && (c->size < 100 || !hd_device_simulated());
}
static bool rough_mlp_fits(const hd_case *c) {
  return !cnn && rough_fits(c);
}
static bool rough_cnn_fits(const hd_case *c) {
  return cnn_gpu_fits(c) && rough_fits(c);
}
static bool mistake_fits(const hd_case *c) {
  return !cnn && c->size == 128 && c->threads == 2;
}

static double items(const hd_case *c) {
  return (double)c->size;
}

static double flops(const hd_case *c) {
  const model m = chosen();
  return (double)c->size * hd_net_training_flops(m.layers, m.count);
}

// The data set, the reference's copies of the gradient, and per image its activations and windows.
static double memory(long size) {
  return 4.0 * 70000 * HD_IMAGE_PIXELS + 64e6 + (double)size * (cnn ? 1e6 : 64e3);
}

static void run_cpu(hd_case *c) {
  run_case(c, &cpu_engine, false);
}
static void run_wrong_target(hd_case *c) {
  run_case(c, &wrong_target, false);
}
static void run_wrong_stale(hd_case *c) {
  run_case(c, &wrong_stale, false);
}
#if HD_HAVE_CUDA
static void run_kernels(hd_case *c) {
  run_case(c, &gpu_kernels, true);
}
static void run_cublas(hd_case *c) {
  run_case(c, &gpu_cublas, true);
}
static void run_bf16(hd_case *c) {
  run_case(c, &gpu_bf16, true);
}
static void run_fp16(hd_case *c) {
  run_case(c, &gpu_fp16, true);
}
static void run_graph(hd_case *c) {
  run_case(c, &gpu_graph, true);
}
#endif

#define ON_GPU(label, function, when, because)                                                      \
  {                                                                                                 \
    .name = label, .where = HD_GPU, .run = HD_WITH_CUDA(function), .needs = "CUDA", .why = because, \
    .fits = when                                                                                    \
  }
#define ROUGH(label, function, type, when, because)                                                 \
  {                                                                                                 \
    .name = label, .where = HD_GPU, .run = HD_WITH_CUDA(function), .needs = "CUDA", .why = because, \
    .fits = when, .tolerance = rough, .operands = type                                              \
  }

static const hd_variant variants[] = {
    {.name = "serial",
     .where = HD_SERIAL,
     .run = run_cpu,
     .fits = mlp_fits,
     .why = "one core: lesson 07's product, and loops"},
    {.name = "openmp",
     .where = HD_THREADS,
     .run = run_cpu,
     .fits = mlp_fits,
     .why = "every operation divided among threads"},
    {.name = "wrong-target",
     .where = HD_THREADS,
     .run = run_wrong_target,
     .fits = mistake_fits,
     .wrong_on_purpose = true,
     .why = "the loss of the output against itself"},
    {.name = "wrong-stale",
     .where = HD_THREADS,
     .run = run_wrong_stale,
     .fits = mistake_fits,
     .wrong_on_purpose = true,
     .why = "gradients never set back to zero"},
    ON_GPU("gpu-kernels", run_kernels, mlp_fits, "the same loops as CUDA kernels, with a product of our own"),
    ON_GPU("gpu-cublas", run_cublas, mlp_fits, "the library's products"),
    ON_GPU("gpu-graph", run_graph, mlp_fits, "one launch for the whole gradient"),
    ROUGH("gpu-bf16", run_bf16, HD_BF16, rough_mlp_fits, "operands of products in bf16, on tensor cores"),
    ROUGH("gpu-fp16", run_fp16, HD_F16, rough_mlp_fits, "fp16 instead, with a loss scale"),
    {.name = "cnn-serial",
     .where = HD_SERIAL,
     .run = run_cpu,
     .fits = cnn_fits,
     .why = "convolutions as products over windows"},
    {.name = "cnn-openmp",
     .where = HD_THREADS,
     .run = run_cpu,
     .fits = cnn_fits,
     .why = "every operation divided among threads"},
    ON_GPU("cnn-gpu-kernels", run_kernels, cnn_gpu_fits,
           "the same loops as CUDA kernels, with a product of our own"),
    ON_GPU("cnn-gpu-cublas", run_cublas, cnn_gpu_fits, "the library's products"),
    ON_GPU("cnn-gpu-graph", run_graph, cnn_gpu_fits, "one launch for the whole gradient"),
    ROUGH("cnn-gpu-bf16", run_bf16, HD_BF16, rough_cnn_fits, "operands of products in bf16, on tensor cores"),
    ROUGH("cnn-gpu-fp16", run_fp16, HD_F16, rough_cnn_fits, "fp16 instead, with a loss scale"),
};

const hd_lesson hd_this_lesson = {
    .number = 21,
    .name = "train",
    .title = "Training a classifier",
    .size_name = "batch",
    .unit = "images/s",
    .flops = flops,
    .items = items,
    .rate = HD_RATE_ITEMS,
    .quick = {128},
    .full = {128, 1024},
    .gpu_quick = {128, 1024, 8192},
    .gpu_full = {128, 1024, 8192, 32768},
    .sim_quick = {32, 128},
    .sim_full = {32, 128, 1024},
    .verify = {0, 1, 33, 128, -1},
    .sweep_threads = true,
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
    .option = option,
    .option_help =
        "  --data DIR            the folder of Fashion-MNIST's four files, or \"synthetic\"\n"
        "  --model mlp|cnn       which network: 784-512-256-10, or two convolutions\n",
};
