// SPDX-License-Identifier: MIT
// Lesson 16: its formulas, its cloud, and the ways to share it against the formulas on the virtual clock.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs the first four headers above before it
#include <cmocka.h>
#include <heddle/device.h>
#include <heddle/random.h>
#include <lessons/16-hybrid/cloud.h>
#include <math.h>

#define EACH_OF(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

static void near(const char *what, double got, double expected, double allowed) {
  if (!(fabs(got / expected - 1) <= allowed))
    fail_msg("%s: %g, expected %g (%+.2f %%)", what, got, expected, 100 * (got / expected - 1));
}

// ---------------------------------------------------------------- formulas

static speeds some_speeds(uint64_t i) {
  return (speeds){.pairs = 1e9,
                  .cpu = 1e11 * hd_random_uniform(1, 0, i),
                  .gpu = 1e12 * hd_random_uniform(1, 1, i),
                  .alpha = 1e-5 * hd_random_uniform(1, 2, i),
                  .up = 2e-3 * hd_random_uniform(1, 3, i),
                  .down = 1e-3 * hd_random_uniform(1, 4, i),
                  .issue = 1e-4 * hd_random_uniform(1, 5, i),
                  .chunk = 0.05 + 0.2 * hd_random_uniform(1, 6, i)};
}

static void the_best_share_is_the_best(void **state) {
  (void)state;
  for (uint64_t i = 0; i < 200; i++) {
    const speeds s = some_speeds(i);
    const double best = paper_time(&s, paper_best_share(&s));
    for (int k = 0; k < 1000; k++) {  // the GPU with nothing to do at all is a corner of its own
      const double here = paper_time(&s, k / 1000.0);
      if (k > 0 && here < best * (1 - 1e-9)) fail_msg("case %d: %g s at %d ‰, %g s", (int)i, here, k, best);
      assert_true(here >= paper_bound(&s) * (1 - 1e-9));
    }
  }
}

// Work falls in a straight line from the first row to nothing at the last.
static void rows_hold_what_the_formula_says(void **state) {
  (void)state;
  cloud c;
  cloud_open(&c, 300000, 1);
  const double all = cloud_pairs(&c, 0, c.tiles);
  for (int tenth = 1; tenth < 10; tenth++) {
    const long tile = cloud_tile_at(&c, tenth / 10.0);
    near("work before the tile", cloud_pairs(&c, 0, tile) / all, tenth / 10.0, 0.02);
    // A tile's own width comes on top of the straight line, on thin ends most.
    if (tenth < 9) near("rows before it", (double)tile / (double)c.tiles, paper_rows(tenth / 10.0), 0.2);
  }
  assert_int_equal(cloud_tile_at(&c, 0), 0);
  assert_int_equal(cloud_tile_at(&c, 1), c.tiles);
  cloud_close(&c);
}

// ---------------------------------------------------------------- runs

#if HD_HAVE_CUDA

typedef struct placed {
  hd_case c;
  cloud cloud;
  double *expected;
} placed;

static void open_case(placed *p, long n) {
  p->c = (hd_case){.size = n, .devices = 1, .seed = 1, .verifying = true, .state = &p->cloud};
  cloud_open(&p->cloud, n, 1);
  p->expected = NULL;
  memset(p->cloud.density, 0xff, (size_t)n * sizeof(float));
}

static void close_case(placed *p) {
  free(p->expected);
  cloud_close(&p->cloud);
}

static double seconds_of(placed *p, hd_run *run) {
  p->c.elapsed_s = -1;
  run(&p->c);
  return p->c.elapsed_s;
}

static bool right(placed *p) {
  gpu_collect(&p->c);
  if (!p->expected) {
    p->expected = calloc((size_t)p->cloud.n, sizeof(double));
    cloud_reference(&p->cloud, p->expected);
  }
  return hd_compare(p->cloud.density, HD_F32, p->expected, (size_t)p->cloud.n) <=
         0x1p-24 * (double)(27 + p->cloud.most_neighbours);
}

static void is_right_by(const char *name, hd_run *way, long n) {
  placed p;
  open_case(&p, n);
  gpu_place(&p.c);
  seconds_of(&p, way);
  if (!right(&p)) fail_msg("%s, %ld particles: wrong", name, n);
  gpu_release(&p.c);
  close_case(&p);
}

static const struct {
  const char *name;
  hd_run *run;
} ways[] = {{"gpu-chunks", run_gpu_chunks}, {"half", run_half},         {"dynamic", run_dynamic},
            {"guided", run_guided},         {"cpu", run_cpu},           {"gpu", run_gpu},
            {"nominal", run_nominal},       {"measured", run_measured}, {"by-work", run_by_work},
            {"blocking", run_blocking}};

// Nothing, less than a tile, a tile's seam, the seam between the two.
static void every_row_is_computed(void **state) {
  (void)state;
  static const long sizes[] = {0, 1, 255, 257, 5000};
  EACH_OF(n, sizes) EACH_OF(w, ways) is_right_by(ways[w].name, ways[w].run, sizes[n]);
}

// Of chunks as well, which are at least two tiles for each SM.
static void sharing_leaves_no_seam(void **state) {
  (void)state;
  if (!hd_device_simulated() || strcmp(hd_device_name(), "sim:t4") != 0) skip();
  for (size_t w = 0; w < 4; w++) is_right_by(ways[w].name, ways[w].run, 21000);
}

static void the_whole_array_copied_back_is_wrong(void **state) {
  (void)state;
  placed p;
  open_case(&p, 5000);
  gpu_place(&p.c);
  seconds_of(&p, run_wrong_seam);
  assert_false(right(&p));
  gpu_release(&p.c);
  close_case(&p);
}

static bool skipped(void) {
  if (hd_device_simulated()) return false;
  skip();
  return true;
}

// What the host says that it has done lies between two events, and beside what the GPU does.
static void declared_work_passes_on_the_virtual_clock(void **state) {
  (void)state;
  if (skipped()) return;
  hd_device_timer_start(1);
  const double before = hd_device_timer_stop(1);
  hd_device_timer_start(1);
  hd_device_host_works(1e-3);
  hd_device_host_works(2e-3);
  hd_device_host_works(-1);
  near("three milliseconds", hd_device_timer_stop(1) - before, 3e-3, 1e-6);
}

static void sharing_takes_what_the_formula_says(void **state) {
  (void)state;
  if (skipped()) return;
  setenv("CUSIM_EXECUTE", "sampled", 1);
  placed p;
  open_case(&p, 1 << 18);
  gpu_place(&p.c);
  const speeds *s = &p.cloud.speed;
  const double cpu = seconds_of(&p, run_cpu), gpu = seconds_of(&p, run_gpu),
               chunks = seconds_of(&p, run_gpu_chunks), work = seconds_of(&p, run_by_work),
               dynamic = seconds_of(&p, run_dynamic), guided = seconds_of(&p, run_guided),
               blocking = seconds_of(&p, run_blocking);
  near("the CPU", cpu, s->pairs * PAIR_FLOPS / cpu_declared_flops, 0.01);
  near("the GPU", chunks, paper_time(s, 1), 0.15);
  near("both", work, paper_time(s, paper_best_share(s)), 0.15);
  // Beside a card that is far ahead nothing is gained, and next to nothing lost.
  assert_true(chunks < gpu && work < 1.05 * chunks && work < cpu && work >= paper_bound(s));
  assert_true(dynamic < gpu && guided < gpu && dynamic >= paper_bound(s) && guided >= paper_bound(s));
  assert_true(blocking > gpu);
  cpu_declared_flops /= 2;
  near("a CPU half as fast", seconds_of(&p, run_cpu), 2 * cpu, 0.01);
  cpu_declared_flops *= 2;
  gpu_release(&p.c);
  close_case(&p);
  unsetenv("CUSIM_EXECUTE");
}

#endif

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_best_share_is_the_best),
    cmocka_unit_test(rows_hold_what_the_formula_says),
#if HD_HAVE_CUDA
    cmocka_unit_test(every_row_is_computed),
    cmocka_unit_test(sharing_leaves_no_seam),
    cmocka_unit_test(the_whole_array_copied_back_is_wrong),
    cmocka_unit_test(declared_work_passes_on_the_virtual_clock),
    cmocka_unit_test(sharing_takes_what_the_formula_says),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
