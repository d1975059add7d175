// SPDX-License-Identifier: MIT
// Lesson 04: what its variants say of pages, threads and lists, in counts that no load on the machine
// changes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs the first four headers above before it
#include <cmocka.h>
#include <heddle/error.h>
#include <lessons/04-memory/memory.h>
#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

enum { BYTES = 32 << 20, COUNT = BYTES / 4 };

// Faults of an array in small pages. A sanitizer keeps a byte for every eight of the program's, in pages of
// its own.
static long least_faults(void) {
  return BYTES / sysconf(_SC_PAGESIZE);
}
static long most_faults(void) {
  return least_faults() + least_faults() / 8 + 100;
}

// Bytes of this process that are in memory.
static long resident(void) {
  long all = 0, pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  assert_non_null(f);
  assert_int_equal(fscanf(f, "%ld %ld", &all, &pages), 2);
  fclose(f);
  return pages * sysconf(_SC_PAGESIZE);
}

static void a_page_comes_when_it_is_written(void **state) {
  (void)state;
  volatile float *p = pages_map(BYTES, SMALL_PAGES);
  const long empty = resident(), faults = page_faults();
  float sum = 0;
  for (long i = 0; i < COUNT; i += 16) sum += p[i];
  assert_true(sum == 0);
  assert_true(resident() - empty < BYTES / 16);  // read, and not there
  const long read = page_faults();
  for (long i = 0; i < COUNT; i += 16) p[i] = 1;
  assert_true(resident() - empty > BYTES - BYTES / 16);
  // Reading the page of zeros is a fault, too; writing to it is another.
  assert_in_range(read - faults, least_faults(), most_faults());
  assert_in_range(page_faults() - read, least_faults(), most_faults());
  pages_unmap((void *)p, BYTES);
  assert_true(resident() - empty < BYTES / 16);
  pages_unmap(NULL, BYTES);
}

static bool system_has_huge_pages(void) {
  char text[64] = "";
  FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
  const bool read = f && fgets(text, sizeof text, f);
  if (f) fclose(f);
  return read && !strstr(text, "[never]");
}

static double figure(const hd_case *c, const char *name) {
  for (int i = 0; i < c->figure_count; i++)
    if (strcmp(c->figures[i].name, name) == 0) return c->figures[i].value;
  fail_msg("no figure '%s'", name);
  return 0;
}

static hd_case triad_case(memory_case *m, int threads) {
  *m = (memory_case){.n = COUNT, .output = hd_alloc(COUNT, sizeof(float))};
  memset(m->output, 0xff, BYTES);
  omp_set_num_threads(threads);
  return (hd_case){.size = 3 * (BYTES >> 10), .threads = threads, .seed = 1, .state = m};
}

static long wrong_elements(const hd_case *c) {
  const memory_case *m = c->state;
  long wrong = 0;
  for (long i = 0; i < m->n; i++) wrong += m->output[i] != b_of(c->seed, i) + 3 * c_of(c->seed, i);
  return wrong;
}

static void fresh_arrays_fault_by_the_page(void **state) {
  (void)state;
  const struct {
    hd_run *before, *run;
    long least, most;
    bool right;
  } rungs[] = {{unmap_a, run_fresh_by_one, least_faults(), most_faults(), true},
               {unmap_a, run_fresh_by_users, least_faults(), most_faults(), true},
               {unmap_a, run_fresh_huge, 1, least_faults() / 4, true},
               {map_a, run_fresh_kept, 0, 100, true},
               {unmap_a, run_fresh_untouched, -1, -1, false}};
  for (size_t i = 0; i < sizeof rungs / sizeof rungs[0]; i++) {
    memory_case m;
    hd_case c = triad_case(&m, 2);
    inputs_only.place(&c);
    rungs[i].before(&c);
    rungs[i].run(&c);
    inputs_only.collect(&c);
    inputs_only.release(&c);
    if (rungs[i].right)
      assert_int_equal(wrong_elements(&c), 0);
    else
      assert_true(wrong_elements(&c) > m.n / 2);
    const bool counted = rungs[i].most >= 0 && (rungs[i].run != run_fresh_huge || system_has_huge_pages());
    if (counted) assert_in_range((long)figure(&c, "page faults"), rungs[i].least, rungs[i].most);
    free(m.output);
  }
}

static void threads_are_bound_and_free_again(void **state) {
  (void)state;
  cpu_set_t before, after;
  assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
  hd_run *const runs[] = {run_triad_bound, run_triad_one_core};
  for (int i = 0; i < 2; i++) {
    memory_case m;
    hd_case c = triad_case(&m, 3);
    huge_by_users.place(&c);
    runs[i](&c);
    huge_by_users.collect(&c);
    huge_by_users.release(&c);
    assert_int_equal(wrong_elements(&c), 0);
    assert_int_equal((int)figure(&c, "bound threads"), 3);
    free(m.output);
    int different = 0;
#pragma omp parallel num_threads(3) private(after) reduction(+ : different)
    {
      different += sched_getaffinity(0, sizeof after, &after) != 0;
      different += !CPU_EQUAL(&before, &after);
    }
    assert_int_equal(different, 0);
  }
}

// A walk of n steps comes to every node once, and back.
static void a_list_is_one_ring(void **state) {
  (void)state;
  const hd_place *const places[] = {&shuffled, &shuffled_small, &in_order};
  enum { NODES = 1009 };
  static uint32_t order[NODES];
  for (uint32_t i = 0; i < NODES; i++) order[i] = i * 17 % NODES;
  for (int p = 0; p < 3; p++) {
    memory_case m = {.n = NODES, .order = order};
    hd_case c = {.size = NODES / 16, .threads = 1, .state = &m};
    places[p]->place(&c);
    bool seen[NODES] = {false};
    long steps = 0;
    for (const node *at = m.nodes; !seen[at - m.nodes]; at = at->next, steps++) {
      seen[at - m.nodes] = true;
      const node *ahead = at;
      for (int i = 0; i < AHEAD; i++) ahead = ahead->next;
      assert_ptr_equal(at->ahead, ahead);
      assert_int_equal((uintptr_t)at % LINE, 0);
    }
    assert_int_equal(steps, NODES);
    hd_run *const walks[] = {run_chase, run_chase_four, run_chase_ahead};
    for (int w = 0; w < 3; w++)
      for (int again = 0; again < 3; again++) {
        if (p == 2 && walks[w] == run_chase_four) continue;  // knows the random order only
        walks[w](&c);
        assert_int_equal((int)m.walked, STEPS % NODES);
      }
    places[p]->release(&c);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_page_comes_when_it_is_written),
      cmocka_unit_test(fresh_arrays_fault_by_the_page),
      cmocka_unit_test(threads_are_bound_and_free_again),
      cmocka_unit_test(a_list_is_one_ring),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
