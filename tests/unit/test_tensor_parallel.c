// SPDX-License-Identifier: MIT
// A transformer block whose matrices are split: the same results as whole ones in double precision, for every
// way to split and every world, on CPU ranks and on GPUs; the bytes of the formulas; an error, never a hang,
// when a rank fails.
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
#include <lessons/23-tensor-parallel/block.h>

#include "faults.h"

enum { SAMPLES = 2, LENGTH = 24, HEADS = 24, WIDTH = 72, N = SAMPLES * LENGTH * WIDTH };
static const int WORLDS[] = {1, 2, 3, 4, 8};
#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

enum { COLUMNS, ROWS, PAIR, HEADS_TOO, SEQUENCE };
static const strategy strategies[] = {{&attention_whole, &mlp_columns, false, NO_MISTAKE},
                                      {&attention_whole, &mlp_rows, false, NO_MISTAKE},
                                      {&attention_whole, &mlp_pair, false, NO_MISTAKE},
                                      {&attention_heads, &mlp_pair, false, NO_MISTAKE},
                                      {&attention_heads, &mlp_pair, true, NO_MISTAKE}};

static enum place places[2] = {ON_CPU};
static size_t place_count = 1;

static float x[N], dy[N], y[N], dx[N], *theta, *gradient;
static double right_y[N], right_dx[N], *right;
static problem task;

static int open_task(void **state) {
  (void)state;
  const size_t count = problem_parameters(WIDTH);
  theta = hd_new_normal(count, 1, 2, 0.12f);
  gradient = malloc(count * sizeof *gradient);
  right = malloc(count * sizeof *right);
  hd_fill_normal(x, N, 1, 0);
  hd_fill_normal(dy, N, 1, 1);
  task = (problem){SAMPLES, LENGTH, HEADS, WIDTH, x, dy, theta};
  reference_block(&task, right_y, right_dx, right);
  return 0;
}

static int close_task(void **state) {
  (void)state;
  free(theta);
  free(gradient);
  free(right);
  return 0;
}

static trial request(const strategy *s, enum place place, int world) {
  memset(y, 0xff, sizeof y);
  memset(dx, 0xff, sizeof dx);
  memset(gradient, 0xff, problem_parameters(WIDTH) * sizeof *gradient);
  return (trial){.problem = &task,
                 .strategy = s,
                 .place = place,
                 .world = world,
                 .threads = 1,
                 .y = y,
                 .dx = dx,
                 .gradient = gradient};
}

static double error(void) {
  const double of_y = hd_compare(y, HD_F32, right_y, N), of_dx = hd_compare(dx, HD_F32, right_dx, N);
  const double of_gradient = hd_compare(gradient, HD_F32, right, problem_parameters(WIDTH));
  const double larger = of_y > of_dx ? of_y : of_dx;
  return larger > of_gradient ? larger : of_gradient;
}

static void split_equals_whole(void **state) {
  (void)state;
  for (size_t at = 0; at < place_count; at++) EACH(w, WORLDS) EACH(s, strategies) {
      trial t = request(&strategies[s], places[at], WORLDS[w]);
      if (run_ranks(&t)) fail_msg("%s", hd_comm_error_text());
      if (!(error() < 2e-5))
        fail_msg("place %zu, strategy %zu, %d ranks: error %g", at, s, WORLDS[w], error());
    }
}

static void mistakes_are_found(void **state) {
  (void)state;
  for (enum mistake m = BIAS_BEFORE_SUM; m <= NO_INPUT_SUM; m++) {
    const strategy s = {&attention_heads, &mlp_pair, false, m};
    trial alone = request(&s, ON_CPU, 1);  // on one rank neither is a mistake
    assert_int_equal(run_ranks(&alone), 0);
    assert_true(error() < 2e-5);
    trial t = request(&s, ON_CPU, 3);
    assert_int_equal(run_ranks(&t), 0);
    assert_true(error() > 1e-2);
  }
}

// Rows × width floats are S. An all-reduce sends 2(t - 1)/t·S, a gather or a scatter of S half of it. Forward
// and backward together: the pair two all-reduces of S; with the heads four; by rows all-reduces of 4S and S,
// gathers of 4S and S; by columns a gather and a scatter of 4S, a gather and an all-reduce of S; by sequence
// four scatters and six gathers (two of them of what was not kept) and b2's gradient.
static void bytes_are_those_of_the_formulas(void **state) {
  (void)state;
  const double once = 1, both = 2;
  const double passes[] = {[COLUMNS] = 4 * once + 4 * once + once + both,
                           [ROWS] = 4 * both + both + 4 * once + once,
                           [PAIR] = 2 * both,
                           [HEADS_TOO] = 4 * both,
                           [SEQUENCE] = 10 * once};
  enum { T = 4 };
  for (size_t at = 0; at < place_count; at++) EACH(s, strategies) {
      trial t = request(&strategies[s], places[at], T);
      t.timed_steps = 1;
      assert_int_equal(run_ranks(&t), 0);
      const double bias = s == SEQUENCE ? both * WIDTH : 0;
      const double expected = (passes[s] * N + bias) * (T - 1) / T * sizeof(float);
      // A sum of a few numbers, as b2's gradient, goes directly to each of the other ranks.
      const double slack = s == SEQUENCE && places[at] == ON_CPU
                               ? (T - 1) * WIDTH * sizeof(float) - bias * (T - 1) / T * sizeof(float)
                               : 0;
      if (t.bytes != expected + slack)
        fail_msg("place %zu, strategy %zu: %g bytes sent, %g expected", at, s, t.bytes, expected + slack);
    }
}

static void what_is_split_is_not_kept(void **state) {
  (void)state;
  trial one = request(&strategies[HEADS_TOO], ON_CPU, 1), eight = request(&strategies[HEADS_TOO], ON_CPU, 8);
  one.timed_steps = eight.timed_steps = 1;
  assert_int_equal(run_ranks(&one), 0);
  assert_int_equal(run_ranks(&eight), 0);
  // Parameters and gradients, 12·width² of each, less what is not split: b2.
  const double parameters = 2 * sizeof(float) * (double)(problem_parameters(WIDTH) - WIDTH);
  assert_true(one.memory - eight.memory > parameters * 7 / 8);
}

static void a_failing_rank_is_an_error(void **state) {
  (void)state;
  for (size_t at = 0; at < place_count; at++) EACH(s, strategies)
  assert_faults_are_errors(request(&strategies[s], places[at], 3), run_ranks, 1, 1, "strategy", s);
}

int main(void) {
  setenv("CUSIM_DEVICES", "8", 0);  // a GPU for each rank
  if (hd_device_count() > 0) places[place_count++] = ON_GPU;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(split_equals_whole),
      cmocka_unit_test(mistakes_are_found),
      cmocka_unit_test(bytes_are_those_of_the_formulas),
      cmocka_unit_test(what_is_split_is_not_kept),
      cmocka_unit_test(a_failing_rank_is_an_error),
  };
  return cmocka_run_group_tests(tests, open_task, close_task);
}
