// SPDX-License-Identifier: MIT
// Compressed and private gradients: nothing is lost that is fed back, all ranks stay the same network, every
// image's gradient is clipped, noise is added once, and the accountant agrees with a formula and with
// published values.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs the first four headers above before it
#include <cmocka.h>
#include <heddle/bench.h>
#include <heddle/random.h>
#include <lessons/28-compress-private/accountant.h>
#include <lessons/28-compress-private/worker.h>
#include <math.h>

enum { BATCH = 37, MOST_WORLD = 8 };
static const int WORLDS[] = {1, 2, 3, 4, 8};
static const size_t LENGTHS[] = {0, 1, 3, 255, 256, 257, 1000, 10007};
static const compressor *const compressors[] = {&int8, &top_k};
#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

static hd_dataset train_set, test_set;
static task problem;
static float *initial;
static size_t parameters;

static int open_task(void **state) {
  (void)state;
  char why[256];
  if (!hd_dataset_load("synthetic", &train_set, &test_set, why, sizeof why)) return -1;
  train_set.count = 2000;  // fewer to shuffle and to draw from
  test_set.count = 10;
  parameters = hd_mlp_count(MODEL_WIDTH, MODEL_LAYERS);
  initial = malloc(parameters * sizeof *initial);
  hd_mlp_initial(MODEL_WIDTH, MODEL_LAYERS, 1, initial);
  problem = (task){.train = &train_set, .test = &test_set, .batch = BATCH, .seed = 1, .initial = initial};
  return 0;
}

static int close_task(void **state) {
  (void)state;
  free(initial);
  hd_dataset_free(&train_set);
  hd_dataset_free(&test_set);
  return 0;
}

// ---------------------------------------------------------------- compression

// Whole numbers up to ±1000, so that all sums are exact.
static void whole_numbers(float *x, size_t n, uint64_t stream) {
  for (size_t i = 0; i < n; i++) x[i] = floorf(2001 * hd_random_uniform(1, stream, i)) - 1000;
}

static void what_is_sent_and_left_out_is_everything(void **state) {
  (void)state;
  enum { STEPS = 50 };
  EACH(c, compressors) EACH(l, LENGTHS) {
    const compressor *how = compressors[c];
    const size_t n = LENGTHS[l], words = how->words(n);
    float *g = calloc(n + 1, sizeof *g), *e = calloc(n + 1, sizeof *e), *sent = calloc(n + 1, sizeof *sent),
          *all = calloc(n + 1, sizeof *all);
    uint32_t *message = calloc(words + 1, sizeof *message);
    message[words] = 0xabcd;
    for (int step = 0; step < STEPS; step++) {
      whole_numbers(g, n, (uint64_t)step);
      for (size_t i = 0; i < n; i++) e[i] += g[i], all[i] += g[i];
      how->encode(e, n, message, 1, (uint64_t)step);
      how->add(message, n, -1, e);
      how->add(message, n, 1, sent);
    }
    for (size_t i = 0; i < n; i++)
      if (sent[i] + e[i] != all[i])
        fail_msg("compressor %zu, element %zu of %zu: %g sent, %g left out, of %g", c, i, n, (double)sent[i],
                 (double)e[i], (double)all[i]);
    assert_int_equal(message[words], 0xabcd);
    free(g), free(e), free(sent), free(all), free(message);
  }
}

// Without feedback rounding must be right on average; the spread of the mean of 4096 roundings is 1/128 step.
static void stochastic_rounding_is_right_on_average(void **state) {
  (void)state;
  enum { N = 256, TRIES = 4096 };
  float x[N], sum[N] = {0};
  uint32_t message[65];
  for (int i = 0; i < N; i++) x[i] = (float)i / N;  // the scale is 2^-6: steps of 1/64
  for (int t = 0; t < TRIES; t++) {
    int8.encode(x, N, message, 7, (uint64_t)t);
    int8.add(message, N, 1, sum);
  }
  for (int i = 0; i < N; i++) assert_true(fabsf(sum[i] / TRIES - x[i]) < 4.5f / 128 / 64);
}

static void a_gradient_that_diverged_arrives_as_such(void **state) {
  (void)state;
  enum { N = 300 };
  float x[N] = {[5] = INFINITY, [290] = 1}, sum[N] = {0};
  uint32_t message[2 * 65];
  int8.encode(x, N, message, 7, 1);
  int8.add(message, N, 1, sum);
  assert_true(isnan(sum[5]));
  assert_true(sum[290] == 1);  // another block
}

static void top_k_takes_the_largest(void **state) {
  (void)state;
  enum { N = 1000 };
  float x[N], got[N] = {0};
  uint32_t message[2 * N];
  for (int i = 0; i < N; i++) x[i] = (float)((i * 379) % N) * (i % 2 ? -0.001f : 0.001f);
  top_k.encode(x, N, message, 1, 1);
  top_k.add(message, N, 1, got);
  for (int i = 0; i < N; i++) assert_true(got[i] == (fabsf(x[i]) > 0.9895f ? x[i] : 0));
  for (int i = 0; i < N; i++) x[i] = 2;  // equals: the first ones
  memset(got, 0, sizeof got);
  top_k.encode(x, N, message, 1, 1);
  top_k.add(message, N, 1, got);
  for (int i = 0; i < N; i++) assert_true(got[i] == (i < N / 100 ? 2 : 0));
}

// What goes wrong: small but steady gradients beside large ones. Fed back they are sent in the end; forgotten
// they never are.
static void forgotten_gradients_never_arrive(void **state) {
  (void)state;
  enum { N = 200, STEPS = 2000 };
  for (int feedback = 0; feedback <= 1; feedback++) {
    float e[N] = {0}, sent[N] = {0};
    uint32_t message[4];
    for (int step = 0; step < STEPS; step++) {
      for (int i = 0; i < N; i++) e[i] = (feedback ? e[i] : 0) + (i < 2 ? 1 : 0.25f);
      top_k.encode(e, N, message, 1, 1);
      top_k.add(message, N, -1, e);
      top_k.add(message, N, 1, sent);
    }
    const float steady = sent[N - 1] / (0.25f * STEPS);
    assert_true(feedback ? steady > 0.8f : steady == 0);
  }
}

static trial request(const strategy *s, int world) {
  return (trial){.task = &problem, .strategy = s, .world = world, .threads = 1};
}

static void ranks_stay_one_network(void **state) {
  (void)state;
  static const strategy *const strategies[] = {&plain, &quantized, &largest, &private_sgd};
  EACH(w, WORLDS) EACH(s, strategies) {
    float *theta[MOST_WORLD];
    for (int r = 0; r < WORLDS[w]; r++) theta[r] = malloc(parameters * sizeof(float));
    trial t = request(strategies[s], WORLDS[w]);
    t.train_steps = WORLDS[w] > 3 ? 1 : 2;  // eight networks' arithmetic takes its time
    t.theta = theta;
    if (run_ranks(&t)) fail_msg("%s", hd_comm_error_text());
    assert_memory_not_equal(theta[0], initial, parameters * sizeof(float));
    for (int r = 0; r < WORLDS[w]; r++) {
      assert_memory_equal(theta[r], theta[0], parameters * sizeof(float));
      if (r) free(theta[r]);
    }
    free(theta[0]);
  }
}

static void bytes_are_those_of_the_formulas(void **state) {
  (void)state;
  static const strategy *const strategies[] = {&plain, &quantized, &largest};
  EACH(w, WORLDS) EACH(s, strategies) {
    trial t = request(strategies[s], WORLDS[w]);
    t.timed_steps = 1;
    if (run_ranks(&t)) fail_msg("%s", hd_comm_error_text());
    const double formula = bytes_formula(strategies[s], WORLDS[w]);
    // Shards of an all-reduce differ by up to a cache line where the ranks do not divide the parameters.
    if (s == 0 ? fabs(t.bytes - formula) > 2 * 256 * WORLDS[w] : t.bytes != formula)
      fail_msg("strategy %zu, %d ranks: %.0f B, by formula %.0f", s, WORLDS[w], t.bytes, formula);
  }
  assert_true(bytes_formula(&quantized, 2) == 4 * 65 * 2094);
  assert_true(bytes_formula(&largest, 2) == 8 * 5359);
}

// ---------------------------------------------------------------- privacy

// Runs on one rank with a strategy of the test's own and hands out the worker.
typedef struct inspection {
  const strategy *strategy;
  void (*look)(worker *w);
} inspection;

static void inspect_body(hd_comm *comm, void *arg) {
  const inspection *i = arg;
  worker *w = worker_open(&problem, i->strategy, comm, 10);
  i->look(w);
  worker_close(w);
}

static void inspect(const strategy *s, int world, void (*look)(worker *w)) {
  inspection i = {s, look};
  assert_int_equal(hd_comm_run(world, HD_COMM_THREADS, HD_ORDER_RANK, 1, 0, inspect_body, &i), 0);
}

static double clip_error, clip_longest;

// One image after the other in double precision must give the same sum; and no image moves it by more than C.
static void look_at_clipping(worker *w) {
  const double clip = (double)w->strategy->clip;
  double *expected = malloc(parameters * sizeof *expected), *lengths = malloc(200 * sizeof *lengths);
  worker_gradient(w);
  reference_gradient(&problem, w->model->theta, w->rows, w->count, clip, expected, lengths);
  clip_error = hd_compare(w->model->gradient, HD_F32, expected, parameters);
  for (size_t i = 0; i < w->count; i++)
    if (!(fabs(sqrt(w->lengths[i]) / lengths[i] - 1) < 1e-4)) clip_error = INFINITY;
  // Each clipped gradient's own length, from its scaled deltas.
  double *after = malloc(w->count * sizeof *after);
  model_lengths(w->model, w->images, (long)w->count, after);
  clip_longest = 0;
  for (size_t i = 0; i < w->count; i++) clip_longest = fmax(clip_longest, sqrt(after[i]) / clip);
  free(expected), free(lengths), free(after);
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
  // What goes wrong: clipping the sum, which one image may then turn round as a whole.
  const strategy sum_clipped = {.private = true, .clip = 0.1f, .mistake = CLIP_THE_SUM};
  inspect(&sum_clipped, 1, look_at_clipping);
  assert_true(clip_error > 0.1);
  assert_true(clip_longest > 1.5);
}

static double noise_deviation;

// The gradient of no images is noise alone.
static void look_at_noise(worker *w) {
  memset(w->model->gradient, 0, parameters * sizeof(float));
  add_noise(w);
  if (worker_exchange(w)) return;
  double square = 0;
  for (size_t i = 0; i < parameters; i++) square += (double)w->sum[i] * (double)w->sum[i];
  if (w->rank == 0) noise_deviation = sqrt(square / (double)parameters);
}

static void noise_is_added_once(void **state) {
  (void)state;
  EACH(w, WORLDS) {
    strategy s = {.private = true, .clip = 2, .noise = 1.5f};
    inspect(&s, WORLDS[w], look_at_noise);
    assert_true(fabs(noise_deviation / 3 - 1) < 0.005);
    s.mistake = NOISE_EVERYWHERE;
    inspect(&s, WORLDS[w], look_at_noise);
    assert_true(fabs(noise_deviation / (3 * sqrt(WORLDS[w])) - 1) < 0.005);
  }
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
static double binomial_renyi(double q, double noise, int order) {
  double sum = 0;
  for (int k = 0; k <= order; k++) {
    const double choose = lgamma(order + 1) - lgamma(k + 1) - lgamma(order - k + 1);
    sum += exp(choose + k * log(q) + (order - k) * log1p(-q) + (k * k - k) / (2 * noise * noise));
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
  for (double noise = 0.5; noise < 5; noise += 0.5)
    assert_true(privacy_spent(0.01, noise, 1000, 1e-5) > privacy_spent(0.01, noise + 0.5, 1000, 1e-5));
  for (double rate = 0.001; rate < 0.5; rate *= 2)
    assert_true(privacy_spent(rate, 1.1, 1000, 1e-5) < privacy_spent(2 * rate, 1.1, 1000, 1e-5));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_sent_and_left_out_is_everything),
      cmocka_unit_test(stochastic_rounding_is_right_on_average),
      cmocka_unit_test(a_gradient_that_diverged_arrives_as_such),
      cmocka_unit_test(top_k_takes_the_largest),
      cmocka_unit_test(forgotten_gradients_never_arrive),
      cmocka_unit_test(ranks_stay_one_network),
      cmocka_unit_test(bytes_are_those_of_the_formulas),
      cmocka_unit_test(every_gradient_is_clipped),
      cmocka_unit_test(noise_is_added_once),
      cmocka_unit_test(draws_are_independent_of_the_rank_and_of_the_right_number),
      cmocka_unit_test(accountant_is_right),
      cmocka_unit_test(more_steps_less_noise_more_images_cost_privacy),
  };
  return cmocka_run_group_tests(tests, open_task, close_task);
}
