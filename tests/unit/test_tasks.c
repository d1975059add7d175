// SPDX-License-Identifier: MIT
// Lesson 06's sorts: any input, any number of threads, equal keys in their order, as many tasks as they say;
// the binary search that divides a merge; a forgotten taskwait that is found out.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs the first four headers above before it
#include <cmocka.h>
#include <heddle/random.h>
#include <lessons/06-tasks/sort.h>
#include <omp.h>

#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

static const struct {
  const char *name;
  sorter *sort;
} rungs[] = {{"serial", sort_serial},   {"sections", sort_sections}, {"tasks", sort_tasks},
             {"cut-off", sort_cut_off}, {"depend", sort_depend},     {"pieces", sort_pieces},
             {"qsort", sort_qsort}};

// Keys that sorts stumble over.
enum kind { RANDOM, ASCENDING, DESCENDING, EQUAL, TWO, EXTREME, KINDS };

static int32_t key_of(enum kind kind, long i, long n) {
  const uint32_t word = hd_philox(1, 0, (uint64_t)i).v[0];
  switch (kind) {
    case ASCENDING:
      return (int32_t)i;
    case DESCENDING:
      return (int32_t)(n - i);
    case EQUAL:
      return 7;
    case TWO:
      return (int32_t)(word & 1);
    case EXTREME:
      return word & 1 ? INT32_MAX : INT32_MIN;
    default:
      return (int32_t)(word % 1000);
  }
}

static sorting new_sorting(enum kind kind, long n) {
  record *in = malloc((size_t)(n + 1) * sizeof *in);
  sorting s = {.in = in,
               .to = malloc((size_t)(n + 1) * sizeof(record)),
               .other = malloc((size_t)(n + 1) * sizeof(record)),
               .n = n};
  assert_true(in && s.to && s.other);
  for (long i = 0; i < n; i++) in[i] = (record){key_of(kind, i, n), (int32_t)i};
  return s;
}

static void free_sorting(sorting *s) {
  free((void *)s->in);
  free(s->to);
  free(s->other);
}

// Ascending, equal keys by index, every record of the input once: an index names the record it came with.
static bool is_sorted(const sorting *s) {
  unsigned char *seen = calloc((size_t)s->n + 1, 1);
  assert_non_null(seen);
  bool good = true;
  for (long i = 0; i < s->n && good; i++) {
    const record r = s->to[i];
    good = r.index >= 0 && r.index < s->n && !seen[r.index] && s->in[r.index].key == r.key;
    if (good) seen[r.index] = 1;
    if (i > 0)
      good =
          good && (s->to[i - 1].key < r.key || (s->to[i - 1].key == r.key && s->to[i - 1].index < r.index));
  }
  free(seen);
  return good;
}

static void all_sort(void **state) {
  (void)state;
  static const long sizes[] = {0, 1, 2, 31, 32, 33, 1000, CUT_OFF + 1, 3 * CUT_OFF + 7};
  static const int threads[] = {1, 2, 3, 8};
  EACH(i, sizes)
  for (enum kind kind = RANDOM; kind < KINDS; kind++) {
    sorting s = new_sorting(kind, sizes[i]);
    EACH(t, threads)
    EACH(r, rungs) {
      omp_set_num_threads(threads[t]);
      memset(s.to, 0xff, (size_t)(s.n + 1) * sizeof *s.to);
      rungs[r].sort(&s);
      if (!is_sorted(&s))
        fail_msg("%s: %ld records of kind %d by %d threads", rungs[r].name, s.n, (int)kind, threads[t]);
      assert_int_equal(s.to[s.n].index, -1);  // nobody writes beyond the end
    }
    free_sorting(&s);
  }
}

static void as_many_tasks_as_halves(void **state) {
  (void)state;
  sorting s = new_sorting(RANDOM, 8 * CUT_OFF);
  omp_set_num_threads(2);
  assert_int_equal(sort_serial(&s), 0);
  assert_int_equal(sort_sections(&s), 0);
  assert_int_equal(sort_tasks(&s), 2 * (8 * CUT_OFF / LEAF - 1));
  assert_int_equal(sort_cut_off(&s), 2 * (8 - 1));
  assert_int_equal(sort_depend(&s), 2 * 8 - 1);
  assert_int_equal(sort_pieces(&s), 2 * (8 - 1) + 3 * 8);  // and three levels of merges, of 8 pieces each
  assert_int_equal(levels(8 * CUT_OFF, CUT_OFF), 3);
  assert_int_equal(levels(8 * CUT_OFF + 1, CUT_OFF), 4);
  assert_int_equal(levels(1, CUT_OFF), 0);
  free_sorting(&s);
}

// The pieces of a merge are what the whole merge has at these places, equal keys included.
static void a_merge_can_begin_anywhere(void **state) {
  (void)state;
  enum { LEFT = 37, RIGHT = 23 };
  record left[LEFT], right[RIGHT], merged[LEFT + RIGHT];
  for (int i = 0; i < LEFT; i++) left[i] = (record){i / 4, i};
  for (int i = 0; i < RIGHT; i++) right[i] = (record){i / 3, LEFT + i};
  merge(left, LEFT, right, RIGHT, merged);
  long from_left = 0;
  for (long count = 0; count <= LEFT + RIGHT; count++) {
    assert_int_equal(taken_from_left(left, LEFT, right, RIGHT, count), from_left);
    if (count < LEFT + RIGHT) from_left += merged[count].index < LEFT;
  }
  assert_int_equal(taken_from_left(left, 0, right, RIGHT, 5), 0);
  assert_int_equal(taken_from_left(left, LEFT, right, 0, 5), 5);
}

// Formulas, with a sort of 20 s and a merge of 1 s: halves, quarters … behind each other.
static void the_chain_is_what_waits(void **state) {
  (void)state;
  const speed v = {.sort_s = 20, .merge_s = 1, .n = 1 << 20};
  assert_true(critical_path_s(&v, v.n, false) == 20);
  const double half = 20.0 * 19 / 20 / 2;  // n log n
  assert_true(critical_path_s(&v, v.n / 2, false) == 1 + half);
  assert_true(critical_path_s(&v, v.n / 4, false) == 1.5 + 20.0 * 18 / 20 / 4);
  const double leaf = 20.0 * 14 / 20 / 64;  // six levels of 64 pieces' length
  assert_true(critical_path_s(&v, CUT_OFF, true) == leaf + 6.0 / 64);
  assert_true(critical_path_s(&v, CUT_OFF, false) == 63.0 / 32 + leaf);
}

static void speeds_are_measured_once(void **state) {
  (void)state;
  sorting s = new_sorting(RANDOM, 10000);
  speed v = {0};
  measure_speed(&v, s.in, s.n);
  assert_true(v.sort_s > v.merge_s && v.merge_s > 0);
  const speed before = v;
  measure_speed(&v, s.in, s.n);
  assert_memory_equal(&v, &before, sizeof v);
  free_sorting(&s);
}

// Which thread comes first is luck, but not every time.
static void a_forgotten_wait_is_wrong(void **state) {
  (void)state;
  sorting s = new_sorting(DESCENDING, 10000);
  omp_set_num_threads(4);
  bool wrong = false;
  for (int k = 0; k < 50 && !wrong; k++) {
    memset(s.to, 0xff, (size_t)s.n * sizeof *s.to);
    memset(s.other, 0xff, (size_t)s.n * sizeof *s.other);
    sort_no_wait(&s);
    wrong = !is_sorted(&s);
  }
  assert_true(wrong);
  free_sorting(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_sort),
      cmocka_unit_test(as_many_tasks_as_halves),
      cmocka_unit_test(a_merge_can_begin_anywhere),
      cmocka_unit_test(the_chain_is_what_waits),
      cmocka_unit_test(speeds_are_measured_once),
      cmocka_unit_test(a_forgotten_wait_is_wrong),
  };
  return cmocka_run_group_tests_name("lesson 06", tests, NULL, NULL);
}
