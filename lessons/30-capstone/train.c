// SPDX-License-Identifier: MIT
// Part 1: training steps in the layout that the planner chose, and in those it is held against.
#include <heddle/device.h>
#include <heddle/error.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"
#include "text.h"

enum { VERIFIED_STEPS = 3, TIMED_STEPS = 4, BATCH = 8 };

int training_steps = 0;
double memory_limit_b = 0;

typedef struct state {
  gpt_task task;
  network paper;
  problem problem;
  float *initial, *gradient;
  double losses[VERIFIED_STEPS];
  double first[2][3], last[2][3];  // losses of the checked run: on the CPU or on GPUs, for each way
  machine known[2];                // what the planner measured: on the CPU, on GPUs
  int for_devices[2];
} state;

gpt_shape shape_of_size(const hd_case *c, long batch, long vocabulary) {
  if (c->size < 1 || c->size > GPT_MOST_BLOCKS)
    hd_fail(HD_EXIT_USAGE, "%ld blocks: at least 1 and at most %d", c->size, GPT_MOST_BLOCKS);
  return (gpt_shape){.batch = batch,
                     .length = c->reduced ? 8 : 64,
                     .width = (c->reduced ? 8 : 64) * c->size,
                     .heads = c->size,
                     .vocabulary = vocabulary,
                     .blocks = (int)c->size};
}

float *new_parameters(const gpt_shape *s, uint64_t seed) {
  const gpt_part all = gpt_whole(s);
  hd_layer *list = hd_alloc(GPT_MOST_LAYERS, sizeof *list);
  float *theta = hd_alloc(gpt_parameters(s, &all), sizeof *theta);
  hd_net_initial(list, gpt_layers(s, &all, list), seed, theta);
  free(list);
  return theta;
}

static void setup(hd_case *c) {
  state *s = hd_alloc(1, sizeof *s);
  const int checked = c->reduced ? VERIFIED_STEPS : training_steps ? training_steps : c->full ? 300 : 20;
  s->task = gpt_task_new(shape_of_size(c, BATCH, TEXT_SYMBOLS), checked + TIMED_STEPS, checked, c->seed);
  const gpt_part all = gpt_whole(&s->task.shape);
  const size_t n = gpt_parameters(&s->task.shape, &all);
  s->initial = new_parameters(&s->task.shape, c->seed);
  s->gradient = hd_alloc(n, sizeof(float));
  s->problem = gpt_problem(&s->task, s->initial, &s->paper);
  s->for_devices[0] = s->for_devices[1] = 0;
  memset(s->first, 0xff, sizeof s->first);  // NaN: not checked yet
  hd_add_output(c, "gradient", s->gradient, n, HD_F32);
  hd_add_output(c, "losses", s->losses, VERIFIED_STEPS, HD_F64);
  c->state = s;
}

static void teardown(hd_case *c) {
  state *s = c->state;
  gpt_task_free(&s->task);
  free(s->initial);
  free(s->gradient);
  free(s);
}

static void reference(hd_case *c) {
  const state *s = c->state;
  gpt_train_reference(&s->task, s->initial, VERIFIED_STEPS, c->outputs[1].expected, c->outputs[0].expected);
}

static double flops(const hd_case *c) {
  const gpt_shape *s = &((const state *)c->state)->task.shape;
  const gpt_part all = gpt_whole(s);
  hd_layer *list = hd_alloc(GPT_MOST_LAYERS, sizeof *list);
  const double one = hd_net_training_flops(list, gpt_layers(s, &all, list));
  free(list);
  return one * (double)s->batch;
}

static double items(const hd_case *c) {
  const gpt_shape *s = &((const state *)c->state)->task.shape;
  return (double)(s->batch * s->length);
}

// Parameters, gradient and two moments for each of eight ranks.
static double memory(long size) {
  return 8.0 * 16 * 12 * 4096 * pow((double)size, 3) + 1e8;
}

// ---------------------------------------------------------------- runs

static const machine *measured(state *s, bool on_gpu, int devices) {
  machine *on = &s->known[on_gpu];
  if (s->for_devices[on_gpu] != devices && probe(on, &s->problem, on_gpu, devices, devices, 1))
    hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  s->for_devices[on_gpu] = devices;
  return on;
}

static layout planned(const state *s, const machine *on, int devices) {
  const model *m = &s->problem.model;
  const double limit = memory_limit_b > 0 ? memory_limit_b : INFINITY;
  prediction *list = hd_alloc(MOST_LAYOUTS, sizeof *list);
  int fits;
  const int count = predict(on, m, devices, limit, list, &fits);
  if (fits < 1)
    hd_fail(HD_EXIT_USAGE, "no layout of %d devices fits into %.0f bytes; the smallest here needs %.0f",
            devices, limit, count ? list[0].memory : NAN);
  const layout best = list[0].layout;
  free(list);
  return best;
}

static void report(hd_case *c, const state *s, training how, const trial *t, double predicted) {
  const layout l = t->layout;
  hd_report_time(c, t->step_s);
  if (predicted > 0) {
    hd_figure(c, "predicted", predicted, "s");
    hd_figure(c, "prediction error", 100 * (predicted / t->step_s - 1), "%");
  }
  hd_figure(c, "data", l.data, "");
  hd_figure(c, "tensor", l.tensor, "");
  hd_figure(c, "pipeline", l.pipeline, "");
  hd_figure(c, "micro-batches", l.micro_batches, "");
  hd_figure(c, "memory", t->memory, "B");
  hd_figure(c, "memory on paper", layout_memory(&s->problem.model, l), "B");
  hd_figure(c, "bytes sent", t->bytes, "B");
  if (isnan(s->first[how.on_gpu][how.how])) return;
  hd_figure(c, "first loss", s->first[how.on_gpu][how.how], "nats");
  hd_figure(c, "last loss", s->last[how.on_gpu][how.how], "nats");
  hd_figure(c, "entropy", text_entropy(), "nats");
}

// Asked before there is a state.
bool training_fits(const hd_case *c, training how) {
  const int devices = how.how == ALONE ? 1 : c->devices ? c->devices : c->threads;
  const gpt_task t = {.shape = shape_of_size(c, BATCH, TEXT_SYMBOLS)};
  network paper;
  const problem p = gpt_problem(&t, NULL, &paper);
  layout all[MOST_LAYOUTS];
  return how.how == BY_DATA ? BATCH % devices == 0 : layouts_of(&p.model, devices, all) > 0;
}

// The checked run takes all the steps of the training, a timed one the first only.
void run_training(hd_case *c, training how, int devices, int threads) {
  state *s = c->state;
  const bool modelled = how.on_gpu && hd_device_simulated(), timed = modelled || !c->verifying;
  const machine *on = how.how == PLANNED ? measured(s, how.on_gpu, devices) : NULL;
  trial t = {.problem = &s->problem,
             .layout = on ? planned(s, on, devices) : (layout){devices, 1, 1, 1, false},
             .on_gpu = how.on_gpu,
             .threads = threads,
             .checked_steps = c->verifying ? s->task.checked_steps : 1,
             .timed_steps = !timed     ? 0
                            : modelled ? 1
                                       : TIMED_STEPS,
             .gradient = s->gradient};
  gpt_task_forget(&s->task);
  if (run_layout(&t)) hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  if (c->verifying) {
    for (int i = 0; i < VERIFIED_STEPS; i++) s->losses[i] = gpt_task_loss(&s->task, i);
    s->first[how.on_gpu][how.how] = s->losses[0];
    s->last[how.on_gpu][how.how] = gpt_task_loss(&s->task, s->task.checked_steps - 1);
  }
  if (timed) report(c, s, how, &t, on ? layout_seconds(on, &s->problem.model, t.layout) : 0);
}

const part train_part = {setup, teardown, reference, flops, items, memory};
