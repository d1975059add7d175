// SPDX-License-Identifier: MIT
// Lesson 05: every variant gives the serial grid, bitwise, at any size and for any number of threads; the
// mistakes don't.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs the first four headers above before it
#include <cmocka.h>
#include <heddle/device.h>
#include <heddle/error.h>
#include <kernels/jacobi/jacobi.h>
#include <lessons/05-stencil/stencil.h>
#include <omp.h>

#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

static const struct {
  const char *name;
  hd_run *run;
} variants[] = {{"serial", run_serial},
                {"simd", run_simd},
                {"omp", run_omp},
                {"tiled", run_tiled},
                {"one-region", run_one_region},
                {"streaming", run_streaming},
                {"wavefront", run_wavefront}};

static stencil grid_of(long n) {
  stencil s = {.n = n, .pitch = stencil_pitch(n)};
  s.count = (size_t)(n + 2) * (size_t)s.pitch;
  s.initial = hd_alloc(s.count, sizeof(float));
  s.now = hd_alloc(s.count, sizeof(float));
  s.next = hd_alloc(s.count, sizeof(float));
  hd_jacobi_fill(s.initial, s.count, 1);
  return s;
}

static void free_grid(stencil *s) {
  free(s->initial);
  free(s->now);
  free(s->next);
}

static void run(stencil *s, hd_run *variant, int threads) {
  hd_case c = {.size = s->n, .threads = threads, .seed = 1, .state = s};
  memcpy(s->now, s->initial, s->count * sizeof(float));
  memcpy(s->next, s->initial, s->count * sizeof(float));
  omp_set_num_threads(threads);
  variant(&c);
}

// With no code in common.
static float *serial_grid(const stencil *s) {
  float *now = hd_alloc(s->count, sizeof *now), *next = hd_alloc(s->count, sizeof *next);
  memcpy(now, s->initial, s->count * sizeof *now);
  memcpy(next, s->initial, s->count * sizeof *next);
  for (int k = 0; k < SWEEPS; k++) {
    for (long i = 0; i < s->n; i++)
      for (long j = 0; j < s->n; j++) {
        const float vertical = now[stencil_at(s, i - 1, j)] + now[stencil_at(s, i + 1, j)];
        const float horizontal = now[stencil_at(s, i, j - 1)] + now[stencil_at(s, i, j + 1)];
        next[stencil_at(s, i, j)] = (vertical + horizontal) / 4;
      }
    float *swap = now;
    now = next;
    next = swap;
  }
  free(next);
  return now;
}

static bool same(const stencil *s, const float *expected) {
  return memcmp(s->now, expected, s->count * sizeof *expected) == 0;
}

static const long SIZES[] = {0, 1, 2, 3, 16, 31, 33, 64, 67, 130, 257};

static void every_variant_gives_the_serial_grid(void **state) {
  (void)state;
  EACH(n, SIZES) {
    stencil s = grid_of(SIZES[n]);
    float *expected = serial_grid(&s);
    EACH(v, variants) for (int threads = 1; threads <= 5; threads++) {
      run(&s, variants[v].run, threads);
      if (!same(&s, expected))
        fail_msg("%s, n = %ld, %d threads: another grid", variants[v].name, s.n, threads);
    }
    free(expected);
    free_grid(&s);
  }
}

// Also those that don't divide the sweeps.
static void a_trip_may_be_of_any_depth(void **state) {
  (void)state;
  stencil s = grid_of(130);
  float *expected = serial_grid(&s);
  for (int depth = 1; depth <= SWEEPS; depth++)
    for (int threads = 1; threads <= 5; threads++) {
      memcpy(s.now, s.initial, s.count * sizeof(float));
      memcpy(s.next, s.initial, s.count * sizeof(float));
      omp_set_num_threads(threads);
      wavefront(&s, depth);
      if (!same(&s, expected)) fail_msg("depth %d, %d threads: another grid", depth, threads);
    }
  free(expected);
  free_grid(&s);
  for (long n = 1; n < 1 << 20; n *= 2)
    assert_in_range(wavefront_depth(&(stencil){.n = n, .pitch = stencil_pitch(n)}), 1, SWEEPS);
}

static void one_grid_is_another_iteration(void **state) {
  (void)state;
  stencil s = grid_of(33);
  float *expected = serial_grid(&s);
  run(&s, run_wrong_in_place, 1);
  assert_false(same(&s, expected));
  free(expected);
  free_grid(&s);
}

// It may come out right, but not again and again: threads would have to keep step by chance.
static void without_barriers_edges_are_wrong(void **state) {
  (void)state;
  stencil s = grid_of(130);
  float *expected = serial_grid(&s);
  int runs = 0;
  do {
    run(&s, run_wrong_no_barrier, 4);
  } while (same(&s, expected) && ++runs < 2000);
  assert_true(runs < 2000);
  run(&s, run_wrong_no_barrier, 1);  // nobody to wait for
  assert_true(same(&s, expected));
  free(expected);
  free_grid(&s);
}

#if HD_HAVE_CUDA
static void gpus_give_the_serial_grid(void **state) {
  (void)state;
  static const struct {
    const char *name;
    hd_run *run;
    bool right;
  } rungs[] = {{"gpu-naive", run_gpu_naive, true},
               {"gpu-tiled", run_gpu_tiled, true},
               {"gpu-temporal", run_gpu_temporal, true},
               {"gpu-wrong-barrier", run_gpu_wrong_barrier, false}};
  if (hd_device_count() == 0) skip();
  EACH(n, SIZES) {
    stencil s = grid_of(SIZES[n]);
    float *expected = serial_grid(&s);
    EACH(v, rungs) {
      hd_case c = {.size = s.n, .devices = 1, .seed = 1, .state = &s};
      place_on_gpu(&c);
      rungs[v].run(&c);
      memset(s.now, 0xff, s.count * sizeof *s.now);
      collect_from_gpu(&c);
      release_gpu(&c);
      if (rungs[v].right && !same(&s, expected)) fail_msg("%s, n = %ld: another grid", rungs[v].name, s.n);
      if (!rungs[v].right && s.n > 64 && same(&s, expected)) fail_msg("%s is right", rungs[v].name);
    }
    free(expected);
    free_grid(&s);
  }
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_variant_gives_the_serial_grid),
    cmocka_unit_test(a_trip_may_be_of_any_depth),
    cmocka_unit_test(one_grid_is_another_iteration),
    cmocka_unit_test(without_barriers_edges_are_wrong),
#if HD_HAVE_CUDA
    cmocka_unit_test(gpus_give_the_serial_grid),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
