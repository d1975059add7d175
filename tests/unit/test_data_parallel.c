// SPDX-License-Identifier: MIT
// Lesson 22's strategies against their serial twins, for 1, 2, 3, 4 and 8 workers, on CPU ranks and, where
// there is one, on GPUs (logical ones, if there are fewer than ranks).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>
#include <heddle/bench.h>
#include <heddle/device.h>
#include <heddle/error.h>
#include <heddle/random.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "lessons/22-data-parallel/strategies.h"

enum { IMAGES = 240, MOST_WORLD = 8, STEPS = 3 };
static const int WORLDS[] = {1, 2, 3, 4, 8};
static const int SMALL[LAYERS + 1] = {HD_IMAGE_PIXELS, 24, 16, HD_CLASSES};
static const int FULL[LAYERS + 1] = {HD_IMAGE_PIXELS, 512, 256, HD_CLASSES};  // two buckets

static enum place place;
static hd_dataset images;

static hd_ops *open_ops(hd_comm *comm) {
#if HD_HAVE_CUDA
  if (place == ON_GPU) return hd_ops_cuda(comm ? hd_comm_stream(comm) : NULL);
#endif
  (void)comm;
  return hd_ops_cpu();
}

static task make_task(const int *width, size_t batch) {
  task t = {.train = &images, .test = &images, .batch = batch, .seed = 11, .weight_decay = 5e-4f};
  memcpy(t.width, width, sizeof t.width);
  float *initial = test_malloc(hd_mlp_count(width, LAYERS) * sizeof *initial);
  hd_mlp_initial(width, LAYERS, t.seed, initial);
  t.initial = initial;
  return t;
}

static void free_task(task *t) {
  test_free((float *)t->initial);
}

// What a job's ranks end with.
typedef struct job {
  const task *task;
  const strategy *strategy;
  int average_every;
  long steps;
  float momentum;
  size_t count;
  float *theta[MOST_WORLD];
  hd_traffic traffic[MOST_WORLD];
} job;

static void body(hd_comm *comm, void *arg) {
  job *j = arg;
  worker *w = worker_open(j->task, j->strategy, comm, open_ops(comm), 0);
  w->average_every = j->average_every;
  w->optimizer->momentum = j->momentum;
  if (worker_train(w, j->steps) == 0) hd_mlp_get(w->net, j->theta[w->rank]);
  if (comm) j->traffic[w->rank] = hd_comm_traffic(comm);
  worker_close(w);
}

// Trains with `world` ranks (0: one worker without a communicator).
static job *run(const task *t, const strategy *s, int world, int average_every) {
  job *j = test_calloc(1, sizeof *j);
  *j = (job){.task = t,
             .strategy = s,
             .average_every = average_every,
             .steps = STEPS,
             .momentum = 0.9f,
             .count = hd_mlp_count(t->width, LAYERS)};
  for (int r = 0; r < (world ? world : 1); r++) j->theta[r] = test_calloc(j->count, sizeof(float));
  if (world == 0) {
    if (place == ON_GPU) hd_device_select(0);
    body(NULL, j);
  } else {
    const int failed =
        hd_comm_run(world, place == ON_GPU ? HD_COMM_CUDA : HD_COMM_THREADS, HD_ORDER_RANK, 1, 0, body, j);
    if (failed) fail_msg("%s", hd_comm_error_text());
  }
  return j;
}

static void end(job *j) {
  for (int r = 0; r < MOST_WORLD; r++)
    if (j->theta[r]) test_free(j->theta[r]);
  test_free(j);
}

// Σ over ranks in rank order of the shares' gradients, on one device; then one step. Nothing is sent
// anywhere.
static float *serial_twin(const task *t, int world) {
  const size_t n = hd_mlp_count(t->width, LAYERS), bytes = n * sizeof(float);
  worker *w = worker_open(t, &one_worker, NULL, open_ops(NULL), 0);
  float *sum = test_malloc(bytes), *part = test_malloc(bytes);
  for (; w->step < STEPS; w->step++) {
    for (int r = 0; r < world; r++) {
      const float *x;
      const uint8_t *y;
      size_t from, count;
      hd_shard(t->batch, r, world, &from, &count);
      worker_rows(w, from, count, &x, &y);
      hd_mlp_gradient(w->net, x, y, (long)count, 1, false, NULL, NULL);
      w->ops->download(w->ops, part, w->net->gradient, bytes);
      for (size_t i = 0; i < n; i++) sum[i] = r ? sum[i] + part[i] : part[i];
    }
    w->ops->upload(w->ops, w->net->gradient, sum, bytes);
    worker_update(w, per_image(t->batch));
  }
  hd_mlp_get(w->net, part);
  worker_close(w);
  test_free(sum);
  return part;
}

static void bitwise_equal_to_the_serial_twin(const strategy *s, const int *width, size_t batch) {
  task t = make_task(width, batch);
  for (int i = 0; i < HD_COUNT(WORLDS); i++) {
    const int world = WORLDS[i];
    float *twin = serial_twin(&t, world);
    job *j = run(&t, s, world, 1);
    for (int r = 0; r < world; r++) assert_memory_equal(j->theta[r], twin, j->count * sizeof(float));
    end(j);
    test_free(twin);
  }
  free_task(&t);
}

static void all_reduce_is_the_serial_sum_bitwise(void **state) {
  (void)state;
  bitwise_equal_to_the_serial_twin(&all_reduce, SMALL, 48);
  bitwise_equal_to_the_serial_twin(&all_reduce, SMALL, 5);  // eight ranks: three have nothing
}

static void parameter_server_is_the_serial_sum_bitwise(void **state) {
  (void)state;
  bitwise_equal_to_the_serial_twin(&parameter_server, SMALL, 48);
  bitwise_equal_to_the_serial_twin(&parameter_server, SMALL, 5);
}

static void buckets_change_nothing_bitwise(void **state) {
  (void)state;
  bitwise_equal_to_the_serial_twin(&bucketed, SMALL, 5);
  task t = make_task(FULL, 16);
  for (int world = 2; world <= 3; world++) {
    job *whole = run(&t, &all_reduce, world, 1), *buckets = run(&t, &bucketed, world, 1);
    for (int r = 0; r < world; r++)
      assert_memory_equal(whole->theta[r], buckets->theta[r], whole->count * sizeof(float));
    assert_true(buckets->traffic[0].messages > whole->traffic[0].messages);
    end(whole);
    end(buckets);
  }
  free_task(&t);
}

// Largest error of the parameters, and of the update they got, against one worker's.
typedef struct distance {
  double parameters, update;
} distance;

static distance between(const job *j, int world, const job *alone) {
  double *expected = test_malloc(j->count * sizeof *expected);
  float *update = test_malloc(j->count * sizeof *update);
  distance most = {0, 0};
  for (int r = 0; r < world; r++) {
    for (size_t i = 0; i < j->count; i++) expected[i] = (double)alone->theta[0][i];
    most.parameters = fmax(most.parameters, hd_compare(j->theta[r], HD_F32, expected, j->count));
    for (size_t i = 0; i < j->count; i++) {
      expected[i] -= (double)j->task->initial[i];
      update[i] = j->theta[r][i] - j->task->initial[i];
    }
    most.update = fmax(most.update, hd_compare(update, HD_F32, expected, j->count));
  }
  test_free(expected), test_free(update);
  return most;
}

static distance from_one_worker(const strategy *s, int world, size_t batch, int average_every,
                                enum hd_rule rule) {
  task t = make_task(SMALL, batch);
  t.rule = rule;
  job *alone = run(&t, &one_worker, 0, 1), *j = run(&t, s, world, average_every);
  const distance d = between(j, world, alone);
  end(alone);
  end(j);
  free_task(&t);
  return d;
}

static void equivalent_strategies_follow_one_worker(void **state) {
  (void)state;
  static const strategy *const equivalent[] = {&parameter_server, &all_reduce, &weighted,
                                               &accumulated,      &bucketed,   &model_averaging};
  static const size_t batches[] = {48, 33, 5, 1};  // equal, unequal and empty shares
  for (int s = 0; s < HD_COUNT(equivalent); s++)
    for (int i = 0; i < HD_COUNT(WORLDS); i++)
      for (int b = 0; b < HD_COUNT(batches); b++) {
        const distance d = from_one_worker(equivalent[s], WORLDS[i], batches[b], 1, HD_SGD);
        assert_true(d.parameters < 1e-6);
        assert_true(d.update < 2e-4);
      }
}

static void model_averaging_of_one_step_is_gradient_averaging(void **state) {
  (void)state;
  for (int world = 2; world <= 4; world++) {
    assert_true(from_one_worker(&model_averaging, world, 48, 1, HD_SGD).parameters < 1e-6);
    // More local steps, or an optimizer that is not linear in the gradient, is another algorithm.
    assert_true(from_one_worker(&model_averaging, world, 48, STEPS, HD_SGD).update > 1e-2);
    assert_true(from_one_worker(&model_averaging, world, 48, 1, HD_ADAM).update > 1e-2);
    assert_true(from_one_worker(&all_reduce, world, 48, 1, HD_ADAM).update < 1e-2);
  }
}

static void plain_mean_of_unequal_shares_is_wrong(void **state) {
  (void)state;
  for (int world = 2; world <= 4; world++) {
    assert_true(from_one_worker(&weighted, world, 48, 1, HD_SGD).parameters < 1e-6);
    assert_true(from_one_worker(&wrong_naive_mean, world, 48, 1, HD_SGD).update > 1e-1);
  }
  assert_true(from_one_worker(&wrong_naive_mean, 1, 48, 1, HD_SGD).parameters <
              1e-6);  // one share: nothing to weigh
}

static void shares_of_three_to_one_cover_the_batch(void **state) {
  (void)state;
  for (int world = 1; world <= MOST_WORLD; world++)
    for (size_t batch = 0; batch < 40; batch++) {
      size_t next = 0;
      for (int r = 0; r < world; r++) {
        size_t offset, length;
        share_three_to_one(batch, r, world, &offset, &length);
        assert_int_equal(offset, next);
        next += length;
      }
      assert_int_equal(next, batch);
    }
  size_t offset, length;
  share_three_to_one(48, 0, 2, &offset, &length);
  assert_int_equal(length, 36);
}

static void parameters_summed_after_the_step_are_wrong(void **state) {
  (void)state;
  assert_true(from_one_worker(&wrong_sum_after_step, 2, 48, 1, HD_SGD).update > 1);
}

static void own_weights_never_become_one_model(void **state) {
  (void)state;
  task t = make_task(SMALL, 48);
  job *j = run(&t, &wrong_own_weights, 2, 1);
  assert_memory_not_equal(j->theta[0], j->theta[1], j->count * sizeof(float));
  end(j);
  j = run(&t, &all_reduce, 2, 1);
  assert_memory_equal(j->theta[0], j->theta[1], j->count * sizeof(float));
  end(j);
  free_task(&t);
  assert_true(from_one_worker(&wrong_own_weights, 2, 48, 1, HD_SGD).update > 1);
}

static void forgotten_division_by_k_is_wrong(void **state) {
  (void)state;
  assert_true(from_one_worker(&wrong_forgotten_k, 2, 48, 1, HD_SGD).update > 1);
  assert_true(from_one_worker(&accumulated, 2, 48, 1, HD_SGD).parameters < 1e-6);
}

static void evaluation_with_gradients_is_wrong(void **state) {
  (void)state;
  assert_true(from_one_worker(&wrong_eval_gradient, 2, 48, 1, HD_SGD).update > 1e-1);
}

static void the_server_sends_and_receives_everything(void **state) {
  (void)state;
  task t = make_task(SMALL, 48);
  for (int i = 0; i < HD_COUNT(WORLDS); i++) {
    const int world = WORLDS[i];
    job *j = run(&t, &parameter_server, world, 1);
    const uint64_t vector = j->count * sizeof(float);
    assert_int_equal(j->traffic[0].bytes, STEPS * (uint64_t)(world - 1) * vector);
    assert_int_equal(j->traffic[0].messages, STEPS * (uint64_t)(world - 1));
    for (int r = 1; r < world; r++) assert_int_equal(j->traffic[r].bytes, STEPS * vector);
    end(j);
  }
  free_task(&t);
}

static void averaging_every_k_steps_sends_a_kth(void **state) {
  (void)state;
  task t = make_task(SMALL, 48);
  job *often = run(&t, &model_averaging, 4, 1), *seldom = run(&t, &model_averaging, 4, STEPS);
  assert_int_equal(often->traffic[1].bytes, STEPS * seldom->traffic[1].bytes);
  end(often);
  end(seldom);
  free_task(&t);
}

static void one_worker_follows_the_double_precision_twin(void **state) {
  (void)state;
  task t = make_task(SMALL, 48);
  job *alone = run(&t, &one_worker, 0, 1);
  double *expected = test_malloc(alone->count * sizeof *expected);
  float *update = test_malloc(alone->count * sizeof *update);
  bool *doubtful = test_malloc(alone->count);
  reference_update(&t, STEPS, expected, doubtful);
  for (size_t i = 0; i < alone->count; i++)
    update[i] = doubtful[i] ? (float)expected[i] : alone->theta[0][i] - t.initial[i];
  assert_true(hd_compare(update, HD_F32, expected, alone->count) < 2e-4);
  test_free(expected), test_free(update), test_free(doubtful);
  end(alone);
  free_task(&t);
}

// Noise around a direction of each class, so that losses and gradients are neither zero nor hopeless.
static void make_images(void) {
  static float pixels[IMAGES * HD_IMAGE_PIXELS], direction[HD_CLASSES * HD_IMAGE_PIXELS];
  static uint8_t labels[IMAGES];
  hd_fill_normal(pixels, IMAGES * HD_IMAGE_PIXELS, 1, 0);
  hd_fill_normal(direction, HD_CLASSES * HD_IMAGE_PIXELS, 1, 1);
  for (int i = 0; i < IMAGES; i++) {
    labels[i] = (uint8_t)(i * 7 % HD_CLASSES);
    for (int p = 0; p < HD_IMAGE_PIXELS; p++)
      pixels[i * HD_IMAGE_PIXELS + p] += 0.3f * direction[labels[i] * HD_IMAGE_PIXELS + p];
  }
  images = (hd_dataset){.count = IMAGES, .images = pixels, .labels = labels};
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_worker_follows_the_double_precision_twin),
      cmocka_unit_test(all_reduce_is_the_serial_sum_bitwise),
      cmocka_unit_test(parameter_server_is_the_serial_sum_bitwise),
      cmocka_unit_test(buckets_change_nothing_bitwise),
      cmocka_unit_test(equivalent_strategies_follow_one_worker),
      cmocka_unit_test(model_averaging_of_one_step_is_gradient_averaging),
      cmocka_unit_test(plain_mean_of_unequal_shares_is_wrong),
      cmocka_unit_test(shares_of_three_to_one_cover_the_batch),
      cmocka_unit_test(parameters_summed_after_the_step_are_wrong),
      cmocka_unit_test(own_weights_never_become_one_model),
      cmocka_unit_test(forgotten_division_by_k_is_wrong),
      cmocka_unit_test(evaluation_with_gradients_is_wrong),
      cmocka_unit_test(the_server_sends_and_receives_everything),
      cmocka_unit_test(averaging_every_k_steps_sends_a_kth),
  };
  setenv("CUSIM_DEVICES", "8", 0);
  omp_set_num_threads(
      1);  // as the ranks do: a BLAS (also that behind a simulated cuBLAS) rounds by its threads
  make_images();
  int failed = cmocka_run_group_tests_name("data parallel on CPU ranks", tests, NULL, NULL);
#if HD_HAVE_CUDA
  place = ON_GPU;
  if (hd_device_count() > 0)
    failed += cmocka_run_group_tests_name("data parallel on GPUs", tests, NULL, NULL);
#endif
  return failed;
}
