// SPDX-License-Identifier: MIT
// Lesson 21's trainings as they stand in the lesson: the right one learns, and what goes wrong goes wrong.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>
#include <heddle/bench.h>
#include <heddle/random.h>
#include <stdlib.h>
#include <string.h>

#include "../../lessons/21-train/reference.h"
#include "../../lessons/21-train/trainer.h"

enum { IMAGES = 256, BATCH = 32 };

// Each class a pattern of its own, under noise of twice its strength.
static hd_dataset patterns(uint64_t noise) {
  hd_dataset d = {.count = IMAGES};
  d.images = test_malloc(IMAGES * HD_IMAGE_PIXELS * sizeof(float));
  d.labels = test_malloc(IMAGES);
  hd_fill_normal(d.images, IMAGES * HD_IMAGE_PIXELS, 1, noise);
  for (size_t i = 0; i < IMAGES; i++) {
    d.labels[i] = (uint8_t)(i % HD_CLASSES);
    for (size_t p = 0; p < HD_IMAGE_PIXELS; p++)
      d.images[i * HD_IMAGE_PIXELS + p] += 0.5f * hd_random_normal(2, d.labels[i], p);
  }
  return d;
}

typedef struct outcome {
  double first_loss, loss, accuracy;
} outcome;

static outcome train_with(const engine *e, long steps) {
  hd_dataset train = patterns(1), test = patterns(2);
  task k = {.model = mlp_model(), .train = &train, .test = &test, .batch = BATCH, .seed = 1};
  float *initial = test_malloc(hd_net_count(k.model.layers, k.model.count) * sizeof *initial);
  hd_net_initial(k.model.layers, k.model.count, 1, initial);
  k.initial = initial;
  trainer *t = trainer_open(&k, e, HD_SGD, 0);
  outcome o;
  trainer_run(t, 1);
  hd_net_result(t->net, HD_CROSS_ENTROPY, BATCH, &o.first_loss, NULL);
  trainer_run(t, steps - 1);
  hd_net_result(t->net, HD_CROSS_ENTROPY, BATCH, &o.loss, NULL);
  o.accuracy = hd_net_accuracy(t->net, test.images, test.labels, test.count);
  trainer_close(t);
  test_free(initial);
  test_free(train.images), test_free(train.labels), test_free(test.images), test_free(test.labels);
  return o;
}

static void the_right_training_learns(void **state) {
  (void)state;
  const outcome o = train_with(&cpu_engine, 30);
  assert_true(o.loss < 0.1 * o.first_loss);
  assert_true(o.accuracy > 0.95);
}

// The loss falls as it should, and nothing is learned.
static void a_loss_against_itself_teaches_nothing(void **state) {
  (void)state;
  const outcome o = train_with(&wrong_target, 30);
  assert_true(o.loss < 0.1 * o.first_loss);
  assert_true(o.accuracy < 0.3);
}

// Old gradients push on: after as many steps the loss is far from where it should be.
static void stale_gradients_do_not_settle(void **state) {
  (void)state;
  const outcome right = train_with(&cpu_engine, 10), o = train_with(&wrong_stale, 10);
  assert_true(!(o.loss < 10 * right.loss));
}

static double error_of(const engine *e, const model *m, enum hd_rule rule) {
  hd_dataset train = patterns(1);
  const size_t n = hd_net_count(m->layers, m->count);
  task k = {.model = *m, .train = &train, .batch = 8, .seed = 1};
  float *theta = test_malloc(n * sizeof *theta), *initial = test_malloc(n * sizeof *initial);
  double *twin = test_malloc(n * sizeof *twin);
  bool *doubtful = test_malloc(n * sizeof *doubtful);
  hd_net_initial(m->layers, m->count, 1, initial);
  k.initial = initial;
  reference_update(&k, rule, 1e-3f, 2, twin, doubtful);
  trainer *t = trainer_open(&k, e, rule, 0);
  t->optimizer->epsilon = 1e-3f;
  trainer_run(t, 2);
  hd_net_get(t->net, theta);
  for (size_t i = 0; i < n; i++) theta[i] = doubtful[i] ? (float)twin[i] : theta[i] - initial[i];
  const double error = hd_compare(theta, HD_F32, twin, n);
  trainer_close(t);
  test_free(theta), test_free(initial), test_free(twin), test_free(doubtful);
  test_free(train.images), test_free(train.labels);
  return error;
}

static void updates_are_those_of_the_twin(void **state) {
  (void)state;
  const model models[] = {mlp_model(), cnn_model()};
  for (int i = 0; i < 2; i++)
    for (int rule = HD_SGD; rule <= HD_ADAMW; rule += HD_ADAMW) {
      assert_true(error_of(&cpu_engine, &models[i], (enum hd_rule)rule) < 1e-3);
      assert_true(error_of(&wrong_stale, &models[i], (enum hd_rule)rule) > 0.1);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_right_training_learns), cmocka_unit_test(a_loss_against_itself_teaches_nothing),
      cmocka_unit_test(stale_gradients_do_not_settle), cmocka_unit_test(updates_are_those_of_the_twin)};
  return cmocka_run_group_tests_name("lesson 21", tests, NULL, NULL);
}
