// SPDX-License-Identifier: MIT
// Private gradients, on CPU ranks and on GPUs: every image's gradient is clipped, noise is added once and is
// the same everywhere, and the accountant agrees with a formula and with published values.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs the first four headers above before it
#include <cmocka.h>
#include <heddle/bench.h>
#include <heddle/device.h>
#include <kernels/nn/ops.h>
#include <lessons/28-compress-private/accountant.h>
#include <lessons/28-compress-private/worker.h>
#include <math.h>

enum { BATCH = 37 };
static const int WORLDS[] = {1, 2, 3, 4, 8};
#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

static enum place place = ON_CPU;

static hd_dataset train_set, test_set;
static task problem;
static float *initial, *noise_sum;
static size_t parameters;

static int open_task(void) {
  char why[256];
  if (!hd_dataset_load("synthetic", &train_set, &test_set, why, sizeof why)) return -1;
  train_set.count = 2000;  // fewer to shuffle and to draw from
  test_set.count = 10;
  parameters = hd_mlp_count(MODEL_WIDTH, MODEL_LAYERS);
  initial = malloc(parameters * sizeof *initial);
  hd_mlp_initial(MODEL_WIDTH, MODEL_LAYERS, 1, initial);
  noise_sum = malloc(parameters * sizeof *noise_sum);
  problem = (task){.train = &train_set, .test = &test_set, .batch = BATCH, .seed = 1, .initial = initial};
  return 0;
}

static void close_task(void) {
  free(initial);
  free(noise_sum);
  hd_dataset_free(&train_set);
  hd_dataset_free(&test_set);
}

// ---------------------------------------------------------------- privacy

// Runs ranks with a strategy of the test's own and hands out each worker.
typedef struct inspection {
  const strategy *strategy;
  void (*look)(worker *w);
} inspection;

static void inspect_body(hd_comm *comm, void *arg) {
  const inspection *i = arg;
  hd_ops *o = hd_ops_open(place == ON_GPU, hd_comm_stream(comm));
  worker *w = worker_open(&problem, i->strategy, comm, o, 10, 0);
  i->look(w);
  worker_close(w);
}

static void inspect(const strategy *s, int world, void (*look)(worker *w)) {
  inspection i = {s, look};
  const enum hd_backend backend = place == ON_GPU ? HD_COMM_CUDA : HD_COMM_THREADS;
  assert_int_equal(hd_comm_run(world, backend, HD_ORDER_RANK, 1, 0, inspect_body, &i), 0);
}

// A copy on the host, to be freed.
static float *fetched(worker *w, const float *x, size_t count) {
  float *here = malloc(count * sizeof *here);
  w->ops->download(w->ops, here, x, count * sizeof *here);
  return here;
}

static double clip_error, clip_longest;

// One image after the other in double precision must give the same sum; and no image moves it by more than C.
static void look_at_clipping(worker *w) {
  const float clip = w->strategy->clip;
  worker_gradient(w);
  float *gradient = fetched(w, w->model->gradient, parameters), *found = fetched(w, w->lengths, w->count),
        *theta = fetched(w, w->model->theta, parameters);
  double *expected = malloc(parameters * sizeof *expected), *lengths = malloc(200 * sizeof *lengths);
  reference_gradient(&problem, theta, w->rows, w->count, (double)clip, expected, lengths);
  clip_error = hd_compare(gradient, HD_F32, expected, parameters);
  for (size_t i = 0; i < w->count && w->strategy->mistake == NO_MISTAKE; i++)
    if (!(fabs((double)found[i] / lengths[i] - 1) < 1e-4)) clip_error = INFINITY;
  free(found);
  // Each clipped gradient's own length, from its scaled deltas.
  const privacy *how = place == ON_CPU ? &privacy_cpu : HD_WITH_CUDA(&privacy_gpu);
  how->clip(w->ops, model_rows(w->model, w->images), (long)w->count, INFINITY, w->lengths);
  found = fetched(w, w->lengths, w->count);
  clip_longest = 0;
  for (size_t i = 0; i < w->count; i++) clip_longest = fmax(clip_longest, (double)(found[i] / clip));
  free(expected), free(lengths), free(gradient), free(found), free(theta);
}

static void every_gradient_is_clipped(void **state) {
  (void)state;
  const float clips[] = {0.1f, 6, 1e6f};
  EACH(c, clips) {
    const strategy s = {.private = true, .clip = clips[c]};
    inspect(&s, 1, look_at_clipping);
    assert_true(clip_error < 1e-3);
    assert_true(clip_longest <= 1 + 1e-5);
  }
  if (place == ON_GPU) return;
  // What goes wrong: clipping the sum, which one image may then turn round as a whole.
  const strategy sum_clipped = {.private = true, .clip = 0.1f, .mistake = CLIP_THE_SUM};
  inspect(&sum_clipped, 1, look_at_clipping);
  assert_true(clip_error > 0.1);
  assert_true(clip_longest > 1.5);
}

static double noise_deviation;

// The gradient of no images is noise alone.
static void look_at_noise(worker *w) {
  w->ops->zero(w->ops, w->model->gradient, parameters * sizeof(float));
  worker_add_noise(w);
  if (worker_exchange(w)) return;
  float *sum = fetched(w, w->sum, parameters);
  double square = 0;
  for (size_t i = 0; i < parameters; i++) square += (double)sum[i] * (double)sum[i];
  if (w->rank == 0) {
    noise_deviation = sqrt(square / (double)parameters);
    memcpy(noise_sum, sum, parameters * sizeof *sum);
  }
  free(sum);
}

static void noise_is_added_once(void **state) {
  (void)state;
  EACH(w, WORLDS) {
    strategy s = {.private = true, .clip = 2, .noise = 1.5f};
    inspect(&s, WORLDS[w], look_at_noise);
    assert_true(fabs(noise_deviation / 3 - 1) < 0.005);
    if (place == ON_GPU && WORLDS[w] > 3) continue;
    s.mistake = NOISE_EVERYWHERE;
    inspect(&s, WORLDS[w], look_at_noise);
    assert_true(fabs(noise_deviation / (3 * sqrt(WORLDS[w])) - 1) < 0.005);
  }
}

// Whoever draws a number: any rank of any world, a CPU or a GPU. Logarithm and cosine of a real GPU are right
// to two units in the last place, as those of the host are.
static void noise_is_the_same_everywhere(void **state) {
  (void)state;
  const strategy s = {.private = true, .clip = 2, .noise = 1.5f};
  float *alone = malloc(parameters * sizeof *alone);
  const enum place there = place;
  place = ON_CPU;
  inspect(&s, 1, look_at_noise);
  place = there;
  memcpy(alone, noise_sum, parameters * sizeof *alone);
  EACH(w, WORLDS) {
    inspect(&s, WORLDS[w], look_at_noise);
    for (size_t i = 0; i < parameters; i++)
      if (!(fabsf(noise_sum[i] - alone[i]) <= 2e-6f))
        fail_msg("%d ranks, number %zu: %g and %g", WORLDS[w], i, (double)noise_sum[i], (double)alone[i]);
  }
  free(alone);
}

static void draws_are_independent_of_the_rank_and_of_the_right_number(void **state) {
  (void)state;
  uint32_t rows[512];
  size_t sum = 0;
  enum { STEPS = 200 };
  for (long step = 0; step < STEPS; step++) {
    const size_t count = draw_rows(&problem, step, rows, draw_room(BATCH));
    for (size_t i = 1; i < count; i++) assert_true(rows[i - 1] < rows[i]);
    sum += count;
  }
  // Poisson: the mean of 200 steps spreads by √(37/200) = 0.43.
  assert_true(fabs((double)sum / STEPS - BATCH) < 4 * 0.43);
}

// Another way to the same number, for whole orders: the binomial sum of Mironov, Talwar and Zhang.
static double binomial_renyi(double q, double sigma, int order) {
  double sum = 0;
  for (int k = 0; k <= order; k++) {
    const double choose = lgamma(order + 1) - lgamma(k + 1) - lgamma(order - k + 1);
    sum += exp(choose + k * log(q) + (order - k) * log1p(-q) + (k * k - k) / (2 * sigma * sigma));
  }
  return log(sum) / (order - 1);
}

static void accountant_is_right(void **state) {
  (void)state;
  static const double rates[] = {0.001, 256 / 60000.0, 0.1, 0.5}, noises[] = {0.7, 1.1, 4};
  EACH(q, rates) EACH(s, noises) for (int order = 2; order <= 24; order += order < 8 ? 1 : 4) {
    const double a = renyi(rates[q], noises[s], order), b = binomial_renyi(rates[q], noises[s], order);
    if (!(fabs(a - b) < 1e-6 * b + 1e-12))
      fail_msg("q %g, σ %g, order %d: %g, %g", rates[q], noises[s], order, a, b);
  }
  // Published for MNIST's 60,000 images, batches of 256, δ = 1e-5 (the table of TensorFlow Privacy's
  // tutorials).
  static const double published[][3] = {{1.3, 15, 1.19}, {1.1, 60, 3.01}, {0.7, 45, 7.10}};
  EACH(i, published) {
    const double steps = published[i][1] * 60000 / 256;
    const double found = privacy_spent(256 / 60000.0, published[i][0], (long)steps, 1e-5);
    if (fabs(found / published[i][2] - 1) > 0.03)
      fail_msg("σ %g, %g epochs: ε %g, published %g", published[i][0], published[i][1], found,
               published[i][2]);
  }
  // Whole batches: the plain Gaussian mechanism, D(a) = a/(2σ²).
  assert_true(fabs(renyi(1, 2, 7) - 7 / 8.0) < 1e-12);
  // Of T such steps the best order is 1 + √(log(1/δ)/ρ) with ρ = T/(2σ²), and ε = ρ + 2√(ρ·log(1/δ)).
  for (long steps = 1; steps <= 64; steps *= 2)
    for (double sigma = 2; sigma <= 8; sigma *= 2) {
      const double rho = (double)steps / (2 * sigma * sigma), epsilon = rho + 2 * sqrt(rho * log(1e5));
      const double found = privacy_spent(1, sigma, steps, 1e-5);
      if (!(found >= epsilon * (1 - 1e-12) && found < 1.005 * epsilon))
        fail_msg("σ %g, %ld steps: ε %g, not %g", sigma, steps, found, epsilon);
    }
  assert_true(isinf(privacy_spent(0.1, 0, 1, 1e-5)));
  assert_true(privacy_spent(0.1, 1, 0, 1e-5) == 0 && privacy_spent(0, 1, 100, 1e-5) == 0);
}

static void more_steps_less_noise_more_images_cost_privacy(void **state) {
  (void)state;
  double before = 0;
  for (long steps = 1; steps <= 10000; steps *= 10) {
    const double now = privacy_spent(0.01, 1.1, steps, 1e-5);
    assert_true(now > before);
    before = now;
  }
  for (double sigma = 0.5; sigma < 5; sigma += 0.5)
    assert_true(privacy_spent(0.01, sigma, 1000, 1e-5) > privacy_spent(0.01, sigma + 0.5, 1000, 1e-5));
  for (double rate = 0.001; rate < 0.5; rate *= 2)
    assert_true(privacy_spent(rate, 1.1, 1000, 1e-5) < privacy_spent(2 * rate, 1.1, 1000, 1e-5));
}

int main(void) {
  const struct CMUnitTest gradients[] = {
      cmocka_unit_test(every_gradient_is_clipped),
      cmocka_unit_test(noise_is_added_once),
      cmocka_unit_test(noise_is_the_same_everywhere),
  };
  const struct CMUnitTest paper[] = {
      cmocka_unit_test(draws_are_independent_of_the_rank_and_of_the_right_number),
      cmocka_unit_test(accountant_is_right),
      cmocka_unit_test(more_steps_less_noise_more_images_cost_privacy),
  };
  setenv("CUSIM_DEVICES", "8", 0);  // a GPU for each rank
  if (open_task()) return 1;
  int failed = cmocka_run_group_tests_name("draws and accountant", paper, NULL, NULL);
  failed += cmocka_run_group_tests_name("privacy on CPU ranks", gradients, NULL, NULL);
  place = ON_GPU;
  if (hd_device_count() > 0) failed += cmocka_run_group_tests_name("privacy on GPUs", gradients, NULL, NULL);
  close_task();
  return failed;
}
