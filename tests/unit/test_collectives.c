// SPDX-License-Identifier: MIT
// Lesson 18's all-reduces: right and equal on all ranks, on CPU ranks, on GPUs and by NCCL; the messages,
// bytes and virtual times of the formulas; an error with names when a rank fails.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs the first four headers above before it
#include <cmocka.h>
#include <heddle/clock.h>
#include <heddle/device.h>
#include <heddle/random.h>
#include <heddle/stats.h>
#include <kernels/nn/ops.h>
#include <lessons/18-collectives/collectives.h>
#include <math.h>
#include <stdio.h>

#include "backends.h"
#include "faults.h"

enum { MOST_WORLD = 8, COUNT = 3 * 8 * 50, LONG = 1 << 22 };
static const int WORLDS[] = {1, 2, 3, 4, 8};
#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

static const struct {
  const char *name;
  algorithm *run;
} algorithms[] = {{"naive", all_reduce_naive},
                  {"tree", all_reduce_tree},
                  {"doubling", all_reduce_doubling},
                  {"ring", all_reduce_ring},
                  {"hierarchical", all_reduce_hierarchical},
                  {"library", all_reduce_library}};

static trial request(algorithm *run, enum hd_backend backend, int world, size_t count, float *sum) {
  memset(sum, 0xff, count * sizeof *sum);
  return (trial){.run = run, .backend = backend, .world = world, .count = count, .sum = sum};
}

static void run_well(trial *t, const char *name) {
  if (run_trial(t))
    fail_msg("%s, backend %d, world %d: %s", name, (int)t->backend, t->world, hd_comm_error_text());
}

static void every_sum_is_exact(void **state) {
  (void)state;
  static const size_t COUNTS[] = {1, 2, 5, 1009};
  float sum[1009];
  for (size_t b = 0; b < backend_count; b++) EACH(a, algorithms) EACH(w, WORLDS) EACH(n, COUNTS) {
      trial t = request(algorithms[a].run, backends[b], WORLDS[w], COUNTS[n], sum);
      run_well(&t, algorithms[a].name);
      for (size_t i = 0; i < COUNTS[n]; i++)
        if (sum[i] != contribution(0, 1, i))
          fail_msg("%s, backend %zu, %d ranks, %zu floats: sum %zu is %g, not %g", algorithms[a].name, b,
                   WORLDS[w], COUNTS[n], i, (double)sum[i], (double)contribution(0, 1, i));
    }
  trial wrong = request(all_reduce_power_of_two, HD_COMM_THREADS, 3, 5, sum);
  run_well(&wrong, "power of two");
  for (int i = 0; i < 5; i++) assert_true(isnan(sum[i]));  // ranks differ
}

// Real numbers: whoever adds in rank order has the serial sum's bits, the ring has not; all ranks agree.
static void the_order_of_addition_shows(void **state) {
  (void)state;
  float *input = malloc(sizeof *input * MOST_WORLD * COUNT), sum[COUNT], serial[COUNT];
  hd_fill_normal(input, (size_t)MOST_WORLD * COUNT, 7, 0);
  for (size_t b = 0; b < backend_count; b++) EACH(a, algorithms) EACH(w, WORLDS) {
      const int world = WORLDS[w];
      memcpy(serial, input, sizeof serial);
      for (int r = 1; r < world; r++)
        for (size_t i = 0; i < COUNT; i++) serial[i] += input[(size_t)r * COUNT + i];
      trial t = request(algorithms[a].run, backends[b], world, COUNT, sum);
      t.input = input;
      run_well(&t, algorithms[a].name);
      const bool in_order = algorithms[a].run == all_reduce_naive ||
                            (algorithms[a].run == all_reduce_library && backends[b] != HD_COMM_NCCL);
      const bool same = memcmp(sum, serial, sizeof sum) == 0;
      if (in_order && !same) fail_msg("%s: not the serial sum", algorithms[a].name);
      if (algorithms[a].run == all_reduce_ring && world > 2) assert_false(same);
      for (size_t i = 0; i < COUNT; i++) assert_true(fabsf(sum[i] - serial[i]) <= 1e-5f);
    }
  free(input);
}

static void traffic_is_that_of_the_formulas(void **state) {
  (void)state;
  static const size_t COUNTS[] = {COUNT, 1009};
  float sum[COUNT];
  for (size_t b = 0; b < backend_count; b++) EACH(a, algorithms) EACH(w, WORLDS) EACH(n, COUNTS) {
      if (algorithms[a].run == all_reduce_library) continue;  // held by test_comm
      trial t = request(algorithms[a].run, backends[b], WORLDS[w], COUNTS[n], sum);
      run_well(&t, algorithms[a].name);
      for (int r = 0; r < t.world; r++) {
        const hd_traffic paper = sent_on_paper(t.run, r, t.world, t.count);
        if (paper.messages != t.sent[r].messages || paper.bytes != t.sent[r].bytes)
          fail_msg("%s: rank %d of %d sent %lu messages, %lu bytes; on paper %lu, %lu", algorithms[a].name, r,
                   t.world, (unsigned long)t.sent[r].messages, (unsigned long)t.sent[r].bytes,
                   (unsigned long)paper.messages, (unsigned long)paper.bytes);
        const uint64_t others = (uint64_t)t.world - 1, bytes = t.count * sizeof(float);
        if (t.count == COUNT && (t.run == all_reduce_ring || t.run == all_reduce_hierarchical))
          assert_int_equal(t.sent[r].bytes, 2 * others * bytes / (uint64_t)t.world);
        if (t.run == all_reduce_ring) assert_int_equal(t.sent[r].messages, 2 * others);
        if (t.run == all_reduce_naive) assert_int_equal(t.sent[r].bytes, (r ? t.world > 1 : others) * bytes);
      }
    }
}

// ---------------------------------------------------------------- failures

static void failures_are_named(void **state) {
  (void)state;
  static const char *const FAULTS[] = {"does all", "dies", "stalls", "calls a broadcast", "has another size"};
  float sum[COUNT];
  for (size_t b = 0; b < backend_count; b++) EACH(a, algorithms) {
      double good_s = 0;
      for (enum fault fault = NO_FAULT; fault <= OTHER_SIZE; fault++) {
        trial t = request(algorithms[a].run, backends[b], 3, COUNT, sum);
        t.fault = fault;
        t.faulty = 1;
        t.deadline_s = deadline_s(fault == STALLS, good_s);
        const double start = hd_wall();
        const bool failed = run_trial(&t) != 0;
        if (failed != (fault != NO_FAULT)) fail_msg("%s: a rank %s", algorithms[a].name, FAULTS[fault]);
        const double took = hd_wall() - start;
        if (fault == NO_FAULT) good_s = took;
        const char *text = hd_comm_error_text();
        if (fault != NO_FAULT && (!strstr(text, "rank 1") || !strchr(text, '#')))
          fail_msg("%s: a rank %s: %s", algorithms[a].name, FAULTS[fault], text);
        if (fault != STALLS && took > 10)
          fail_msg("%s: a rank %s: too late", algorithms[a].name, FAULTS[fault]);
      }
    }
}

// ---------------------------------------------------------------- the virtual clock

static void fits_find_the_line(void **state) {
  (void)state;
  const double bytes[] = {4, 1024, 65536, 1 << 26};
  double seconds[4], alpha, rate;
  EACH(i, bytes) seconds[i] = 3e-6 + bytes[i] / 5e9;
  hd_fit_alpha_beta(bytes, seconds, 4, &alpha, &rate);
  assert_true(fabs(alpha / 3e-6 - 1) < 1e-9 && fabs(rate / 5e9 - 1) < 1e-9);
  hd_fit_alpha_beta(bytes, seconds, 1, &alpha, &rate);
  assert_true(isnan(alpha) && isnan(rate));
}

#if HD_HAVE_CUDA

// NVLink 4 as the simulator has it, and how long the host needs before the first copy starts:
// docs/cusim-model.md.
static const double ALPHA_S = 1.9e-6, BYTES_PER_S = 0.82 * 450e9, LAUNCH_S = 2.5e-6;

// How long a rank adds `count` floats.
static double addition(size_t count) {
  hd_ops *o = hd_ops_cuda(NULL);
  float *x = o->alloc(o, count * sizeof *x), *y = o->alloc(o, count * sizeof *y);
  double seconds = 0;
  for (int i = 0; i < 2; i++) {  // from the second one on the host is ahead of the device
    o->synchronize(o);
    o->timer_start(o);
    for (int k = 0; k < 8; k++) o->axpy(o, 1, x, y, count);
    seconds = o->timer_stop(o) / 8;
  }
  o->free(o, x, count * sizeof *x);
  o->free(o, y, count * sizeof *y);
  o->close(o);
  return seconds;
}

static int log2_up(int n) {
  return n > 1 ? 1 + log2_up((n + 1) / 2) : 0;
}

// Additions one after the other on the way to the result.
static double additions(algorithm *run, int world) {
  const int g = ranks_per_node(world), n = world;
  if (run == all_reduce_naive) return (n - 1) * addition(LONG);
  if (run == all_reduce_tree || run == all_reduce_doubling) return log2_up(n) * addition(LONG);
  if (run == all_reduce_ring) return (n - 1) * addition(LONG / (size_t)n);
  return (g - 1) * addition(LONG / (size_t)g) + (n / g - 1) * addition(LONG / (size_t)n);
}

static void times_are_those_of_the_formulas(void **state) {
  (void)state;
  if (!hd_device_simulated()) skip();
  float *sum = malloc(LONG * sizeof *sum);
  setenv("CUSIM_EXECUTE", "sampled", 1);  // times do not depend on values
  for (size_t a = 0; a + 1 < sizeof algorithms / sizeof algorithms[0]; a++)
    for (size_t w = 1; w < sizeof WORLDS / sizeof WORLDS[0]; w++) {
      trial t = request(algorithms[a].run, HD_COMM_CUDA, WORLDS[w], LONG, sum);
      t.repeats = 1;
      run_well(&t, algorithms[a].name);
      const double paper =
          LAUNCH_S + links_on_paper(t.run, t.world, LONG, ALPHA_S, BYTES_PER_S) + additions(t.run, t.world);
      if (!(fabs(t.seconds / paper - 1) <= 0.02))
        fail_msg("%s on %d GPUs: %.2f µs, on paper %.2f", algorithms[a].name, t.world, t.seconds * 1e6,
                 paper * 1e6);
      assert_true(t.seconds > fastest_on_paper(t.world, LONG, ALPHA_S, BYTES_PER_S));
    }
#if HD_HAVE_NCCL
  trial t = request(all_reduce_library, HD_COMM_NCCL, 4, LONG, sum);
  t.repeats = 1;
  run_well(&t, "NCCL");
  const double links = links_on_paper(all_reduce_ring, 4, LONG, ALPHA_S, BYTES_PER_S);
  assert_true(fabs(t.seconds / (LAUNCH_S + links) - 1) <= 0.02);
#endif
  unsetenv("CUSIM_EXECUTE");
  free(sum);
}

static void the_link_is_found(void **state) {
  (void)state;
  if (!hd_device_simulated()) skip();
  double alpha, rate;
  hd_device_link(&alpha, &rate);
  assert_true(fabs(alpha / ALPHA_S - 1) < 0.02);
  assert_true(fabs(rate / BYTES_PER_S - 1) < 0.02);
}

#endif

int main(void) {
  setenv("CUSIM_DEVICES", "8", 1);
  setenv("CUSIM_CARD", "h200", 1);
  unsetenv("CUSIM_LINK");
  find_backends(true);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_sum_is_exact),
    cmocka_unit_test(the_order_of_addition_shows),
    cmocka_unit_test(traffic_is_that_of_the_formulas),
    cmocka_unit_test(failures_are_named),
    cmocka_unit_test(fits_find_the_line),
#if HD_HAVE_CUDA
    cmocka_unit_test(times_are_those_of_the_formulas),
    cmocka_unit_test(the_link_is_found),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
