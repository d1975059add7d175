// SPDX-License-Identifier: MIT
// The pipeline executor: the same gradient whatever the schedule and the number of ranks, on CPU ranks and on
// GPUs; the messages of the formulas; the bubble of the schedule on paper; and an error, never a hang, when a
// rank fails.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka needs the first four headers above before it
#include <cmocka.h>
#include <heddle/bench.h>
#include <heddle/clock.h>
#include <heddle/device.h>
#include <heddle/random.h>
#include <lessons/24-pipeline/pipeline.h>
#include <lessons/24-pipeline/stage.h>
#include <math.h>
#include <stdio.h>

#include "faults.h"

enum { WIDTH = 33, MICRO = 24, ROWS = 5 * MICRO };
static const int WORLDS[] = {1, 2, 3, 4, 8};
#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

static schedule two_chunks(int ranks, int micro_batches) {
  return schedule_interleaved(ranks, micro_batches, ranks > 1 ? 2 : 1);
}
static const strategy strategies[] = {
    {.make = schedule_gpipe, .micro_batches = MICRO},
    {.make = schedule_one_f_one_b, .micro_batches = MICRO},
    {.make = two_chunks, .micro_batches = MICRO},
    {.make = schedule_zero_bubble, .micro_batches = MICRO},
    {.make = schedule_one_f_one_b, .micro_batches = MICRO, .unequal = true}};
enum { GPIPE, ONE_F_ONE_B, INTERLEAVED, ZERO_BUBBLE, UNEQUAL };

static enum place places[2] = {ON_CPU};
static size_t place_count = 1;

static problem task;
static float *gradient, *expected;
static size_t parameters;

static int open_task(void **state) {
  (void)state;
  parameters = LAYERS * layer_parameters(WIDTH);
  task = (problem){.width = WIDTH,
                   .rows = ROWS,
                   .input = hd_new_normal(ROWS * WIDTH, 1, 0, 1),
                   .target = hd_new_normal(ROWS * WIDTH, 1, 1, 1),
                   .initial = hd_new_normal(parameters, 1, 2, 0.26f)};
  gradient = malloc(parameters * sizeof *gradient);
  expected = malloc(parameters * sizeof *expected);
  return 0;
}

static int close_task(void **state) {
  (void)state;
  free((void *)task.input);
  free((void *)task.target);
  free((void *)task.initial);
  free(gradient);
  free(expected);
  return 0;
}

static trial request(const strategy *s, enum place place, int world) {
  memset(gradient, 0xff, parameters * sizeof *gradient);
  return (trial){
      .problem = &task, .strategy = s, .place = place, .world = world, .threads = 1, .gradient = gradient};
}

// Micro-batches are the same and their gradients are summed in the same order, so nothing may differ in any
// bit.
static void gradients_do_not_depend_on_ranks_or_schedule(void **state) {
  (void)state;
  for (size_t at = 0; at < place_count; at++) {
    trial alone = request(&strategies[GPIPE], places[at], 1);
    if (run_ranks(&alone)) fail_msg("%s", hd_comm_error_text());
    memcpy(expected, gradient, parameters * sizeof *gradient);
    EACH(w, WORLDS) EACH(s, strategies) {
      trial t = request(&strategies[s], places[at], WORLDS[w]);
      if (run_ranks(&t)) fail_msg("%s", hd_comm_error_text());
      if (memcmp(gradient, expected, parameters * sizeof *gradient) != 0)
        fail_msg("place %d, strategy %zu, %d ranks: another gradient", (int)places[at], s, WORLDS[w]);
    }
  }
}

static void gradients_are_right(void **state) {
  (void)state;
  double *right = malloc(parameters * sizeof *right);
  reference_gradient(&task, right);
  for (size_t at = 0; at < place_count; at++) {
    static const int cuts[] = {1, 6, MICRO};
    EACH(i, cuts) {
      const strategy s = {.make = schedule_gpipe, .micro_batches = cuts[i]};
      trial t = request(&s, places[at], 3);
      assert_int_equal(run_ranks(&t), 0);
      assert_true(hd_compare(gradient, HD_F32, right, parameters) < 1e-4);
    }
  }
  for (enum mistake m = SAME_INPUT; m <= ONE_SLOT; m++) {
    const strategy s = {.make = schedule_gpipe, .micro_batches = MICRO, .mistake = m};
    trial t = request(&s, ON_CPU, 2);
    assert_int_equal(run_ranks(&t), 0);
    assert_true(hd_compare(gradient, HD_F32, right, parameters) > 0.1);
  }
  free(right);
}

// A rank in the middle sends every micro-batch on and its gradient back, once per chunk.
static void messages_are_those_of_the_formulas(void **state) {
  (void)state;
  for (size_t at = 0; at < place_count; at++) EACH(s, strategies) {
      trial t = request(&strategies[s], places[at], 4);
      t.timed_steps = 1;
      assert_int_equal(run_ranks(&t), 0);
      const double messages = MICRO * 2 * (s == INTERLEAVED ? 2 : 1);
      assert_true(t.messages == messages);
      assert_true(t.bytes == messages * (ROWS / MICRO) * WIDTH * sizeof(float));
    }
}

static void one_f_one_b_keeps_less(void **state) {
  (void)state;
  trial all = request(&strategies[GPIPE], ON_CPU, 4), few = request(&strategies[ONE_F_ONE_B], ON_CPU, 4);
  all.timed_steps = few.timed_steps = 1;
  assert_int_equal(run_ranks(&all), 0);
  assert_int_equal(run_ranks(&few), 0);
  // Of 24 and of 4 micro-batches (and one more place): 4 layers' outputs and sums, the stage's input, and two
  // gradients.
  const double slot = (ROWS / MICRO) * WIDTH * sizeof(float) * (2 * 4 + 1 + 2);
  assert_true(all.memory - few.memory == (25 - 5) * slot);
}

// The simulated clock has no noise: a step takes what its schedule takes on paper with the costs of its
// instructions.
static void assert_run_is_the_paper(const problem *large, const strategy *how, int ranks, float *found) {
  schedule paper = how->make(ranks, how->micro_batches);
  double *span[MOST_STAGES], end = 0;
  for (int r = 0; r < ranks; r++) span[r] = calloc(2 * (size_t)paper.count[r], sizeof(double));
  trial t = request(how, ON_GPU, ranks);
  t.problem = large;
  t.gradient = found;
  t.timed_steps = 1;
  t.span = span;
  assert_int_equal(run_ranks(&t), 0);
  costs piece[2 * MOST_STAGES];
  measured_costs(&paper, span, piece);
  for (int r = 0; r < ranks; r++) end = fmax(end, span[r][2 * paper.count[r] - 1]);
  const double on_paper = schedule_makespan(&paper, piece, NULL);
  if (fabs(end / on_paper - 1) > 0.02)
    fail_msg("%d ranks, %d micro-batches: %g s, on paper %g s", ranks, how->micro_batches, end, on_paper);
  for (int r = 0; r < ranks; r++) free(span[r]);
  schedule_free(&paper);
}

static void bubble_is_that_of_the_paper(void **state) {
  (void)state;
  // Large enough for the GPU to be slower than the host that feeds it.
  enum { LARGE = 512, EACH_MICRO = 64, MOST_MICRO = 16, N = EACH_MICRO * MOST_MICRO * LARGE };
  static const int shapes[][2] = {{2, 1}, {2, 8}, {3, 12}, {4, 1}, {4, 8}, {4, 16}, {8, 8}, {8, 16}};
  if (place_count < 2 || !hd_device_simulated()) skip();
  setenv("CUSIM_EXECUTE", "sampled", 1);  // only the time counts
  const size_t count = LAYERS * layer_parameters(LARGE);
  float *input = hd_new_normal(N, 1, 0, 1), *initial = hd_new_normal(count, 1, 2, 0.1f),
        *found = malloc(count * sizeof *found);
  EACH(i, shapes) EACH(s, strategies) {
    strategy how = strategies[s];
    how.micro_batches = shapes[i][1];
    if (s == INTERLEAVED && how.micro_batches == 1) continue;
    const problem large = {.width = LARGE,
                           .rows = EACH_MICRO * how.micro_batches,
                           .input = input,
                           .target = input,
                           .initial = initial};
    assert_run_is_the_paper(&large, &how, shapes[i][0], found);
  }
  unsetenv("CUSIM_EXECUTE");
  free(input);
  free(initial);
  free(found);
}

static void a_failing_rank_is_an_error(void **state) {
  (void)state;
  for (size_t at = 0; at < place_count; at++) EACH(s, strategies)
  assert_faults_are_errors(request(&strategies[s], places[at], 3), run_ranks, 1, 1, "strategy", s);
}

// What goes wrong: two neighbours that both send first, as blocking sends do in many a first pipeline.
static void both_send_first(hd_comm *c, void *arg) {
  (void)arg;
  float out[8] = {0}, in[8];
  const int other = 1 - hd_comm_rank(c);
  if (hd_send(c, out, 8, HD_F32, other)) return;
  hd_recv(c, in, 8, HD_F32, other);
}

static void send_before_send_is_found(void **state) {
  (void)state;
  const double start = hd_wall();
  assert_int_not_equal(
      hd_comm_run(2, HD_COMM_THREADS, HD_ORDER_RANK, 1, deadline_s(false, 0), both_send_first, NULL), 0);
  assert_true(hd_wall() - start < 10);
  assert_non_null(strstr(hd_comm_error_text(), "send #1"));
  assert_non_null(strstr(hd_comm_error_text(), "deadlock"));
}

int main(void) {
  setenv("CUSIM_DEVICES", "8", 0);  // a GPU for each rank
  if (hd_device_count() > 0) places[place_count++] = ON_GPU;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gradients_do_not_depend_on_ranks_or_schedule),
      cmocka_unit_test(gradients_are_right),
      cmocka_unit_test(messages_are_those_of_the_formulas),
      cmocka_unit_test(one_f_one_b_keeps_less),
      cmocka_unit_test(bubble_is_that_of_the_paper),
      cmocka_unit_test(a_failing_rank_is_an_error),
      cmocka_unit_test(send_before_send_is_found),
  };
  return cmocka_run_group_tests(tests, open_task, close_task);
}
