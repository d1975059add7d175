// SPDX-License-Identifier: MIT
// What is trained on, and the training's serial twin in double precision.
#include <heddle/error.h>
#include <heddle/random.h>
#include <kernels/nn/reference.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "train.h"

enum { TEXT_LENGTH = 1 << 16, PLACES_STREAM = 31 };

gpt_task gpt_task_new(gpt_shape shape, int steps, int checked_steps, uint64_t seed) {
  const size_t symbols = (size_t)(steps * shape.batch * shape.length);
  gpt_task t = {.shape = shape,
                .steps = steps,
                .rate = 3e-3f,
                .decay = 0.01f,
                .tokens = hd_alloc(symbols, sizeof(int32_t)),
                .targets = hd_alloc(symbols, sizeof(int32_t)),
                .losses = hd_alloc((size_t)checked_steps * GPT_MOST_REPLICAS, sizeof(double)),
                .checked_steps = checked_steps};
  int32_t *text = text_new(TEXT_LENGTH + (size_t)shape.length + 1, seed);
  for (size_t i = 0; i < symbols; i += (size_t)shape.length) {
    const int32_t *from = text + hd_philox(seed, PLACES_STREAM, i).v[0] % TEXT_LENGTH;
    memcpy(t.tokens + i, from, (size_t)shape.length * sizeof *from);
    memcpy(t.targets + i, from + 1, (size_t)shape.length * sizeof *from);
  }
  free(text);
  gpt_task_forget(&t);
  return t;
}

void gpt_task_forget(gpt_task *t) {
  memset(t->losses, 0, (size_t)t->checked_steps * GPT_MOST_REPLICAS * sizeof *t->losses);
}

void gpt_task_free(gpt_task *t) {
  free(t->tokens);
  free(t->targets);
  free(t->losses);
}

double gpt_task_loss(const gpt_task *t, int step) {
  double sum = 0;
  for (int r = 0; r < GPT_MOST_REPLICAS; r++) sum += t->losses[step * GPT_MOST_REPLICAS + r];
  return sum;
}

// AdamW as its paper has it (Loshchilov and Hutter 2019).
static void adamw(const gpt_task *t, size_t n, int step, double *theta, double *m, double *v,
                  const double *g) {
  for (size_t i = 0; i < n; i++) {
    m[i] = 0.9 * m[i] + 0.1 * g[i];
    v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
    const double first = m[i] / (1 - pow(0.9, step + 1)), second = v[i] / (1 - pow(0.999, step + 1));
    theta[i] -= (double)t->rate * (first / (sqrt(second) + 1e-8) + (double)t->decay * theta[i]);
  }
}

void gpt_train_reference(const gpt_task *t, const float *initial, int steps, double *losses,
                         double *gradient) {
  const gpt_part all = gpt_whole(&t->shape);
  const size_t n = gpt_parameters(&t->shape, &all), batch = (size_t)(t->shape.batch * t->shape.length);
  double *theta = hd_reference_widened(initial, n), *m = hd_reference_zeros(n), *v = hd_reference_zeros(n),
         *later = hd_reference_zeros(n);
  for (int i = 0; i < steps; i++) {
    double *g = i == 0 ? gradient : later;
    const size_t at = (size_t)(i % t->steps) * batch;
    losses[i] = gpt_reference(&t->shape, theta, t->tokens + at, t->targets + at, g, NULL);
    adamw(t, n, i, theta, m, v, g);
  }
  free(theta);
  free(m);
  free(v);
  free(later);
}
