// SPDX-License-Identifier: MIT
// Part 2: prompts are continued. What is right is what double precision finds likeliest behind every symbol:
// the serial run's text goes through the twin once, which says what should have followed each of its
// beginnings. A text is the likeliest if and only if every symbol of it is.
#include <heddle/device.h>
#include <heddle/error.h>
#include <kernels/nn/reference.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"
#include "text.h"

enum { PROMPTS = 8 };

typedef struct state {
  gpt_shape shape;
  float *theta;
  int32_t *prompts, *text;
  long given;
} state;

static size_t symbols(const state *s) {
  return (size_t)(s->shape.batch * s->shape.length);
}

static void setup(hd_case *c) {
  state *s = hd_alloc(1, sizeof *s);
  *s = (state){.shape = shape_of_size(c, PROMPTS, TEXT_SYMBOLS)};
  if (!c->reduced) s->shape.length = 32;
  s->given = s->shape.length / 4;
  s->theta = new_parameters(&s->shape, c->seed);
  s->prompts = text_new(symbols(s), c->seed);
  for (size_t i = 0; i < symbols(s); i++)
    if ((long)i % s->shape.length >= s->given) s->prompts[i] = 0;
  s->text = hd_alloc(symbols(s), sizeof *s->text);
  hd_add_output(c, "text", s->text, symbols(s), HD_I32);
  c->state = s;
}

static void teardown(hd_case *c) {
  state *s = c->state;
  free(s->theta);
  free(s->prompts);
  free(s->text);
  free(s);
}

static generation request(const state *s, inference how, int devices, int threads) {
  return (generation){.shape = &s->shape,
                      .theta = s->theta,
                      .prompts = s->prompts,
                      .given = s->given,
                      .cached = how.cached,
                      .keeps = how.keeps,
                      .replicas = how.by_heads ? 1 : devices,
                      .shares = how.by_heads ? devices : 1,
                      .on_gpu = how.on_gpu,
                      .threads = threads,
                      .text = s->text};
}

static void reference(hd_case *c) {
  const state *s = c->state;
  const long v = s->shape.vocabulary, length = s->shape.length;
  const gpt_part all = gpt_whole(&s->shape);
  generation serial = request(s, (inference){.cached = false}, 1, 1);
  if (generate(&serial)) hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  double *theta = hd_reference_widened(s->theta, gpt_parameters(&s->shape, &all)),
         *logits = hd_reference_zeros(symbols(s) * (size_t)v);
  gpt_reference(&s->shape, theta, s->text, s->text, NULL, logits);
  for (size_t i = 0; i < symbols(s); i++) {
    const bool given = (long)i % length < s->given;
    const double *z = logits + (given ? 0 : i - 1) * (size_t)v;  // behind the symbol before
    long best = 0;
    for (long k = 1; k < v; k++) best = z[k] > z[best] ? k : best;
    c->outputs[0].expected[i] = given ? s->prompts[i] : (double)best;
  }
  free(theta);
  free(logits);
}

static double items(const hd_case *c) {
  const state *s = c->state;
  return (double)(s->shape.batch * (s->shape.length - s->given));
}

// One pass of one row for every symbol but the last.
static double flops(const hd_case *c) {
  const state *s = c->state;
  const gpt_part all = gpt_whole(&s->shape);
  hd_layer *list = hd_alloc(GPT_MOST_LAYERS, sizeof *list);
  const double sequence = hd_net_flops(list, gpt_layers(&s->shape, &all, list));
  free(list);
  return sequence * (double)s->shape.batch * (double)(s->shape.length - 1) / (double)s->shape.length;
}

static double memory(long size) {
  return 8.0 * 12 * 12 * 4096 * (double)(size * size * size) + 1e8;
}

bool inference_fits(const hd_case *c, inference how) {
  const int devices = c->devices ? c->devices : c->threads;
  return (how.by_heads ? c->size : PROMPTS) % devices == 0;  // asked before there is a state
}

void run_inference(hd_case *c, inference how, int devices, int threads) {
  generation g = request(c->state, how, devices, threads);
  if (generate(&g)) hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  if (c->verifying && !(how.on_gpu && hd_device_simulated())) return;
  hd_report_time(c, g.seconds);
  hd_figure(c, "memory", g.memory, "B");
  hd_figure(c, "bytes sent", g.bytes, "B");
}

const part infer_part = {setup, teardown, reference, flops, items, memory};
