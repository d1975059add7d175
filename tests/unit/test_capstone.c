// SPDX-License-Identifier: MIT
// The capstone: every layout trains the same GPT, as its twin in double precision does; texts are the same
// with and without a cache, on one rank and on several; inference keeps nothing.
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
#include <heddle/random.h>
#include <kernels/nn/ops.h>
#include <kernels/nn/reference.h>
#include <lessons/30-capstone/generate.h>
#include <lessons/30-capstone/text.h>
#include <lessons/30-capstone/train.h>
#include <math.h>

#include "faults.h"

enum { STEPS = 2 };
static const int WORLDS[] = {1, 2, 3, 4, 8};
#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

static const gpt_shape small = {
    .batch = 24, .length = 6, .width = 24, .heads = 24, .vocabulary = TEXT_SYMBOLS, .blocks = 8};
static int places = 1;
static gpt_task task;
static network paper;
static problem all;
static size_t parameters;
static float *initial, *gradient, *kept;

static float *new_parameters(const gpt_shape *s, size_t *count) {
  const gpt_part whole = gpt_whole(s);
  hd_layer *list = malloc(GPT_MOST_LAYERS * sizeof *list);
  float *theta = malloc((*count = gpt_parameters(s, &whole)) * sizeof *theta);
  hd_net_initial(list, gpt_layers(s, &whole, list), 1, theta);
  free(list);
  return theta;
}

static int open_task(void **state) {
  (void)state;
  task = gpt_task_new(small, STEPS, STEPS, 1);
  initial = new_parameters(&small, &parameters);
  gradient = malloc(parameters * sizeof *gradient);
  kept = malloc(parameters * sizeof *kept);
  all = gpt_problem(&task, initial, &paper);
  return 0;
}

static int close_task(void **state) {
  (void)state;
  gpt_task_free(&task);
  free(initial);
  free(gradient);
  free(kept);
  return 0;
}

static trial request(layout l, bool on_gpu) {
  gpt_task_forget(&task);
  memset(gradient, 0xff, parameters * sizeof *gradient);
  return (trial){.problem = &all,
                 .layout = l,
                 .on_gpu = on_gpu,
                 .threads = 1,
                 .checked_steps = STEPS,
                 .gradient = gradient};
}

static void run(trial *t) {
  if (run_layout(t)) fail_msg("%s", hd_comm_error_text());
}

// ---------------------------------------------------------------- training

static void every_layout_trains_as_the_twin_does(void **state) {
  (void)state;
  double *right = malloc(parameters * sizeof *right), losses[STEPS];
  layout *list = malloc(MOST_LAYOUTS * sizeof *list);
  gpt_train_reference(&task, initial, STEPS, losses, right);
  assert_true(losses[0] > 1 && losses[STEPS - 1] < losses[0]);
  for (int gpu = 0; gpu < places; gpu++) EACH(w, WORLDS) {
      const int count = layouts_of(&all.model, WORLDS[w], list);
      assert_true(count > 0);
      for (int i = 0; i < count; i++) {
        if (list[i].micro_batches > list[i].pipeline || (gpu && (i % 5 || WORLDS[w] == 8))) continue;
        char name[NAME_ROOM];
        layout_name(list[i], name);
        trial t = request(list[i], gpu > 0);
        run(&t);
        const double error = hd_compare(gradient, HD_F32, right, parameters);
        if (!(error < 1e-4)) fail_msg("%s: gradient off by %g", name, error);
        for (int k = 0; k < STEPS; k++)
          if (!(fabs(gpt_task_loss(&task, k) / losses[k] - 1) < 1e-5))
            fail_msg("%s: loss %d is %.9g, not %.9g", name, k, gpt_task_loss(&task, k), losses[k]);
        if (t.memory != layout_memory(&all.model, list[i]))
          fail_msg("%s: %.0f bytes, on paper %.0f", name, t.memory, layout_memory(&all.model, list[i]));
      }
    }
  free(list);
  free(right);
}

// On the CPU; a simulated GPU runs some blocks of a kernel as compiled for counting, which rounds otherwise.
static void stages_change_no_bit(void **state) {
  (void)state;
  double losses[STEPS];
  for (int gpu = 0; gpu < places; gpu++) {
    trial alone = request((layout){1, 1, 1, 8, false}, gpu > 0);
    run(&alone);
    memcpy(kept, gradient, parameters * sizeof *gradient);
    for (int k = 0; k < STEPS; k++) losses[k] = gpt_task_loss(&task, k);
    EACH(w, WORLDS) {
      if (gpu && WORLDS[w] != 3) continue;
      trial t = request((layout){1, 1, WORLDS[w], 8, false}, gpu > 0);
      run(&t);
      for (int k = 0; gpu && k < STEPS; k++)
        assert_true(fabs(gpt_task_loss(&task, k) / losses[k] - 1) < 1e-6);
      if (gpu) continue;
      assert_memory_equal(gradient, kept, parameters * sizeof *gradient);
      for (int k = 0; k < STEPS; k++) assert_true(gpt_task_loss(&task, k) == losses[k]);
    }
  }
}

// Seconds on paper, of a network that the planner knows by its pieces alone.
static void the_paper_is_near_the_run(void **state) {
  (void)state;
  static const layout layouts[] = {{8, 1, 1, 1, false}, {1, 8, 1, 1, false}, {2, 2, 2, 2, false}};
  if (places < 2 || !hd_device_simulated()) skip();
  size_t n;
  const gpt_shape s = {.batch = 8, .length = 64, .width = 512, .heads = 8, .vocabulary = 28, .blocks = 2};
  gpt_task large = gpt_task_new(s, 2, 1, 1);
  network on_paper;
  float *theta = new_parameters(&s, &n);
  const problem p = gpt_problem(&large, theta, &on_paper);
  static machine on;
  setenv("CUSIM_EXECUTE", "sampled", 1);  // too large to compute, and only the time counts
  assert_int_equal(probe(&on, &p, true, 8, 8, 1), 0);
  EACH(i, layouts) {
    const double seconds = layout_seconds(&on, &p.model, layouts[i]);
    trial t = {.problem = &p, .layout = layouts[i], .on_gpu = true, .threads = 1, .timed_steps = 1};
    run(&t);
    if (!(fabs(seconds / t.step_s - 1) < 0.05))
      fail_msg("layout %zu: %g s, on paper %g s", i, t.step_s, seconds);
  }
  unsetenv("CUSIM_EXECUTE");
  gpt_task_free(&large);
  free(theta);
}

static void a_failing_rank_is_an_error(void **state) {
  (void)state;
  static const layout layouts[] = {{4, 1, 1, 2, false}, {1, 4, 1, 2, false}, {1, 1, 4, 8, false}};
  EACH(i, layouts) assert_faults_are_errors(request(layouts[i], false), run_layout, 2, 2, "layout", i);
}

// ---------------------------------------------------------------- the twin, and tied weights

// The twin's gradient against central differences of its own loss, along random directions.
static void twin_follows_its_own_loss(void **state) {
  (void)state;
  for (int tied = 0; tied < 2; tied++) {
    gpt_shape s = {
        .batch = 2, .length = 5, .width = 6, .heads = 3, .vocabulary = 7, .blocks = 2, .tied = tied};
    size_t n;
    float *theta = new_parameters(&s, &n);
    double *at = hd_reference_widened(theta, n), *g = hd_reference_zeros(n), *moved = hd_reference_zeros(n);
    int32_t tokens[10] = {0, 1, 2, 3, 4, 5, 6, 0, 2, 2}, targets[10] = {1, 2, 3, 4, 5, 6, 0, 2, 2, 1};
    gpt_reference(&s, at, tokens, targets, g, NULL);
    for (uint64_t d = 0; d < 4; d++) {
      const double h = 1e-6;
      double slope = 0, loss[2];
      for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < n; i++) moved[i] = at[i] + (side ? h : -h) * (double)hd_random_normal(2, d, i);
        loss[side] = gpt_reference(&s, moved, tokens, targets, NULL, NULL);
      }
      for (size_t i = 0; i < n; i++) slope += g[i] * (double)hd_random_normal(2, d, i);
      const double rise = (loss[1] - loss[0]) / (2 * h);
      if (!(fabs(rise - slope) < 1e-5 * fmax(1, fabs(slope))))
        fail_msg("tied %d, direction %d: %.9g, by differences %.9g", tied, (int)d, slope, rise);
    }
    free(theta);
    free(at);
    free(g);
    free(moved);
  }
}

static void tied_weights_get_both_gradients(void **state) {
  (void)state;
  gpt_shape s = {
      .batch = 3, .length = 5, .width = 8, .heads = 2, .vocabulary = 101, .blocks = 2, .tied = true};
  size_t n;
  float *theta = new_parameters(&s, &n), *found = malloc(n * sizeof *found);
  double *at = hd_reference_widened(theta, n), *g = hd_reference_zeros(n);
  int32_t tokens[15], targets[15];
  for (int i = 0; i < 15; i++) tokens[i] = 7 * i % 101, targets[i] = 31 * i % 101;
  const double right = gpt_reference(&s, at, tokens, targets, g, NULL);
  const gpt_part whole = gpt_whole(&s);
  hd_layer list[32];
  for (int gpu = 0; gpu < places; gpu++) {
    hd_ops *o = hd_ops_open(gpu > 0, NULL);
    hd_net *net = hd_net_new(o, list, gpt_layers(&s, &whole, list), s.batch, true, HD_F32);
    hd_net_set(net, theta);
    int32_t *x = o->alloc(o, sizeof tokens), *labels = o->alloc(o, sizeof targets);
    o->upload(o, x, tokens, sizeof tokens);
    o->upload(o, labels, targets, sizeof targets);
    for (int add = 0; add < 2; add++) {
      double loss;
      hd_net_gradient(net, HD_TOKEN_LOSS, x, labels, s.batch, 0.5f / 15, add, NULL, NULL);
      hd_net_result(net, HD_TOKEN_LOSS, s.batch, &loss, NULL);
      assert_true(fabs(loss / 15 / right - 1) < 1e-6);
    }
    o->download(o, found, net->gradient, n * sizeof *found);  // two halves
    assert_true(hd_compare(found, HD_F32, g, n) < 1e-5);
    o->free(o, x, sizeof tokens);
    o->free(o, labels, sizeof targets);
    hd_net_free(net);
    o->close(o);
  }
  free(theta);
  free(found);
  free(at);
  free(g);
}

// ---------------------------------------------------------------- inference

static int32_t prompts[24 * 6], text[24 * 6], expected_text[24 * 6];

static generation asked(int replicas, int shares, bool cached, bool on_gpu) {
  memset(text, 0xff, sizeof text);
  for (int i = 0; i < 24 * 6; i++) prompts[i] = i % 6 < 2 ? i % TEXT_SYMBOLS : 0;
  return (generation){.shape = &small,
                      .theta = initial,
                      .prompts = prompts,
                      .given = 2,
                      .cached = cached,
                      .replicas = replicas,
                      .shares = shares,
                      .on_gpu = on_gpu,
                      .threads = 1,
                      .text = text};
}

static void write_text(generation g) {
  if (generate(&g)) fail_msg("%s", hd_comm_error_text());
}

static void every_way_writes_the_same(void **state) {
  (void)state;
  write_text(asked(1, 1, false, false));
  memcpy(expected_text, text, sizeof text);
  int written = 0;
  for (int i = 0; i < 24 * 6; i++) written += text[i] != prompts[i];
  assert_true(written > 24);
  for (int gpu = 0; gpu < places; gpu++) EACH(w, WORLDS) for (int cached = gpu; cached < 2; cached++) {
      if (gpu && WORLDS[w] > 3) continue;
      write_text(asked(WORLDS[w], 1, cached, gpu > 0));
      assert_memory_equal(text, expected_text, sizeof text);
      write_text(asked(1, WORLDS[w], cached, gpu > 0));
      assert_memory_equal(text, expected_text, sizeof text);
    }
  write_text(asked(2, 3, true, false));
  assert_memory_equal(text, expected_text, sizeof text);
}

// What is kept besides parameters does not grow with the blocks; for a backward pass it would, and with every
// pass that keeps it.
static void inference_keeps_nothing(void **state) {
  (void)state;
  double besides[2], kept_bytes[2];
  for (int i = 0; i < 2; i++) {
    gpt_shape s = small;
    size_t n;
    s.blocks = i ? 8 : 2;
    float *theta = new_parameters(&s, &n);
    for (int keeps = 0; keeps < 2; keeps++) {
      generation g = asked(1, 1, false, false);
      g.shape = &s;
      g.theta = theta;
      g.keeps = keeps;
      write_text(g);
      if (generate(&g)) fail_msg("%s", hd_comm_error_text());
      (keeps ? kept_bytes : besides)[i] = g.memory - 4 * (double)n * (keeps ? 2 : 1);
    }
    free(theta);
  }
  assert_true(besides[0] == besides[1]);
  assert_true(kept_bytes[0] > 4 * besides[0]);
  assert_true(kept_bytes[1] > 3 * kept_bytes[0]);
}

static void a_failing_rank_ends_the_text(void **state) {
  (void)state;
  for (int shares = 1; shares <= 4; shares += 3)
    for (int fault = ONE_DIES; fault <= ONE_CALLS_OTHERS; fault++) {
      generation g = asked(4 / shares, shares, true, false);
      g.fault = (enum generation_fault)fault;
      g.deadline_s = 20;
      assert_int_equal(generate(&g), -1);
      assert_error_names(-1, "shares", (size_t)shares, fault);
    }
}

// ---------------------------------------------------------------- the text

static void text_is_that_of_its_grammar(void **state) {
  (void)state;
  enum { COUNT = 400 };
  int32_t *one = text_new(COUNT, 1), *other = text_new(COUNT, 2), *longer = text_new(2 * COUNT, 1);
  assert_memory_equal(one, longer, COUNT * sizeof *one);
  assert_memory_not_equal(one, other, COUNT * sizeof *one);
  for (int i = 0; i < COUNT; i++) assert_true(one[i] >= 0 && one[i] < TEXT_SYMBOLS);
  char start[5] = {0};
  for (int i = 0; i < 4; i++) start[i] = text_letter(one[i]);
  assert_string_equal(start, "the ");
  assert_true(text_entropy() > 0.2 && text_entropy() < log(TEXT_SYMBOLS));
  free(one);
  free(other);
  free(longer);
}

int main(int argc, char **argv) {
  if (argc > 1) cmocka_set_test_filter(argv[1]);
  setenv("CUSIM_DEVICES", "8", 0);  // a GPU for each rank
  places += hd_device_count() > 0;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(text_is_that_of_its_grammar),
      cmocka_unit_test(twin_follows_its_own_loss),
      cmocka_unit_test(tied_weights_get_both_gradients),
      cmocka_unit_test(every_layout_trains_as_the_twin_does),
      cmocka_unit_test(stages_change_no_bit),
      cmocka_unit_test(the_paper_is_near_the_run),
      cmocka_unit_test(every_way_writes_the_same),
      cmocka_unit_test(inference_keeps_nothing),
      cmocka_unit_test(a_failing_rank_is_an_error),
      cmocka_unit_test(a_failing_rank_ends_the_text),
  };
  return cmocka_run_group_tests(tests, open_task, close_task);
}
