// SPDX-License-Identifier: MIT
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs the four headers above before it
#include <cmocka.h>

#include "heddle/random.h"

static void assert_words(hd_random4 r, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  assert_int_equal(r.v[0], a);
  assert_int_equal(r.v[1], b);
  assert_int_equal(r.v[2], c);
  assert_int_equal(r.v[3], d);
}

// The known answers published with Random123 for philox4x32-10: zeros, ones, and the digits of pi.
static void philox_gives_the_known_answers(void **state) {
  (void)state;
  assert_words(hd_philox(0, 0, 0), 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
  assert_words(hd_philox(UINT64_MAX, UINT64_MAX, UINT64_MAX), 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
  assert_words(hd_philox(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88), 0xd16cfe09, 0x94fdcceb,
               0x5001e420, 0x24126ea1);
}

static void uniform_is_strictly_inside_the_unit_interval(void **state) {
  (void)state;
  assert_true(hd_uniform(0) > 0);
  assert_true(hd_uniform(UINT32_MAX) < 1);
  double sum = 0;
  enum { N = 1 << 20 };
  for (int i = 0; i < N; i++) sum += hd_random_uniform(7, 1, (uint64_t)i);
  assert_true(fabs(sum / N - 0.5) < 4 * sqrt(1.0 / 12 / N));
}

static void normal_has_the_moments_of_a_normal(void **state) {
  (void)state;
  enum { N = 1 << 20 };
  float *x = malloc(N * sizeof *x);
  assert_non_null(x);
  hd_fill_normal(x, N, 1, 2);
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0, neighbours = 0;
  for (int i = 0; i < N; i++) {
    const double v = x[i];
    m1 += v;
    m2 += v * v;
    m3 += v * v * v;
    m4 += v * v * v * v;
    if (i > 0) neighbours += v * x[i - 1];
  }
  // Standard errors of the first four sample moments and of the correlation, times four.
  const double error = 4 / sqrt(N);
  assert_true(fabs(m1 / N) < error);
  assert_true(fabs(m2 / N - 1) < error * sqrt(2));
  assert_true(fabs(m3 / N) < error * sqrt(15));
  assert_true(fabs(m4 / N - 3) < error * sqrt(96));
  assert_true(fabs(neighbours / N) < error);
  free(x);
}

static void fill_does_not_depend_on_the_number_of_threads(void **state) {
  (void)state;
  enum { N = 1003 };
  float one[N], three[N], more[N + 1];
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  hd_fill_normal(one, N, 3, 4);
  omp_set_num_threads(3);
  hd_fill_normal(three, N, 3, 4);
  hd_fill_normal(more, N + 1, 3, 4);
  omp_set_num_threads(before);
  assert_memory_equal(one, three, sizeof one);
  assert_memory_equal(one, more, sizeof one);
  for (int i = 0; i < N; i++) {
    const float direct = hd_random_normal(3, 4, (uint64_t)i);
    assert_memory_equal(&one[i], &direct, sizeof direct);
  }
  hd_fill_normal(NULL, 0, 3, 4);
}

static void streams_and_seeds_differ(void **state) {
  (void)state;
  float a[64], b[64], c[64];
  hd_fill_normal(a, 64, 1, 1);
  hd_fill_normal(b, 64, 1, 2);
  hd_fill_normal(c, 64, 2, 1);
  assert_true(memcmp(a, b, sizeof a) != 0);
  assert_true(memcmp(a, c, sizeof a) != 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(philox_gives_the_known_answers),
      cmocka_unit_test(uniform_is_strictly_inside_the_unit_interval),
      cmocka_unit_test(normal_has_the_moments_of_a_normal),
      cmocka_unit_test(fill_does_not_depend_on_the_number_of_threads),
      cmocka_unit_test(streams_and_seeds_differ),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
