// SPDX-License-Identifier: MIT
#include "model.h"

// Rates and decays were chosen on 5,000 held-out training images, never on the test set.

model mlp_model(void) {
  return (model){.name = "mlp",
                 .layers = {hd_dense(1, HD_IMAGE_PIXELS, 512, HD_RELU), hd_dense(1, 512, 256, HD_RELU),
                            hd_dense(1, 256, HD_CLASSES, HD_LINEAR)},
                 .count = 3,
                 .epochs = 10,
                 .decay = HD_RATE_LINEAR,
                 .rate = 0.05f,
                 .adam_rate = 0.001f,
                 .weight_decay = 5e-4f,
                 .adam_decay = 0.05f};
}

model cnn_model(void) {
  const hd_windows image = {28, 28, 1, 3, 1, 1}, half = {14, 14, 32, 3, 1, 1};
  return (model){
      .name = "cnn",
      .layers = {hd_convolution(image, 32, HD_RELU), hd_max_pool((hd_windows){28, 28, 32, 2, 2, 0}),
                 hd_convolution(half, 64, HD_RELU), hd_max_pool((hd_windows){14, 14, 64, 2, 2, 0}),
                 hd_dense(1, 7 * 7 * 64, 128, HD_RELU), hd_dense(1, 128, HD_CLASSES, HD_LINEAR)},
      .count = 6,
      .epochs = 10,
      .decay = HD_RATE_COSINE,
      .rate = 0.02f,
      .adam_rate = 0.001f,
      .weight_decay = 5e-4f,
      .adam_decay = 0.05f};
}

long steps_per_epoch(const task *t) {
  return t->batch ? (long)(t->train->count / t->batch) : 1;
}

float learning_rate(const task *t, enum hd_rule rule, long step) {
  const hd_schedule s = {.decay = t->model.decay,
                         .rate = rule == HD_SGD ? t->model.rate : t->model.adam_rate,
                         .total = t->model.epochs * steps_per_epoch(t)};
  return hd_rate_at(&s, step);
}
