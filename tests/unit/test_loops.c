// SPDX-License-Identifier: MIT
// Lesson 02's ways to draw: all the same picture, which has the set's own properties; who drew which row; a
// shared variable that is found out.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs the first four headers above before it
#include <cmocka.h>
#include <lessons/02-loops/mandelbrot.h>
#include <math.h>
#include <omp.h>

#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

static const struct {
  const char *name;
  draw *draw;
  bool by_rows;
} ways[] = {{"serial", draw_serial, true},
            {"static", draw_static, true},
            {"cyclic", draw_cyclic, true},
            {"dynamic", draw_dynamic, true},
            {"dynamic-64", draw_dynamic_64, true},
            {"guided", draw_guided, true},
            {"taskloop", draw_taskloop, true},
            {"pixels", draw_pixels, false},
            {"simd", draw_simd, true},
            {"interleaved", draw_interleaved, true}};

static picture new_picture(long rows) {
  const size_t pixels = 2 * (size_t)rows * (size_t)rows;
  picture p = {.rows = rows, .columns = 2 * rows, .step = (float)(WIDTH / 2 / (double)rows)};
  p.counts = malloc(pixels * sizeof p.counts[0]);
  p.marks = malloc((size_t)rows * sizeof p.marks[0]);
  assert_non_null(p.counts);
  assert_non_null(p.marks);
  return p;
}

static void free_picture(picture *p) {
  free(p->counts);
  free(p->marks);
}

static int32_t *expected_of(const picture *p) {
  int32_t *expected = malloc((size_t)p->rows * (size_t)p->columns * sizeof *expected);
  assert_non_null(expected);
  reference_counts(p, expected);
  return expected;
}

static long differences(const picture *p, const int32_t *expected) {
  long count = 0;
  for (long i = 0; i < p->rows * p->columns; i++) count += p->counts[i] != expected[i];
  return count;
}

static void poison(picture *p) {
  memset(p->counts, 0xa5, (size_t)p->rows * (size_t)p->columns * sizeof p->counts[0]);
  for (long row = 0; row < p->rows; row++) p->marks[row] = (row_mark){.thread = -1};
}

static void all_draw_the_same(void **state) {
  (void)state;
  static const long sizes[] = {1, 2, 33, 127};
  static const int threads[] = {1, 2, 3, 8};
  EACH(i, sizes) {
    picture p = new_picture(sizes[i]);
    int32_t *expected = expected_of(&p);
    double all = 0;
    for (long k = 0; k < p.rows * p.columns; k++) all += expected[k];
    EACH(t, threads)
    EACH(w, ways) {
      omp_set_num_threads(threads[t]);
      poison(&p);
      ways[w].draw(&p);
      const long wrong = differences(&p, expected);
      if (wrong)
        fail_msg("%s: %ld pixels of %ld rows by %d threads", ways[w].name, wrong, p.rows, threads[t]);
      if (!ways[w].by_rows) continue;
      double loads = 0;
      for (long row = 0; row < p.rows; row++) {
        assert_in_range(p.marks[row].thread, 0, threads[t] - 1);
        assert_true(p.marks[row].end_s >= p.marks[row].start_s);
        loads += p.marks[row].iterations;
      }
      assert_true(loads == all);
    }
    free(expected);
    free_picture(&p);
  }
}

// Known of the set itself: its largest two parts never leave, points beyond radius 2 leave at once, and
// mirror images leave together, because signs round alike.
static void the_picture_is_the_set(void **state) {
  (void)state;
  picture p = new_picture(200);
  draw_serial(&p);
  long inside = 0, outside = 0;
  for (long row = 0; row < p.rows; row++)
    for (long column = 0; column < p.columns; column++) {
      const double x = column_x(p.step, column), y = row_y(p.step, row);
      const int32_t count = p.counts[row * p.columns + column];
      const double q = (x - 0.25) * (x - 0.25) + y * y;
      const bool cardioid = q * (q + x - 0.25) <= 0.249 * y * y, disk = (x + 1) * (x + 1) + y * y <= 0.0624;
      if (cardioid || disk) {
        assert_int_equal(count, LIMIT);
        inside++;
      } else if (x * x + y * y > 4.0001) {
        assert_int_equal(count, 0);
        outside++;
      }
      assert_int_equal(escape((float)x, (float)-y), count);
    }
  assert_true(inside > p.rows * p.columns / 5);
  assert_true(outside > 0);
  free_picture(&p);
}

// static: blocks in order; static,1: every p-th row.
static void rows_go_where_the_schedule_says(void **state) {
  (void)state;
  picture p = new_picture(90);
  omp_set_num_threads(3);
  draw_static(&p);
  for (long row = 0; row < p.rows; row++) assert_int_equal(p.marks[row].thread, row / 30);
  draw_cyclic(&p);
  for (long row = 0; row < p.rows; row++) assert_int_equal(p.marks[row].thread, row % 3);
  free_picture(&p);
}

// The README's numbers, of 400 rows: what the busiest of `threads` has, if each gets a block of rows.
static double busiest_block(const picture *p, int threads) {
  double all = 0, busiest = 0;
  for (int block = 0; block < threads; block++) {
    double load = 0;
    for (long row = p->rows * block / threads; row < p->rows * (block + 1) / threads; row++)
      load += p->marks[row].iterations;
    all += load;
    busiest = fmax(busiest, load);
  }
  return busiest / all;
}

static void a_block_of_rows_holds_most(void **state) {
  (void)state;
  picture p = new_picture(400);
  draw_interleaved(&p);
  assert_true(fabs(busiest_block(&p, 2) - 0.923) < 0.001);
  assert_true(fabs(1 / busiest_block(&p, 4) - 1.75) < 0.01);
  assert_true(fabs(1 / busiest_block(&p, 8) - 3.18) < 0.01);
  double all = 0, even = 0;
  for (long row = 0; row < p.rows; row++) {
    all += p.marks[row].iterations;
    even += row % 2 == 0 ? p.marks[row].iterations : 0;
  }
  assert_true(fabs(even / all - 0.502) < 0.001);
  assert_true(fabs(lanes_at_work(&p, p.counts, WARP, 1) - 0.845) < 0.001);
  assert_true(fabs(lanes_at_work(&p, p.counts, TILE_COLUMNS, TILE_ROWS) - 0.910) < 0.001);
  free_picture(&p);
}

static void lanes_wait_for_the_last(void **state) {
  (void)state;
  picture p = {.rows = 2, .columns = 4};
  const int32_t counts[] = {1, 3, 0, 4,  //
                            2, 2, 0, 4};
  assert_true(lanes_at_work(&p, counts, 1, 1) == 1);
  assert_true(lanes_at_work(&p, counts, 2, 1) == 16.0 / (6 + 8 + 4 + 8));
  assert_true(lanes_at_work(&p, counts, 2, 2) == 16.0 / (12 + 16));
  assert_true(lanes_at_work(&p, counts, 8, 1) == 16.0 / 64);  // lanes beyond the picture wait, too
}

// A race may come out right by luck, but not every time; by one thread it does.
static void a_shared_variable_is_wrong(void **state) {
  (void)state;
  picture p = new_picture(127);
  int32_t *expected = expected_of(&p);
  omp_set_num_threads(1);
  draw_shared(&p);
  assert_int_equal(differences(&p, expected), 0);
  omp_set_num_threads(4);
  long wrong = 0;
  for (int k = 0; k < 50 && !wrong; k++) {
    draw_shared(&p);
    wrong = differences(&p, expected);
  }
  assert_true(wrong > 0);
  free(expected);
  free_picture(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_draw_the_same),
      cmocka_unit_test(the_picture_is_the_set),
      cmocka_unit_test(rows_go_where_the_schedule_says),
      cmocka_unit_test(a_block_of_rows_holds_most),
      cmocka_unit_test(lanes_wait_for_the_last),
      cmocka_unit_test(a_shared_variable_is_wrong),
  };
  return cmocka_run_group_tests_name("lesson 02", tests, NULL, NULL);
}
