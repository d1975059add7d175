// SPDX-License-Identifier: MIT
// Compressed gradients: nothing is lost that is fed back, a GPU says what a CPU says to the bit, all ranks
// stay one network, bytes and times are those of the formulas, and a rank that fails is an error.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs the first four headers above before it
#include <cmocka.h>
#include <heddle/bench.h>
#include <heddle/clock.h>
#include <heddle/device.h>
#include <heddle/random.h>
#include <kernels/nn/ops.h>
#include <lessons/28-compress-private/low_rank.h>
#include <lessons/28-compress-private/worker.h>
#include <math.h>

enum { BATCH = 37, MOST_WORLD = 8 };
static const int WORLDS[] = {1, 2, 3, 4, 8};
// Around the blocks of int8, and the tiles of a selection and of a sum.
static const size_t LENGTHS[] = {0, 1, 3, 255, 256, 257, 1000, 2049, 4095, 4097, 10007};
#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

static enum place place = ON_CPU;
static hd_dataset train_set, test_set;
static task problem;
static float *initial;
static size_t parameters;

static int open_task(void) {
  char why[256];
  if (!hd_dataset_load("synthetic", &train_set, &test_set, why, sizeof why)) return -1;
  train_set.count = 2000;  // fewer to shuffle
  test_set.count = 200;
  parameters = hd_mlp_count(MODEL_WIDTH, MODEL_LAYERS);
  initial = malloc(parameters * sizeof *initial);
  hd_mlp_initial(MODEL_WIDTH, MODEL_LAYERS, 1, initial);
  problem = (task){.train = &train_set, .test = &test_set, .batch = BATCH, .seed = 1, .initial = initial};
  return 0;
}

static void close_task(void) {
  free(initial);
  hd_dataset_free(&train_set);
  hd_dataset_free(&test_set);
}

// ---------------------------------------------------------------- messages

// A compressor on a device, with vectors of n elements there.
typedef struct bench {
  hd_ops *o;
  const compressor *c;
  const codec *how;
  size_t n, words;
  float *x, *sum;
  uint32_t *messages;  // two
  void *work;
} bench;

static bench bench_open(const compressor *c, enum place where, size_t n) {
  if (where == ON_GPU) hd_device_select(0);
  hd_ops *o = hd_ops_open(where == ON_GPU, NULL);
  bench b = {.o = o, .c = c, .how = where == ON_GPU ? c->gpu : c->cpu, .n = n, .words = c->words(n)};
  b.x = o->alloc(o, n * sizeof *b.x);
  b.sum = o->alloc(o, n * sizeof *b.sum);
  b.messages = o->alloc(o, 2 * b.words * sizeof *b.messages);
  if (c->work) b.work = o->alloc(o, c->work(n));
  return b;
}

static void bench_close(bench *b) {
  b->o->free(b->o, b->x, b->n * sizeof *b->x);
  b->o->free(b->o, b->sum, b->n * sizeof *b->sum);
  b->o->free(b->o, b->messages, 2 * b->words * sizeof *b->messages);
  if (b->work) b->o->free(b->o, b->work, b->c->work(b->n));
  b->o->close(b->o);
}

// x becomes what its message leaves out, sent what the message says.
static void send_through(bench *b, float *x, float *sent, uint64_t stream) {
  const size_t bytes = b->n * sizeof *x;
  b->o->upload(b->o, b->x, x, bytes);
  b->how->encode(b->o, b->x, b->n, b->messages, b->work, 1, stream);
  b->how->sum(b->o, b->messages, 1, b->n, b->sum);
  b->o->download(b->o, x, b->x, bytes);
  b->o->download(b->o, sent, b->sum, bytes);
}

static size_t compressors(const compressor *list[3]) {
  list[0] = &int8;
  list[1] = &top_k;
  list[2] = &top_k_library;
  return place == ON_GPU ? 3 : 2;
}

// Whole numbers up to ±1000, so that all sums are exact.
static void what_is_sent_and_left_out_is_everything(void **state) {
  (void)state;
  const compressor *list[3];
  const size_t kinds = compressors(list);
  for (size_t c = 0; c < kinds; c++) EACH(l, LENGTHS) {
      const size_t n = LENGTHS[l];
      bench b = bench_open(list[c], place, n);
      float *e = calloc(n + 1, sizeof *e), *sent = calloc(n + 1, sizeof *sent),
            *all = calloc(n + 1, sizeof *all), *now = calloc(n + 1, sizeof *now);
      for (int step = 0; step < (place == ON_GPU ? 4 : 50); step++) {
        for (size_t i = 0; i < n; i++) {
          const float g = floorf(2001 * hd_random_uniform(1, (uint64_t)step, i)) - 1000;
          e[i] += g, all[i] += g;
        }
        send_through(&b, e, now, (uint64_t)step);
        for (size_t i = 0; i < n; i++) sent[i] += now[i];
      }
      for (size_t i = 0; i < n; i++)
        if (sent[i] + e[i] != all[i])
          fail_msg("compressor %zu, element %zu of %zu: %g sent, %g left out, of %g", c, i, n,
                   (double)sent[i], (double)e[i], (double)all[i]);
      free(e), free(sent), free(all), free(now);
      bench_close(&b);
    }
}

// Numbers of all kinds: of all sizes, equal ones, zeros, tiny ones, and one block that has diverged.
static float awkward(size_t i, uint64_t stream) {
  const float x = hd_random_normal(3, stream, i);
  if (stream == 1) return (float)(i % 3) - 1;
  if (stream == 2) return ldexpf(x, (int)(i % 200) - 140);
  if (stream == 3 && i == 2500) return NAN;
  if (stream == 3 && i % 1000 == 7) return -INFINITY;
  return i % 5 ? x : 0;
}

// What compressor c says to both of x's on one side: the messages, what they leave out, their sum.
static void *said(const compressor *c, enum place where, size_t n, uint64_t stream, size_t *bytes) {
  bench b = bench_open(c, where, n);
  const size_t vector = n * sizeof(float), message = b.words * sizeof(uint32_t);
  *bytes = 3 * vector + 2 * message;
  char *all = malloc(*bytes + 1);
  float *x = malloc(vector + 1);
  for (size_t k = 0; k < 2; k++) {
    for (size_t i = 0; i < n; i++) x[i] = awkward(i + 7 * k, stream);
    b.o->upload(b.o, b.x, x, vector);
    b.how->encode(b.o, b.x, n, b.messages + k * b.words, b.work, 5, stream + 10 * k);
    b.o->download(b.o, all + k * vector, b.x, vector);
  }
  b.how->sum(b.o, b.messages, 2, n, b.sum);
  b.o->download(b.o, all + 2 * vector, b.sum, vector);
  b.o->download(b.o, all + 3 * vector, b.messages, 2 * message);
  free(x);
  bench_close(&b);
  return all;
}

// Not a number is one, whatever its other bits.
static bool same_words(const uint32_t *a, const uint32_t *b, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const bool both = (a[i] & 0x7fffffff) > INFINITE_MAGNITUDE && (b[i] & 0x7fffffff) > INFINITE_MAGNITUDE;
    if (a[i] != b[i] && !both) return false;
  }
  return true;
}

static void gpus_say_what_cpus_say(void **state) {
  (void)state;
  const compressor *list[3];
  if (place == ON_CPU) skip();
  compressors(list);
  EACH(l, LENGTHS) for (uint64_t stream = 0; stream < 4; stream++) for (size_t c = 0; c < 3; c++) {
    size_t bytes;
    void *expected = said(c == 2 ? &top_k : list[c], ON_CPU, LENGTHS[l], stream, &bytes),
         *found = said(list[c], ON_GPU, LENGTHS[l], stream, &bytes);
    if (!same_words(expected, found, bytes / 4))
      fail_msg("compressor %zu, %zu numbers of kind %d", c, LENGTHS[l], (int)stream);
    free(expected), free(found);
  }
}

// Without feedback rounding must be right on average; the spread of the mean of 4096 roundings is 1/128 step.
static void stochastic_rounding_is_right_on_average(void **state) {
  (void)state;
  enum { N = 256, TRIES = 4096 };
  float x[N], sent[N], sum[N] = {0};
  bench b = bench_open(&int8, ON_CPU, N);
  for (int t = 0; t < TRIES; t++) {
    for (int i = 0; i < N; i++) x[i] = (float)i / N;  // the scale is 2^-6: steps of 1/64
    send_through(&b, x, sent, (uint64_t)t);
    for (int i = 0; i < N; i++) sum[i] += sent[i];
  }
  for (int i = 0; i < N; i++) assert_true(fabsf(sum[i] / TRIES - (float)i / N) < 4.5f / 128 / 64);
  bench_close(&b);
}

static void a_gradient_that_diverged_arrives_as_such(void **state) {
  (void)state;
  enum { N = 300 };
  float x[N] = {[5] = INFINITY, [290] = 1}, sent[N];
  bench b = bench_open(&int8, place, N);
  send_through(&b, x, sent, 1);
  assert_true(isnan(sent[5]));
  assert_true(sent[290] == 1);  // another block
  bench_close(&b);
}

static void top_k_takes_the_largest(void **state) {
  (void)state;
  enum { N = 1000 };
  float x[N], left[N], sent[N];
  bench b = bench_open(&top_k, place, N);
  for (int i = 0; i < N; i++) left[i] = x[i] = (float)((i * 379) % N) * (i % 2 ? -0.001f : 0.001f);
  send_through(&b, left, sent, 1);
  for (int i = 0; i < N; i++) assert_true(sent[i] == (fabsf(x[i]) > 0.9895f ? x[i] : 0));
  for (int i = 0; i < N; i++) left[i] = 2;  // equals: the first ones
  send_through(&b, left, sent, 1);
  for (int i = 0; i < N; i++) assert_true(sent[i] == (i < N / 100 ? 2 : 0));
  bench_close(&b);
}

// What goes wrong: small but steady gradients beside large ones. Fed back they are sent in the end; forgotten
// they never are.
static void forgotten_gradients_never_arrive(void **state) {
  (void)state;
  enum { N = 200, STEPS = 2000 };
  for (int feedback = 0; feedback <= 1; feedback++) {
    float e[N] = {0}, sent[N], all = 0;
    bench b = bench_open(&top_k, ON_CPU, N);
    for (int step = 0; step < STEPS; step++) {
      for (int i = 0; i < N; i++) e[i] = (feedback ? e[i] : 0) + (i < 2 ? 1 : 0.25f);
      send_through(&b, e, sent, 1);
      all += sent[N - 1];
    }
    assert_true(feedback ? all > 0.8f * 0.25f * STEPS : all == 0);
    bench_close(&b);
  }
}

// ---------------------------------------------------------------- ranks

enum fault { NONE, DIES, STALLS, ANOTHER_CALL };

// Ranks exchange given gradients: rank r's element i in step s is a function of these.
typedef struct given {
  const strategy *strategy;
  float *sum[MOST_WORLD];
  long steps;
  enum fault fault;  // of rank 1, in step 1
  bool directions;   // a gradient that lies in four directions, times rank + 1
} given;

static void some_gradient(float *x, long step, int rank) {
  for (size_t i = 0; i < parameters; i++)
    x[i] = (float)(i % 7) * hd_random_uniform(9, (uint64_t)(step * 10 + rank), i) - 1;
}

static void four_directions(float *x, int rank) {
  for (int l = 0; l < MODEL_LAYERS; l++) {
    const size_t rows = (size_t)MODEL_WIDTH[l] + 1, columns = (size_t)MODEL_WIDTH[l + 1];
    for (size_t i = 0; i < rows; i++)
      for (size_t j = 0; j < columns; j++, x++) {
        *x = 0;
        for (size_t k = 0; k < 4; k++)
          *x +=
              sinf((float)((3 * i + 1) * (k + 1))) * cosf((float)((j + 2) * (2 * k + 1))) * (float)(rank + 1);
      }
  }
}

static void given_body(hd_comm *comm, void *arg) {
  given *g = arg;
  hd_ops *o = hd_ops_open(place == ON_GPU, hd_comm_stream(comm));
  worker *w = worker_open(&problem, g->strategy, comm, o, 10, 0);
  float *x = malloc(parameters * sizeof *x);
  for (; w->step < g->steps; w->step++) {
    const enum fault fault = w->rank == 1 && w->step == 1 ? g->fault : NONE;
    if (g->directions)
      four_directions(x, w->rank);
    else
      some_gradient(x, w->step, w->rank);
    o->upload(o, w->model->gradient, x, parameters * sizeof *x);
    if (fault == DIES) break;
    if (fault == STALLS) hd_comm_stall(comm, 20);
    if (fault == ANOTHER_CALL ? hd_all_gather(comm, w->sum, w->inbox, 1, HD_F32) : worker_exchange(w)) break;
  }
  if (g->sum[w->rank]) o->download(o, g->sum[w->rank], w->sum, parameters * sizeof *x);
  free(x);
  worker_close(w);
}

static int exchange_given(given *g, int world, double deadline_s) {
  const bool gpu = place == ON_GPU;
  return hd_comm_run(world, gpu ? HD_COMM_CUDA : HD_COMM_THREADS, gpu ? HD_ORDER_RING : HD_ORDER_RANK, 1,
                     deadline_s, given_body, g);
}

// CPU ranks, GPUs, and logical GPUs where there are more ranks than devices, with feedback over two steps.
static void gpus_come_to_the_sum_of_cpu_ranks(void **state) {
  (void)state;
  static const strategy *const strategies[] = {&quantized, &largest, &largest_library};
  if (place == ON_CPU) skip();
  EACH(w, WORLDS) EACH(s, strategies) {
    if (strategies[s] == &largest_library && WORLDS[w] > 2) continue;
    float *sums[3];  // CPU ranks; first and last GPU
    for (int i = 0; i < 3; i++) sums[i] = malloc(parameters * sizeof *sums[i]);
    given g = {.strategy = s == 2 ? &largest : strategies[s], .sum = {sums[0]}, .steps = 2};
    place = ON_CPU;
    const int failed = exchange_given(&g, WORLDS[w], 0);
    place = ON_GPU;
    given h = {.strategy = strategies[s], .sum = {sums[1]}, .steps = 2};
    h.sum[WORLDS[w] - 1] = sums[2];
    if (WORLDS[w] == 1) h.sum[0] = sums[1] = sums[2];
    if (failed || exchange_given(&h, WORLDS[w], 0)) fail_msg("%s", hd_comm_error_text());
    assert_memory_equal(sums[1], sums[0], parameters * sizeof(float));
    assert_memory_equal(sums[2], sums[0], parameters * sizeof(float));
    free(sums[0]), free(sums[2]);
    if (WORLDS[w] > 1) free(sums[1]);
  }
}

static double product(const float *p, long rows, int a, int b) {
  double sum = 0;
  for (long i = 0; i < rows; i++) sum += (double)p[i * LOW_RANK + a] * (double)p[i * LOW_RANK + b];
  return sum;
}

// Also where one column is nearly the sum of others, and where one is zero.
static void columns_become_orthonormal(void **state) {
  (void)state;
  enum { ROWS = 785 * LOW_RANK };
  const long rows[FACTORED_LAYERS] = {785, 513, 7};
  float here[FACTORED_LAYERS * ROWS];
  for (int i = 0; i < FACTORED_LAYERS * ROWS; i++) here[i] = hd_random_normal(4, 0, (uint64_t)i);
  for (int i = 0; i < 513; i++) {
    float *row = here + ROWS + (ptrdiff_t)i * LOW_RANK;
    row[2] = row[0] - row[1] + 1e-6f * row[2];
    row[3] = 0;
  }
  hd_ops *o = hd_ops_open(place == ON_GPU, NULL);
  float *there = o->alloc(o, sizeof here);
  factors p;
  for (int l = 0; l < FACTORED_LAYERS; l++) p.of[l] = there + l * ROWS, p.rows[l] = rows[l];
  o->upload(o, there, here, sizeof here);
  if (place == ON_CPU)
    orthonormalize_cpu(p);
  else
    HD_WITH_CUDA(orthonormalize_gpu(o, p));
  o->download(o, here, there, sizeof here);
  o->free(o, there, sizeof here);
  o->close(o);
  for (int l = 0; l < FACTORED_LAYERS; l++)
    for (int a = 0; a < LOW_RANK; a++)
      for (int b = 0; b < LOW_RANK; b++) {
        const double found = product(here + (ptrdiff_t)l * ROWS, rows[l], a, b);
        if (!(fabs(found - (a == b)) < 1e-5)) fail_msg("factor %d: column %d times %d is %g", l, a, b, found);
      }
}

// A gradient that lies in as many directions as are sent arrives whole, and at once.
static void what_lies_in_few_directions_arrives(void **state) {
  (void)state;
  float *sum = malloc(parameters * sizeof *sum), *expected = malloc(parameters * sizeof *expected);
  four_directions(expected, 0);
  EACH(w, WORLDS) {
    given g = {.strategy = &factored, .sum = {sum}, .steps = 1, .directions = true};
    if (exchange_given(&g, WORLDS[w], 0)) fail_msg("%s", hd_comm_error_text());
    const float times = (float)(WORLDS[w] * (WORLDS[w] + 1)) / 2;
    for (size_t i = 0; i < parameters; i++)
      if (!(fabsf(sum[i] / times - expected[i]) < 1e-4f))
        fail_msg("%d ranks, element %zu: %g of %g", WORLDS[w], i, (double)(sum[i] / times),
                 (double)expected[i]);
  }
  free(sum), free(expected);
}

// Within the deadline, with a message that names the rank, the operation and its number.
static void a_failing_rank_is_an_error(void **state) {
  (void)state;
  static const strategy *const strategies[] = {&plain, &quantized};
  EACH(s, strategies) for (int fault = DIES; fault <= ANOTHER_CALL; fault++) {
    given g = {.strategy = strategies[s], .steps = 3, .fault = (enum fault)fault};
    if (strategies[s] == &plain && fault != DIES) continue;
    const double start = hd_wall();
    assert_true(exchange_given(&g, 3, 1) > 0);
    assert_true(hd_wall() - start < 10);
    const char *text = hd_comm_error_text(), *operation = s ? "all_gather #2" : "all_reduce #2";
    if (!strstr(text, "rank 1") || !strstr(text, operation))
      fail_msg("strategy %zu, fault %d: \"%s\"", s, fault, text);
  }
}

static trial request(const strategy *s, int world) {
  return (trial){.task = &problem, .strategy = s, .place = place, .world = world, .threads = 1};
}

static const strategy *const networks[] = {&plain, &factored, &quantized, &largest, &private_sgd};

static void ranks_stay_one_network(void **state) {
  (void)state;
  EACH(w, WORLDS) EACH(s, networks) {
    if (WORLDS[w] == 1) continue;
    float *theta[MOST_WORLD];
    for (int r = 0; r < WORLDS[w]; r++) theta[r] = malloc(parameters * sizeof(float));
    trial t = request(networks[s], WORLDS[w]);
    t.train_steps = WORLDS[w] > 3 || place == ON_GPU ? 1 : 2;  // simulated arithmetic takes its time
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

// One network, wherever it is trained. Products round differently, and now and then that turns round how an
// element is rounded to int8, or whether it is among the largest; feedback makes up for it in later steps.
static void gpus_train_as_cpu_ranks_do(void **state) {
  (void)state;
  static const double within[] = {1e-5, 1e-3, 1e-3, 3e-2, 1e-5};
  if (place == ON_CPU) skip();
  EACH(s, networks) {
    double accuracy[2], update = 0, difference = 0;
    float *theta[2];
    for (int p = 0; p < 2; p++) {
      theta[p] = malloc(parameters * sizeof(float));
      trial t = request(networks[s], 2);
      t.place = p ? ON_GPU : ON_CPU;
      t.train_steps = 6;
      t.theta = (float *[]){theta[p], NULL};
      if (run_ranks(&t)) fail_msg("%s", hd_comm_error_text());
      accuracy[p] = t.accuracy;
    }
    for (size_t i = 0; i < parameters; i++) {
      const double a = (double)(theta[0][i] - initial[i]), b = (double)(theta[1][i] - initial[i]);
      update += a * a, difference += (a - b) * (a - b);
    }
    difference = sqrt(difference / update);
    if (!(fabs(accuracy[0] - accuracy[1]) < 0.011 && difference < within[s]))
      fail_msg("strategy %zu: accuracies %g and %g, updates %g of each other apart", s, accuracy[0],
               accuracy[1], difference);
    free(theta[0]), free(theta[1]);
  }
}

// Nothing is added to a compressed message on its way, so its time is that of its bytes.
static void check_sending(const trial *t) {
  if (place == ON_CPU || !hd_device_simulated() || hd_device_count() < t->world || t->world == 1) return;
  double alpha, rate;
  hd_device_link(&alpha, &rate);
  const double formula = sending_formula(t->strategy, t->world, alpha, rate);
  if (!(fabs(t->sending_s / formula - 1) < 0.02))
    fail_msg("%d GPUs: %g s, by formula %g s", t->world, t->sending_s, formula);
}

static void bytes_and_times_are_those_of_the_formulas(void **state) {
  (void)state;
  EACH(w, WORLDS) for (int s = 0; s < 4; s++) {
    trial t = request(networks[s], WORLDS[w]);
    t.timed_steps = 1;
    if (run_ranks(&t)) fail_msg("%s", hd_comm_error_text());
    if (s > 1) check_sending(&t);
    const double formula = bytes_formula(networks[s], WORLDS[w]);
    // Shards of an all-reduce differ by up to a cache line where the ranks do not divide the parameters.
    if (s < 2 ? fabs(t.bytes - formula) > 4 * 256 * WORLDS[w] : t.bytes != formula)
      fail_msg("strategy %d, %d ranks: %.0f B, by formula %.0f", s, WORLDS[w], t.bytes, formula);
  }
  assert_true(bytes_formula(&quantized, 2) == 4 * 65 * 2094);
  assert_true(bytes_formula(&largest, 2) == 8 * 5359);
  assert_true(bytes_formula(&factored, 2) == 4 * 4 * (785 + 512 + 513 + 256 + 257 + 10));
}

// With any argument only what tells logical devices from those of their own.
int main(int argc, char **argv) {
  (void)argv;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_sent_and_left_out_is_everything),
      cmocka_unit_test(gpus_say_what_cpus_say),
      cmocka_unit_test(stochastic_rounding_is_right_on_average),
      cmocka_unit_test(a_gradient_that_diverged_arrives_as_such),
      cmocka_unit_test(top_k_takes_the_largest),
      cmocka_unit_test(forgotten_gradients_never_arrive),
      cmocka_unit_test(gpus_come_to_the_sum_of_cpu_ranks),
      cmocka_unit_test(columns_become_orthonormal),
      cmocka_unit_test(what_lies_in_few_directions_arrives),
      cmocka_unit_test(a_failing_rank_is_an_error),
      cmocka_unit_test(ranks_stay_one_network),
      cmocka_unit_test(gpus_train_as_cpu_ranks_do),
      cmocka_unit_test(bytes_and_times_are_those_of_the_formulas),
  };
  const struct CMUnitTest of_ranks[] = {
      cmocka_unit_test(gpus_come_to_the_sum_of_cpu_ranks),
      cmocka_unit_test(what_lies_in_few_directions_arrives),
      cmocka_unit_test(a_failing_rank_is_an_error),
  };
  setenv("CUSIM_DEVICES", "8", 0);  // a GPU for each rank
  if (open_task()) return 1;
  int failed = 0;
  if (argc == 1) failed = cmocka_run_group_tests_name("compression on CPU ranks", tests, NULL, NULL);
  place = ON_GPU;
  if (hd_device_count() > 0)
    failed += argc == 1 ? cmocka_run_group_tests_name("compression on GPUs", tests, NULL, NULL)
                        : cmocka_run_group_tests_name("compression on logical GPUs", of_ranks, NULL, NULL);
  close_task();
  return failed;
}
