// SPDX-License-Identifier: MIT
// Sharded data parallelism: bitwise the same parameters whatever is sharded or computed again, on CPU ranks
// and on GPUs; bytes kept and sent as the formulas say, to the byte; and an error, never a hang, when a rank
// fails.
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
#include <lessons/26-sharding/rank.h>
#include <lessons/26-sharding/sharding.h>
#include <math.h>

#include "faults.h"

// Primes: neither a layer's 37·38 parameters nor the rows divide by the number of ranks.
enum { WIDTH = 37, ROWS = 29, STEPS = 3, MOST_WORLD = 8 };
static const int WORLDS[] = {1, 2, 3, 4, 8};
#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

static const strategy *const strategies[] = {&replicated, &zero_1, &zero_2, &zero_3, &prefetched};
static const int CUTS[] = {ALL_KEPT, 1, 3, 4};  // 3 leaves a shorter last segment

static enum place places[2] = {ON_CPU};
static size_t place_count = 1;

static problem task;
static float *theta, *expected;
static size_t parameters;

static int open_task(void **state) {
  (void)state;
  parameters = LAYERS * layer_parameters(WIDTH);
  task = (problem){.width = WIDTH,
                   .rows = ROWS,
                   .input = hd_new_normal(ROWS * WIDTH, 1, 0, 1),
                   .target = hd_new_normal(ROWS * WIDTH, 1, 1, 1),
                   .initial = hd_new_normal(parameters, 1, 2, 0.25f)};
  theta = malloc(parameters * sizeof *theta);
  expected = malloc(parameters * sizeof *expected);
  return 0;
}

static int close_task(void **state) {
  (void)state;
  free((void *)task.input);
  free((void *)task.target);
  free((void *)task.initial);
  free(theta);
  free(expected);
  return 0;
}

static trial request(const strategy *s, enum place place, int world) {
  memset(theta, 0xff, parameters * sizeof *theta);
  return (trial){.problem = &task,
                 .strategy = s,
                 .place = place,
                 .world = world,
                 .threads = 1,
                 .checked_steps = STEPS,
                 .theta = theta};
}

static void run(trial *t) {
  if (run_ranks(t)) fail_msg("%s", hd_comm_error_text());
}

// ---------------------------------------------------------------- results

static hd_ops *open_ops(enum place place) {
#if HD_HAVE_CUDA
  if (place == ON_GPU) {
    hd_device_select(0);
    return hd_ops_cuda(NULL);
  }
#endif
  (void)place;
  return hd_ops_cpu();
}

// The serial twin: one device computes the gradient of each share of the batch in turn, adds them up in the
// order of the ranks, and takes whole steps of Adam. No communicator, no shards.
static void serial_steps(enum place place, int shares) {
  trial t = request(&replicated, place, shares);
  rank *share[MOST_WORLD];
  for (int i = 0; i < shares; i++) share[i] = rank_open(&t, NULL, i, open_ops(place));
  rank *r = share[0];
  hd_ops *o = r->ops;
  const size_t n = r->padded, layer = layer_parameters(WIDTH);
  for (int step = 0; step < STEPS; step++) {
    for (int i = 0; i < shares; i++) {
      for (int v = 0; v < r->visits; v++)
        rank_visit(share[i], r->walk[v], r->theta + (size_t)r->walk[v].layer * n);
      share[i]->ops->synchronize(share[i]->ops);
      if (i > 0) o->axpy(o, 1, share[i]->gradient, r->gradient, LAYERS * n);
    }
    for (int l = 0; l < LAYERS; l++)
      hd_optimizer_step(r->optimizer[l], r->theta + (size_t)l * n, r->gradient + (size_t)l * n, RATE, 1);
    o->synchronize(o);
  }
  for (size_t l = 0; l < LAYERS; l++)
    o->download(o, expected + l * layer, r->theta + l * n, layer * sizeof(float));
  for (int i = 0; i < shares; i++) rank_close(share[i]);
}

static void assert_expected(const float *found, const char *what, size_t which, int cut, int world) {
  if (memcmp(found, expected, parameters * sizeof *found) != 0)
    fail_msg("%s: strategy %zu, checkpoints every %d layers, %d ranks: other parameters", what, which, cut,
             world);
}

static void all_are_bitwise_the_serial_twin(void **state) {
  (void)state;
  for (size_t at = 0; at < place_count; at++) EACH(w, WORLDS) {
      const int world = WORLDS[w];
      serial_steps(places[at], world);
      EACH(s, strategies) EACH(k, CUTS) {
        if (places[at] == ON_GPU && CUTS[k] != ALL_KEPT && CUTS[k] != 3) continue;
        const strategy how = checkpointed(*strategies[s], CUTS[k]);
        float *copy[MOST_WORLD];
        for (int r = 0; r < world; r++) copy[r] = malloc(parameters * sizeof(float));
        trial t = request(&how, places[at], world);
        t.copy = copy;
        run(&t);
        assert_expected(theta, "shards", s, CUTS[k], world);
        for (int r = 0; r < world; r++) {
          if (!how.shards_parameters) assert_expected(copy[r], "a rank's copy", s, CUTS[k], world);
          free(copy[r]);
        }
      }
    }
}

static void assert_update(bool right, double limit) {
  double *update = malloc(parameters * sizeof *update);
  float *found = malloc(parameters * sizeof *found);
  reference_update(&task, STEPS, update);
  for (size_t i = 0; i < parameters; i++) found[i] = theta[i] - task.initial[i];
  const double error = hd_compare(found, HD_F32, update, parameters);
  if (right ? !(error < limit) : !(error > limit)) fail_msg("an error of %g", error);
  free(update);
  free(found);
}

static void results_are_right_and_mistakes_are_not(void **state) {
  (void)state;
  for (size_t at = 0; at < place_count; at++) {
    trial t = request(&zero_3, places[at], 3);
    run(&t);
    assert_update(true, 1e-2);
  }
  static const strategy *const mistakes[] = {&wrong_stale, &wrong_one_buffer};
  EACH(m, mistakes) {
    trial t = request(mistakes[m], ON_CPU, 2);
    run(&t);
    assert_update(false, 0.1);
  }
}

// More ranks than rows: those without rows have their shards all the same.
static void ranks_without_rows_take_part(void **state) {
  (void)state;
  const problem whole = task;
  task.rows = 5;
  for (size_t at = 0; at < place_count; at++) {
    serial_steps(places[at], 8);
    EACH(s, strategies) {
      trial t = request(strategies[s], places[at], 8);
      run(&t);
      assert_expected(theta, "5 rows", s, ALL_KEPT, 8);
    }
  }
  task = whole;
}

// ---------------------------------------------------------------- bytes

static double sum(bytes_kept b) {
  return b.parameters + b.gradient + b.optimizer + b.activations;
}

static void bytes_are_those_of_the_formulas(void **state) {
  (void)state;
  for (size_t at = 0; at < place_count; at++) EACH(w, WORLDS) EACH(s, strategies) EACH(k, CUTS) {
      if (places[at] == ON_GPU && WORLDS[w] % 3 == 2) continue;
      const int world = WORLDS[w];
      const strategy how = checkpointed(*strategies[s], CUTS[k]);
      trial t = request(&how, places[at], world);
      t.checked_steps = 0;
      t.timed_steps = 1;
      run(&t);
      const hd_traffic sent = traffic_formula(&how, WIDTH, world);
      const double kept = sum(bytes_formula(&how, WIDTH, (ROWS + world - 1) / world, world));
      if (t.memory != kept || t.bytes != (double)sent.bytes || t.messages != (double)sent.messages)
        fail_msg("strategy %zu, every %d, %d ranks: keeps %.0f B, not %.0f; sends %.0f B, not %.0f", s,
                 CUTS[k], world, t.memory, kept, t.bytes, (double)sent.bytes);
    }
}

// The formulas themselves, where they are round: 16 bytes a parameter, and what ZeRO's paper says of it.
static void formulas_are_those_of_the_paper(void **state) {
  (void)state;
  const long width = 255;  // 255·256 parameters a layer: 2040 lines, and 8 divides them
  const double psi = LAYERS * (double)layer_parameters(width), layer = psi / LAYERS;
  EACH(w, WORLDS) {
    const int n = WORLDS[w];
    if (n == 3) continue;
    const bytes_kept all = bytes_formula(&replicated, width, 8, n), one = bytes_formula(&zero_1, width, 8, n),
                     two = bytes_formula(&zero_2, width, 8, n), three = bytes_formula(&zero_3, width, 8, n);
    assert_true(sum(all) - all.activations == 16 * psi);
    assert_true(sum(one) - one.activations == 8 * psi + 8 * psi / n);
    assert_true(sum(two) - two.activations == 4 * psi + 12 * psi / n + 4 * layer);
    assert_true(sum(three) - three.activations == 16 * psi / n + 8 * layer);
    const uint64_t once = traffic_formula(&replicated, width, n).bytes;
    assert_true((double)once == 2.0 * (n - 1) / n * 4 * psi);
    assert_true(traffic_formula(&zero_2, width, n).bytes == once);
    assert_true(2 * traffic_formula(&zero_3, width, n).bytes == 3 * once);
  }
  // Of L layers with every k-th kept, L/k + 2k matrices: least at k = √(L/2), and never less than 2√(2L).
  double least = INFINITY;
  int best = 0;
  for (int k = 1; k <= LAYERS; k++) {
    const strategy how = checkpointed(replicated, k);
    const double kept = bytes_formula(&how, width, 8, 1).activations;
    if (kept < least) best = k;
    least = fmin(least, kept);
  }
  assert_in_range(best, 2, 4);
  assert_true(least >= (2 * sqrt(2 * LAYERS) + 3) * 32 * (double)width);
  assert_true(least < bytes_formula(&replicated, width, 8, 1).activations / 2);
}

// ---------------------------------------------------------------- time, on the simulator's virtual clock

// The time a rank waits for parameters in one step of width `width` on `world` GPUs.
static double waited(const strategy *s, long width, int world, double *step_s) {
  const problem small = task;
  const size_t count = LAYERS * layer_parameters(width), n = (size_t)(512 * width);
  task = (problem){.width = width,
                   .rows = 512,
                   .input = hd_new_normal(n, 1, 0, 1),
                   .target = hd_new_normal(n, 1, 1, 1),
                   .initial = hd_new_normal(count, 1, 2, 0.06f)};
  double *span[MOST_WORLD], most = 0;
  for (int r = 0; r < world; r++) span[r] = calloc(SPANS, sizeof(double));
  trial t = {.problem = &task,
             .strategy = s,
             .place = ON_GPU,
             .world = world,
             .threads = 1,
             .timed_steps = 1,
             .span = span};
  run(&t);
  for (int r = 0; r < world; r++) {
    double here = 0;
    for (int i = 0; i < 2 * LAYERS; i++) here += span[r][3 * i + 1] - span[r][3 * i];
    most = fmax(most, here);
    free(span[r]);
  }
  *step_s = t.step_s;
  free((void *)task.input);
  free((void *)task.target);
  free((void *)task.initial);
  task = small;
  return most;
}

// NVLink 4 of an H200 as the simulator has it: docs/cusim-model.md.
static const double ALPHA_S = 1.9e-6, BYTES_PER_S = 0.82 * 450e9;

static void gathers_take_the_formulas_time_unless_hidden(void **state) {
  (void)state;
  if (place_count < 2 || !hd_device_simulated()) skip();
  enum { LARGE = 512, P = 3 };
  double step_s, hidden_step_s;
  const double shard = 4.0 * (double)shard_length(LARGE, P);
  const double gather_s = (P - 1) * (ALPHA_S + shard / BYTES_PER_S);
  const double open = waited(&zero_3, LARGE, P, &step_s),
               hidden = waited(&prefetched, LARGE, P, &hidden_step_s);
  // A gather also copies the rank's own shard within its memory.
  const double own_s = 2e-6;
  if (!(open >= 2 * LAYERS * gather_s && open < 2 * LAYERS * (gather_s + own_s)))
    fail_msg("%g s for gathers, by formula %g", open, 2 * LAYERS * gather_s);
  if (!(hidden < open / 2 && hidden_step_s < step_s)) fail_msg("%g s are hidden of %g", open - hidden, open);
}

// ---------------------------------------------------------------- failures

static void a_failing_rank_is_an_error(void **state) {
  (void)state;
  for (size_t at = 0; at < place_count; at++) EACH(s, strategies)
  assert_faults_are_errors(request(strategies[s], places[at], 3), run_ranks, 1, 1, "strategy", s);
}

int main(void) {
  setenv("CUSIM_DEVICES", "8", 0);  // a GPU for each rank
  if (hd_device_count() > 0) places[place_count++] = ON_GPU;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_are_bitwise_the_serial_twin),
      cmocka_unit_test(results_are_right_and_mistakes_are_not),
      cmocka_unit_test(ranks_without_rows_take_part),
      cmocka_unit_test(bytes_are_those_of_the_formulas),
      cmocka_unit_test(formulas_are_those_of_the_paper),
      cmocka_unit_test(gathers_take_the_formulas_time_unless_hidden),
      cmocka_unit_test(a_failing_rank_is_an_error),
  };
  return cmocka_run_group_tests(tests, open_task, close_task);
}
