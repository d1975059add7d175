// SPDX-License-Identifier: MIT
// Part 3: one step of GPT-2's training, forward, backward and AdamW, at its own sizes: 12 blocks are its 124
// million parameters. At full size the loss is held against double precision; the gradient is at reduced
// sizes, by
// --verify.
#include <heddle/error.h>
#include <heddle/random.h>
#include <heddle/train.h>
#include <kernels/nn/ops.h>
#include <kernels/nn/reference.h>
#include <stdlib.h>

#include "case.h"

enum { VOCABULARY = 50257, SMALL_VOCABULARY = 101, BATCH = 4, TOKENS_STREAM = 32 };

typedef struct state {
  gpt_shape shape;
  size_t parameters;
  float *initial, *gradient;  // gradient: only when reduced
  double loss;
  int32_t *tokens, *targets;  // host
  bool stepped;
  // While placed:
  hd_ops *ops;
  hd_net *net;
  hd_optimizer *optimizer;
  int32_t *x, *labels;
} state;

static size_t symbols(const state *s) {
  return (size_t)(s->shape.batch * s->shape.length);
}

static void setup(hd_case *c) {
  state *s = hd_alloc(1, sizeof *s);
  *s = (state){.shape = shape_of_size(c, BATCH, c->reduced ? SMALL_VOCABULARY : VOCABULARY)};
  s->shape.tied = true;
  const gpt_part all = gpt_whole(&s->shape);
  s->parameters = gpt_parameters(&s->shape, &all);
  s->initial = new_parameters(&s->shape, c->seed);
  s->tokens = hd_alloc(symbols(s), sizeof *s->tokens);
  s->targets = hd_alloc(symbols(s), sizeof *s->targets);
  for (size_t i = 0; i < symbols(s); i++) {
    const hd_random4 r = hd_philox(c->seed, TOKENS_STREAM, i);
    s->tokens[i] = (int32_t)(r.v[0] % (uint32_t)s->shape.vocabulary);
    s->targets[i] = (int32_t)(r.v[1] % (uint32_t)s->shape.vocabulary);
  }
  hd_add_output(c, "loss", &s->loss, 1, HD_F64);
  if (c->reduced) {
    s->gradient = hd_alloc(s->parameters, sizeof *s->gradient);
    hd_add_output(c, "gradient", s->gradient, s->parameters, HD_F32);
  }
  c->state = s;
}

static void teardown(hd_case *c) {
  state *s = c->state;
  free(s->initial);
  free(s->gradient);
  free(s->tokens);
  free(s->targets);
  free(s);
}

static void reference(hd_case *c) {
  const state *s = c->state;
  double *theta = hd_reference_widened(s->initial, s->parameters);
  c->outputs[0].expected[0] = gpt_reference(&s->shape, theta, s->tokens, s->targets,
                                            c->reduced ? c->outputs[1].expected : NULL, NULL);
  free(theta);
}

static double flops(const hd_case *c) {
  const state *s = c->state;
  const gpt_part all = gpt_whole(&s->shape);
  hd_layer *list = hd_alloc(GPT_MOST_LAYERS, sizeof *list);
  const double one = hd_net_training_flops(list, gpt_layers(&s->shape, &all, list));
  free(list);
  return one * (double)s->shape.batch;
}

static double items(const hd_case *c) {
  return (double)symbols(c->state);
}

// Seven copies of the parameters in fp32, and the activations.
static double memory(long size) {
  const double width = 64.0 * (double)size;
  return 28 * (VOCABULARY * width + 12 * width * width * (double)size) + 1e9;
}

// ---------------------------------------------------------------- where it runs

static void gradient(state *s) {
  hd_net_gradient(s->net, HD_TOKEN_LOSS, s->x, s->labels, s->shape.batch, 1 / (float)symbols(s), false, NULL,
                  NULL);
}

static void place(hd_case *c, bool on_gpu) {
  state *s = c->state;
  const gpt_part all = gpt_whole(&s->shape);
  hd_layer *list = hd_alloc(GPT_MOST_LAYERS, sizeof *list);
  s->ops = hd_ops_open(on_gpu, NULL);
  s->net = hd_net_new(s->ops, list, gpt_layers(&s->shape, &all, list), s->shape.batch, true, HD_F32);
  free(list);
  hd_net_set(s->net, s->initial);
  s->optimizer = hd_optimizer_new(s->ops, HD_ADAMW, s->parameters);
  s->optimizer->weight_decay = 0.01f;
  const size_t bytes = symbols(s) * sizeof(int32_t);
  s->x = s->ops->alloc(s->ops, bytes);
  s->labels = s->ops->alloc(s->ops, bytes);
  s->ops->upload(s->ops, s->x, s->tokens, bytes);
  s->ops->upload(s->ops, s->labels, s->targets, bytes);
  if (s->ops->on_host) gradient(s);  // fresh memory costs more the first time than all steps after
}

static void place_on_cpu(hd_case *c) {
  place(c, false);
}
static void place_on_gpu(hd_case *c) {
  place(c, true);
}

// The loss is that of before the step; the gradient is still there.
static void collect(hd_case *c) {
  state *s = c->state;
  hd_net_result(s->net, HD_TOKEN_LOSS, s->shape.batch, &s->loss, NULL);
  s->loss /= (double)symbols(s);
  if (s->gradient)
    s->ops->download(s->ops, s->gradient, s->net->gradient, s->parameters * sizeof *s->gradient);
}

static void leave(hd_case *c) {
  state *s = c->state;
  const size_t bytes = symbols(s) * sizeof(int32_t);
  hd_optimizer_free(s->optimizer);
  hd_net_free(s->net);
  s->ops->free(s->ops, s->x, bytes);
  s->ops->free(s->ops, s->labels, bytes);
  s->ops->close(s->ops);
}

void run_step(hd_case *c) {
  state *s = c->state;
  gradient(s);
  hd_optimizer_step(s->optimizer, s->net->theta, s->net->gradient, 1e-4f, 1);
  hd_figure(c, "memory", (double)s->ops->bytes, "B");
  hd_figure(c, "parameters", (double)s->parameters, "");
}

const hd_place step_on_cpu = {place_on_cpu, collect, leave}, step_on_gpu = {place_on_gpu, collect, leave};
const part step_part = {setup, teardown, reference, flops, items, memory};
