// SPDX-License-Identifier: MIT
// Operator parallelism: plans on paper against their bounds and against all plans there are; the same
// gradient wherever operations run, bitwise; the run against the paper; and an error, never a hang, when a
// rank fails.
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
#include <lessons/25-operator-parallel/run.h>
#include <math.h>
#include <stdio.h>

#include "faults.h"

enum { WIDTH = 17, ROWS = 11 };
static const int WORLDS[] = {1, 2, 3, 4, 8};
#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

typedef plan plan_maker(const graph *g, int devices);
static plan_maker *const makers[] = {plan_round_robin, plan_greedy, plan_critical_path, plan_exhaustive};
enum { ROUND_ROBIN, GREEDY, CRITICAL_PATH, EXHAUSTIVE };

// ---------------------------------------------------------------- on paper

// Whole seconds, so that sums are exact. every_one: each operation is a group of its own.
static graph random_graph(uint64_t seed, int count, bool every_one, double latency) {
  graph g = {.latency = latency, .bandwidth = 4};
  for (int i = 0; i < count; i++) {
    const hd_random4 r = hd_philox(seed, 0, (uint64_t)i);
    graph_add(&g, every_one ? i : (int)(r.v[0] % 6), 1 + r.v[1] % 7, r.v[2] % 9);
    for (int from = 0; from < i && g.ops[i].inputs < 3; from++)
      if (hd_philox(seed, 1, (uint64_t)(i * count + from)).v[0] % 3 == 0) graph_input(&g, i, from);
  }
  return g;
}

static void assert_legal(const graph *g, const plan *p) {
  double at[MOST_OPS], free_at[MOST_DEVICES] = {0};
  bool done[MOST_OPS] = {false};
  for (int i = 0; i < g->count; i++) {
    const int n = p->order[i];
    const operation *o = &g->ops[n];
    assert_true(!done[n] && p->device[n] >= 0 && p->device[n] < p->devices);
    assert_true(p->start[n] >= free_at[p->device[n]]);
    for (int k = 0; k < o->inputs; k++) {
      const int from = o->input[k];
      assert_true(done[from]);
      assert_true(p->start[n] >= at[from] + (p->device[from] == p->device[n] ? 0 : graph_copy(g, from)));
    }
    for (int j = 0; j < g->count; j++)
      if (g->ops[j].group == o->group) assert_int_equal(p->device[j], p->device[n]);
    done[n] = true;
    at[n] = free_at[p->device[n]] = p->start[n] + o->seconds;
    assert_true(p->end[n] == at[n]);
  }
  assert_true(p->makespan >= plan_lower_bound(g, p->devices) * (1 - 1e-12));  // sums are rounded
}

static void plans_are_legal_and_bounded(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 40; seed++) EACH(w, WORLDS) {
      const graph g = random_graph(seed, 5 + (int)seed % 20, false, (double)(seed % 3));
      plan p[4];
      EACH(m, makers) {
        p[m] = makers[m](&g, WORLDS[w]);
        assert_legal(&g, &p[m]);
        if (WORLDS[w] == 1) assert_true(p[m].makespan == graph_work(&g));
      }
      assert_true(p[EXHAUSTIVE].makespan <= p[CRITICAL_PATH].makespan);
      assert_true(p[EXHAUSTIVE].makespan <= p[GREEDY].makespan);
    }
}

// Every order on every device, without copies: the shortest of all.
static double shortest(const graph *g, int devices, double *free_at, double *end, unsigned done,
                       double best) {
  double longest = 0;
  if (done == (1u << g->count) - 1) {
    for (int d = 0; d < devices; d++) longest = fmax(longest, free_at[d]);
    return fmin(best, longest);
  }
  for (int n = 0; n < g->count; n++) {
    double ready = 0;
    bool possible = !(done >> n & 1);
    for (int k = 0; k < g->ops[n].inputs && possible; k++) {
      possible = done >> g->ops[n].input[k] & 1;
      ready = fmax(ready, end[g->ops[n].input[k]]);
    }
    for (int d = 0; possible && d < devices; d++) {
      const double before = free_at[d];
      end[n] = free_at[d] = fmax(before, ready) + g->ops[n].seconds;
      if (end[n] < best) best = shortest(g, devices, free_at, end, done | 1u << n, best);
      free_at[d] = before;
    }
  }
  return best;
}

static void greedy_keeps_grahams_bound(void **state) {
  (void)state;
  int equal = 0, tried = 0;
  for (uint64_t seed = 1; seed <= 30; seed++)
    for (int m = 2; m <= 4; m++) {
      graph large = random_graph(seed, 60, true, 0), small = random_graph(seed, 7, true, 0);
      large.bandwidth = small.bandwidth = 0;
      const double limit = graph_work(&large) / m + (1 - 1.0 / m) * graph_critical_path(&large);
      assert_true(plan_greedy(&large, m).makespan <= limit);
      double free_at[4] = {0}, end[MOST_OPS];
      const double best = shortest(&small, m, free_at, end, 0, INFINITY);
      assert_true(plan_greedy(&small, m).makespan <= (2 - 1.0 / m) * best);
      const plan searched = plan_exhaustive(&small, m);
      assert_legal(&small, &searched);
      assert_true(searched.optimal);
      equal += searched.makespan == best;
      tried++;
    }
  assert_true(tried == 90 && equal == 90);
}

// With copies: all orders on all devices, timed one by one.
static double shortest_plan(const graph *g, plan *p, int count, unsigned done) {
  double best = INFINITY;
  if (count == g->count) {
    plan_time(g, p);
    return p->makespan;
  }
  for (int n = 0; n < g->count; n++) {
    bool possible = !(done >> n & 1);
    for (int k = 0; k < g->ops[n].inputs; k++) possible &= done >> g->ops[n].input[k] & 1;
    for (int d = 0; possible && d < p->devices; d++) {
      p->order[count] = n;
      p->device[n] = d;
      best = fmin(best, shortest_plan(g, p, count + 1, done | 1u << n));
    }
  }
  return best;
}

static void no_plan_is_shorter(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 30; seed++)
    for (int m = 2; m <= 3; m++) {
      const graph g = random_graph(seed, 5, true, (double)(seed % 3));
      plan p = {.devices = m};
      const plan searched = plan_exhaustive(&g, m);
      assert_legal(&g, &searched);
      assert_true(searched.optimal && searched.makespan == shortest_plan(&g, &p, 0, 0));
    }
}

static void nothing_is_left_out_of_the_search(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 30; seed++) {
    const graph g = random_graph(seed, 12, false, (double)(seed % 4));
    const plan found = plan_exhaustive(&g, 3);
    double rank[MOST_OPS];
    graph_ranks(&g, 1, rank);
    int all = 1;
    for (int i = 0; i < g.groups; i++) all *= 3;
    for (int code = 0; code < all; code++) {
      int home[MOST_OPS];
      for (int i = 0, rest = code; i < g.groups; i++, rest /= 3) home[i] = rest % 3;
      plan p = {.devices = 3};
      plan_order(&g, home, rank, &p);
      assert_true(found.makespan <= p.makespan);
    }
  }
}

static void copies_cost_latency_and_bytes(void **state) {
  (void)state;
  graph g = {.latency = 1, .bandwidth = 8};
  for (int i = 0; i < 3; i++) graph_add(&g, i, 2, 32);
  graph_input(&g, 1, 0);
  graph_input(&g, 2, 0);
  plan p = plan_round_robin(&g, 3);
  // 2, then a copy of 1 + 32/8; the second copy leaves after the first.
  assert_true(p.start[1] == 7 && p.start[2] == 12 && p.makespan == 14);
  assert_true(graph_critical_path(&g) == 4 && graph_work(&g) == 6);
  assert_true(plan_exhaustive(&g, 3).makespan == 6);
}

// ---------------------------------------------------------------- runs

static enum place places[2] = {ON_CPU};
static size_t place_count = 1, parameters;
static problem task_of_all;
static network net;
static float *gradient, *expected;

static int open_task(void **state) {
  (void)state;
  parameters = LAYERS * layer_parameters(WIDTH);
  task_of_all = (problem){.width = WIDTH,
                          .rows = ROWS,
                          .input = hd_new_normal(ROWS * WIDTH, 1, 0, 1),
                          .target = hd_new_normal(ROWS * WIDTH, 1, 1, 1),
                          .initial = hd_new_normal(parameters, 1, 2, 0.2f)};
  net = network_of(ROWS, WIDTH);
  gradient = malloc(parameters * sizeof *gradient);
  expected = malloc(parameters * sizeof *expected);
  return 0;
}

static int close_task(void **state) {
  (void)state;
  free((void *)task_of_all.input);
  free((void *)task_of_all.target);
  free((void *)task_of_all.initial);
  free(gradient);
  free(expected);
  return 0;
}

static trial request(const plan *p, enum place place) {
  memset(gradient, 0xff, parameters * sizeof *gradient);
  return (trial){
      .problem = &task_of_all, .net = &net, .plan = p, .place = place, .threads = 1, .gradient = gradient};
}

static void expect_same(const char *what, size_t plan_number, int devices) {
  if (memcmp(gradient, expected, parameters * sizeof *gradient) != 0)
    fail_msg("%s, plan %zu, %d devices: another gradient", what, plan_number, devices);
}

// Every operation adds in an order of its own, so no placement may change any bit.
static void gradients_do_not_depend_on_places(void **state) {
  (void)state;
  for (size_t at = 0; at < place_count; at++) {
    const plan serial = plan_serial(&net.graph);
    trial alone = request(&serial, places[at]);
    assert_int_equal(run_ranks(&alone), 0);
    memcpy(expected, gradient, parameters * sizeof *gradient);
    EACH(w, WORLDS) EACH(m, makers) {
      const plan p = makers[m](&net.graph, WORLDS[w]);
      assert_legal(&net.graph, &p);
      trial t = request(&p, places[at]);
      if (run_ranks(&t)) fail_msg("%s", hd_comm_error_text());
      expect_same(places[at] == ON_CPU ? "CPU ranks" : "GPUs", m, WORLDS[w]);
      if (places[at] == ON_CPU || m == EXHAUSTIVE) continue;
      for (int recorded = 0; recorded < 2; recorded++) {
        trial s = request(&p, ON_GPU);
        s.recorded = recorded;
        run_streams(&s);
        expect_same(recorded ? "recorded streams" : "streams", m, WORLDS[w]);
      }
    }
  }
}

static void gradients_are_right(void **state) {
  (void)state;
  double *right = malloc(parameters * sizeof *right);
  reference_gradient(&task_of_all, right);
  const plan p = plan_critical_path(&net.graph, 3);
  for (size_t at = 0; at < place_count; at++) {
    trial t = request(&p, places[at]);
    assert_int_equal(run_ranks(&t), 0);
    assert_true(hd_compare(gradient, HD_F32, right, parameters) < 1e-4);
  }
  trial wrong = request(&p, ON_CPU);
  wrong.mistake = LAST_READER;
  assert_int_equal(run_ranks(&wrong), 0);
  assert_true(hd_compare(gradient, HD_F32, right, parameters) > 0.1);
  free(right);
}

// What is small is done before the host has issued what reads it: then a forgotten event goes unnoticed.
static void forgotten_events_show_when_kernels_are_long(void **state) {
  (void)state;
  enum { LARGE = 192 };
  if (place_count < 2 || !hd_device_simulated()) skip();
  const size_t count = LAYERS * layer_parameters(LARGE), bytes = count * sizeof(float);
  float *input = hd_new_normal(LARGE * LARGE, 1, 0, 1), *initial = hd_new_normal(count, 1, 2, 0.08f);
  float *found[2];
  const problem large = {.width = LARGE, .rows = LARGE, .input = input, .target = input, .initial = initial};
  const network n = network_of(LARGE, LARGE);
  const plan p = plan_greedy(&n.graph, 4);
  for (int i = 0; i < 2; i++) {
    trial t = request(&p, ON_GPU);
    t.problem = &large;
    t.net = &n;
    t.gradient = found[i] = malloc(bytes);
    t.mistake = i ? NO_EVENTS : NO_MISTAKE;
    run_streams(&t);
  }
  assert_int_not_equal(memcmp(found[0], found[1], bytes), 0);
  free(input);
  free(initial);
  free(found[0]);
  free(found[1]);
}

// One message per result and device that reads it.
static void messages_are_those_of_the_plan(void **state) {
  (void)state;
  for (size_t at = 0; at < place_count; at++) EACH(m, makers) {
      const plan p = makers[m](&net.graph, 4);
      int readers[MOST_DEVICES], copies = 0;
      for (int i = 0; i < net.graph.count; i++) copies += plan_readers(&net.graph, &p, i, readers);
      trial t = request(&p, places[at]);
      t.timed_steps = 1;
      assert_int_equal(run_ranks(&t), 0);
      assert_true(t.messages == copies);
      assert_true(t.bytes == copies * 4.0 * ROWS * WIDTH);
    }
}

// The simulated clock has no noise: a plan takes what it takes on paper with the times of its operations.
static void run_is_the_paper(void **state) {
  (void)state;
  enum { LARGE = 512 };  // so that the GPU is slower than the host that feeds it
  if (place_count < 2 || !hd_device_simulated()) skip();
  const size_t count = LAYERS * layer_parameters(LARGE);
  float *input = hd_new_normal(LARGE * LARGE, 1, 0, 1), *initial = hd_new_normal(count, 1, 2, 0.08f),
        *found = malloc(count * sizeof *found);
  const problem large = {.width = LARGE, .rows = LARGE, .input = input, .target = input, .initial = initial};
  network n = network_of(LARGE, LARGE);
  setenv("CUSIM_EXECUTE", "sampled", 1);  // too large to compute, and only the time counts
  assert_int_equal(probe(&n, &large, ON_GPU, 2, 1), 0);
  static const int devices[] = {2, 3, 4, 8};
  EACH(m, makers) {
    const plan p = makers[m](&n.graph, devices[m]);
    double span[2 * MOST_OPS], end = 0;
    trial t = request(&p, ON_GPU);
    t.problem = &large;
    t.net = &n;
    t.gradient = found;
    t.timed_steps = 1;
    t.span = span;
    assert_int_equal(run_ranks(&t), 0);
    for (int i = 0; i < n.graph.count; i++) end = fmax(end, span[2 * i + 1]);
    if (!(fabs(end / p.makespan - 1) < 0.02)) fail_msg("plan %zu: %g s, on paper %g s", m, end, p.makespan);
  }
  unsetenv("CUSIM_EXECUTE");
  free(input);
  free(initial);
  free(found);
}

static double streams_take(const problem *p, const network *n, int streams, bool recorded) {
  const plan how = streams > 1 ? plan_greedy(&n->graph, streams) : plan_serial(&n->graph);
  trial t = request(&how, ON_GPU);
  t.problem = p;
  t.net = n;
  t.timed_steps = 1;
  t.recorded = recorded;
  t.gradient = malloc(LAYERS * layer_parameters(p->width) * sizeof(float));
  run_streams(&t);
  free(t.gradient);
  return t.step_s;
}

// Issued one by one, small kernels wait for the host, in one stream or in four. Recorded, they wait for each
// other only; and those that fill the GPU gain nothing in either way.
static void streams_gain_what_neither_host_nor_gpu_is_short_of(void **state) {
  (void)state;
  if (place_count < 2 || !hd_device_simulated()) skip();
  setenv("CUSIM_EXECUTE", "sampled", 1);
  double gain[2][2];  // of four streams: small or large kernels, issued or recorded
  for (int large = 0; large < 2; large++) {
    const long width = large ? 512 : 64;
    const size_t count = LAYERS * layer_parameters(width);
    float *input = hd_new_normal((size_t)width * 256, 1, 0, 1), *initial = hd_new_normal(count, 1, 2, 0.08f);
    const problem p = {.width = width, .rows = 256, .input = input, .target = input, .initial = initial};
    network n = network_of(256, width);
    assert_int_equal(probe(&n, &p, ON_GPU, 1, 1), 0);
    for (int recorded = 0; recorded < 2; recorded++)
      gain[large][recorded] = streams_take(&p, &n, 1, recorded) / streams_take(&p, &n, 4, recorded);
    free(input);
    free(initial);
  }
  unsetenv("CUSIM_EXECUTE");
  if (!(gain[0][0] < 1.15 && gain[0][1] > 1.3))
    fail_msg("small kernels: %.2f x issued, %.2f x recorded", gain[0][0], gain[0][1]);
  if (!(gain[1][0] < 1.02 && gain[1][1] < 1.02))
    fail_msg("large kernels: %.2f x issued, %.2f x recorded", gain[1][0], gain[1][1]);
}

static void a_failing_rank_is_an_error(void **state) {
  (void)state;
  for (size_t at = 0; at < place_count; at++) {
    const plan p = plan_critical_path(&net.graph, 3);
    assert_faults_are_errors(request(&p, places[at]), run_ranks, 1, 1, "place", at);
  }
}

int main(void) {
  setenv("CUSIM_DEVICES", "8", 0);    // a GPU for each rank
  setenv("OMP_NUM_THREADS", "1", 0);  // the simulated cuBLAS divides its sums among threads
  if (hd_device_count() > 0) places[place_count++] = ON_GPU;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(plans_are_legal_and_bounded),
      cmocka_unit_test(greedy_keeps_grahams_bound),
      cmocka_unit_test(no_plan_is_shorter),
      cmocka_unit_test(nothing_is_left_out_of_the_search),
      cmocka_unit_test(copies_cost_latency_and_bytes),
      cmocka_unit_test(gradients_do_not_depend_on_places),
      cmocka_unit_test(gradients_are_right),
      cmocka_unit_test(forgotten_events_show_when_kernels_are_long),
      cmocka_unit_test(messages_are_those_of_the_plan),
      cmocka_unit_test(run_is_the_paper),
      cmocka_unit_test(streams_gain_what_neither_host_nor_gpu_is_short_of),
      cmocka_unit_test(a_failing_rank_is_an_error),
  };
  return cmocka_run_group_tests(tests, open_task, close_task);
}
