// SPDX-License-Identifier: MIT
// Lesson 19's Jacobi: bitwise the serial grid for every number of ranks and every way to bring halos, on CPU
// ranks and on GPUs; messages and virtual times of the formulas; an error when a rank fails.
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
#include <kernels/jacobi/jacobi.h>
#include <kernels/nn/ops.h>
#include <lessons/19-halo/halo.h>
#include <math.h>
#include <stdio.h>

#include "faults.h"

enum { COLUMNS = 67, MOST_ROWS = 50 };
static const int WORLDS[] = {1, 2, 3, 4, 8};
#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

static const struct {
  const char *name;
  iteration *run;
} methods[] = {{"copy", halo_copy}, {"peer", halo_peer}, {"overlapped", halo_overlapped}};

static enum place places[2] = {ON_CPU};
static size_t place_count = 1;
static float initial[(MOST_ROWS + 2) * (COLUMNS + 2)], result[MOST_ROWS * COLUMNS],
    serial[MOST_ROWS * COLUMNS];

static trial request(iteration *method, enum place place, int world, long rows) {
  memset(result, 0xff, sizeof result);
  return (trial){.method = method,
                 .place = place,
                 .world = world,
                 .rows = rows,
                 .columns = COLUMNS,
                 .iterations = 7,
                 .initial = initial,
                 .result = result};
}

static void run_well(trial *t, const char *name) {
  if (run_trial(t)) fail_msg("%s on %d ranks: %s", name, t->world, hd_comm_error_text());
}

// With no code in common.
static void make_serial(long rows, int iterations) {
  static float now[(MOST_ROWS + 2) * (COLUMNS + 2)], next[(MOST_ROWS + 2) * (COLUMNS + 2)];
  memcpy(now, initial, sizeof now);
  memcpy(next, initial, sizeof next);
  for (int k = 0; k < iterations; k++) {
    for (long i = 1; i <= rows; i++)
      for (long j = 1; j <= COLUMNS; j++) {
        const long at = i * (COLUMNS + 2) + j;
        const float vertical = now[at - COLUMNS - 2] + now[at + COLUMNS + 2];
        const float horizontal = now[at - 1] + now[at + 1];
        next[at] = (vertical + horizontal) / 4;
      }
    memcpy(now, next, sizeof now);
  }
  for (long i = 0; i < rows; i++)
    for (long j = 0; j < COLUMNS; j++) serial[i * COLUMNS + j] = now[(i + 1) * (COLUMNS + 2) + j + 1];
}

// Also fewer rows than ranks, and one row each.
static void every_grid_is_the_serial_one(void **state) {
  (void)state;
  static const long ROWS[] = {1, 2, 8, 13, MOST_ROWS};
  EACH(n, ROWS) {
    make_serial(ROWS[n], 7);
    for (size_t at = 0; at < place_count; at++) EACH(m, methods) EACH(w, WORLDS) {
        trial t = request(methods[m].run, places[at], WORLDS[w], ROWS[n]);
        run_well(&t, methods[m].name);
        if (memcmp(result, serial, (size_t)ROWS[n] * COLUMNS * sizeof *result) != 0)
          fail_msg("%s, place %zu, %ld rows on %d ranks: another grid", methods[m].name, at, ROWS[n],
                   WORLDS[w]);
      }
  }
  make_serial(MOST_ROWS, 7);
  trial wrong = request(halo_stale, ON_CPU, 2, MOST_ROWS);
  run_well(&wrong, "stale");
  assert_true(memcmp(result, serial, sizeof result) != 0);
}

static void a_rank_sends_its_edges(void **state) {
  (void)state;
  for (size_t at = 0; at < place_count; at++)
    for (size_t m = 1; m < 3; m++) EACH(w, WORLDS) {
        trial t = request(methods[m].run, places[at], WORLDS[w], MOST_ROWS);
        run_well(&t, methods[m].name);
        const uint64_t neighbours = t.world > 2 ? 2 : (uint64_t)t.world - 1;
        assert_int_equal(t.sent.messages, neighbours);
        assert_int_equal(t.sent.bytes, neighbours * COLUMNS * sizeof(float));
      }
}

static void failures_are_named(void **state) {
  (void)state;
  for (size_t at = 0; at < place_count; at++) EACH(m, methods)
  assert_faults_are_errors(request(methods[m].run, places[at], 3, MOST_ROWS), run_trial, 1, 1, "method", m);
}

#if HD_HAVE_CUDA

// NVLink 4 as the simulator has it: docs/cusim-model.md.
static const double ALPHA_S = 1.9e-6, BYTES_PER_S = 0.82 * 450e9;

// Seconds of a kernel over so many rows.
static double kernel(long columns, long rows, int launches) {
  hd_ops *o = hd_ops_cuda(NULL);
  const size_t bytes = (size_t)((rows + 2) * (columns + 2)) * sizeof(float);
  float *x = o->alloc(o, bytes), *y = o->alloc(o, bytes);
  double seconds = 0;
  for (int i = 0; i < 2; i++) {
    o->synchronize(o);
    o->timer_start(o);
    for (int k = 0; k < launches; k++)
      hd_jacobi_block_cuda(x + columns + 3, y + columns + 3, columns + 2, rows, columns, o->stream);
    seconds = o->timer_stop(o) / launches;
  }
  o->free(o, x, bytes);
  o->free(o, y, bytes);
  o->close(o);
  return seconds;
}

// Rows so long that a halo takes longer than the host needs to issue it, and kernels longer than both.
static void times_are_those_of_the_formulas(void **state) {
  (void)state;
  if (!hd_device_simulated()) skip();
  enum { WIDE = 1 << 19, EACH_ROWS = 32, ITERATIONS = 8 };
  setenv("CUSIM_EXECUTE", "sampled", 1);  // times do not depend on values
  float *wide = calloc((size_t)(4 * EACH_ROWS + 2) * (WIDE + 2), sizeof *wide);
  const double all = kernel(WIDE, EACH_ROWS, 4), edge = kernel(WIDE, 1, 16);
  const double hop = ALPHA_S + WIDE * sizeof(float) / BYTES_PER_S;
  for (int world = 2; world <= 4; world += 2) {
    const int edges = world > 2 ? 2 : 1;  // of the busiest rank
    const double rest = kernel(WIDE, EACH_ROWS - edges, 4), halos = edges * hop;
    const double paper[] = {all + halos, edges * edge + fmax(rest, halos)};
    for (int m = 1; m < 3; m++) {
      trial t = {.method = methods[m].run,
                 .place = ON_GPU,
                 .world = world,
                 .rows = (long)EACH_ROWS * world,
                 .columns = WIDE,
                 .iterations = ITERATIONS,
                 .initial = wide};
      run_well(&t, methods[m].name);
      if (!(fabs(t.seconds / paper[m - 1] - 1) <= 0.02))
        fail_msg("%s on %d GPUs: %.2f µs per iteration, on paper %.2f", methods[m].name, world,
                 t.seconds * 1e6, paper[m - 1] * 1e6);
    }
  }
  free(wide);
  unsetenv("CUSIM_EXECUTE");
}

#endif

int main(void) {
#if HD_HAVE_CUDA
  setenv("CUSIM_DEVICES", "8", 1);
  setenv("CUSIM_CARD", "h200", 1);
  unsetenv("CUSIM_LINK");
  if (hd_device_count() > 0) places[place_count++] = ON_GPU;
#endif
  hd_fill_normal(initial, sizeof initial / sizeof *initial, 1, 0);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_grid_is_the_serial_one),
    cmocka_unit_test(a_rank_sends_its_edges),
    cmocka_unit_test(failures_are_named),
#if HD_HAVE_CUDA
    cmocka_unit_test(times_are_those_of_the_formulas),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
