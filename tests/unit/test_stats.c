// SPDX-License-Identifier: MIT
#include <math.h>
// cmocka's header needs these before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "heddle/bench.h"
#include "heddle/stats.h"

static void even_counts_average_the_middle(void **state) {
  (void)state;
  double x[] = {4, 1, 3, 2};
  const hd_summary s = hd_summarize(x, 4);
  assert_true(s.median == 2.5 && s.min == 1 && s.max == 4);
}

static void no_samples_no_numbers(void **state) {
  (void)state;
  const hd_summary s = hd_summarize(NULL, 0);
  assert_true(isnan(s.median) && isnan(s.low));
}

// The tabulated ranks of the binomial interval: n = 6: (1, 6), n = 10: (2, 9), n = 20: (6, 15), n = 100: (40,
// 61).
static void interval_has_the_tabulated_ranks(void **state) {
  (void)state;
  const struct {
    size_t n, low, high;
  } table[] = {{3, 1, 3}, {6, 1, 6}, {10, 2, 9}, {20, 6, 15}, {100, 40, 61}};
  for (size_t t = 0; t < sizeof table / sizeof table[0]; t++) {
    double x[100];
    for (size_t i = 0; i < table[t].n; i++) x[i] = (double)(table[t].n - i);  // n … 1: rank = value
    const hd_summary s = hd_summarize(x, table[t].n);
    assert_true(s.low == (double)table[t].low);
    assert_true(s.high == (double)table[t].high);
  }
}

static void large_counts_use_the_normal_bound(void **state) {
  (void)state;
  static double x[5000];
  for (int i = 0; i < 5000; i++) x[i] = i;
  const hd_summary s = hd_summarize(x, 5000);
  assert_true(s.low > 2400 && s.low < 2499.5 && s.high > 2499.5 && s.high < 2600);
}

static void compare_catches_every_kind_of_wrong(void **state) {
  (void)state;
  const double expected[] = {1, 2, 3, 4};
  float x[] = {1, 2, 3, 4};
  assert_true(hd_compare(x, HD_F32, expected, 4) == 0);
  x[2] = 3.3f;
  assert_true(fabs(hd_compare(x, HD_F32, expected, 4) - 0.1) < 1e-6);
  x[2] = NAN;
  assert_true(isinf(hd_compare(x, HD_F32, expected, 4)));
  x[2] = INFINITY;
  assert_true(isinf(hd_compare(x, HD_F32, expected, 4)));
  // A reference that was never written is NaN, and nothing equals it.
  const double unwritten[] = {NAN};
  x[0] = NAN;
  assert_true(isinf(hd_compare(x, HD_F32, unwritten, 1)));
  assert_true(hd_compare(x, HD_F32, expected, 0) == 0);
}

static void small_elements_are_measured_against_the_rest(void **state) {
  (void)state;
  const double expected[] = {1e-9, 1, 1, 1};
  const double x[] = {2e-9, 1, 1, 1};
  assert_true(hd_compare(x, HD_F64, expected, 4) < 1e-8);
  const double zeros[] = {0, 0}, almost[] = {0, 1e-30};
  assert_true(isinf(hd_compare(almost, HD_F64, zeros, 2)));
}

// Many blocks, compared by several threads: one wrong element anywhere is found, a NaN too.
static void compare_finds_one_wrong_of_many(void **state) {
  (void)state;
  enum { COUNT = 300001 };
  static float data[COUNT];
  static double expected[COUNT];
  const size_t places[] = {0, 65535, 65536, 131072, 299999, COUNT - 1};
  for (size_t i = 0; i < COUNT; i++) data[i] = 2, expected[i] = 2;
  assert_true(hd_compare(data, HD_F32, expected, COUNT) == 0);
  for (int p = 0; p < HD_COUNT(places); p++) {
    data[places[p]] = 3;
    assert_true(hd_compare(data, HD_F32, expected, COUNT) == 0.5);
    data[places[p]] = NAN;
    assert_true(isinf(hd_compare(data, HD_F32, expected, COUNT)));
    data[places[p]] = 2;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(even_counts_average_the_middle),
      cmocka_unit_test(no_samples_no_numbers),
      cmocka_unit_test(interval_has_the_tabulated_ranks),
      cmocka_unit_test(large_counts_use_the_normal_bound),
      cmocka_unit_test(compare_catches_every_kind_of_wrong),
      cmocka_unit_test(small_elements_are_measured_against_the_rest),
      cmocka_unit_test(compare_finds_one_wrong_of_many),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
