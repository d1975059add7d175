// SPDX-License-Identifier: MIT
// A product whose operands lie on several ranks: bitwise what one rank computes in the same order of
// additions, for every way to cut, every world and awkward shapes, on CPU ranks and on GPUs; messages, bytes
// and memory of the formulas; their time on the virtual clock; an error, never a hang, when a rank fails.
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
#include <kernels/gemm/gemm.h>
#include <kernels/nn/link.h>
#include <lessons/20-sharded-gemm/sharded.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>

#include "faults.h"

static const int WORLDS[] = {1, 2, 3, 4, 8};
#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

static const strategy *const strategies[] = {&by_rows, &by_columns, &by_inner, &summa, &summa_overlapped};

static enum place places[2] = {ON_CPU};
static size_t place_count = 1;

typedef struct task {
  problem problem;
  float *a, *b, *c, *serial;
  double *right;
  size_t count;
} task;

static task open_task(long m, long n, long k) {
  task t = {.count = (size_t)(m * n)};
  t.a = malloc((size_t)(m * k) * sizeof *t.a);
  t.b = malloc((size_t)(k * n) * sizeof *t.b);
  t.c = malloc(t.count * sizeof *t.c);
  t.serial = malloc(t.count * sizeof *t.serial);
  t.right = malloc(t.count * sizeof *t.right);
  hd_fill_normal(t.a, (size_t)(m * k), 1, 0);
  hd_fill_normal(t.b, (size_t)(k * n), 1, 1);
  t.problem = (problem){m, n, k, t.a, t.b};
  return t;
}

static void close_task(task *t) {
  free(t->a);
  free(t->b);
  free(t->c);
  free(t->serial);
  free(t->right);
}

static trial request(const task *k, const strategy *s, enum place place, int world) {
  memset(k->c, 0xff, k->count * sizeof *k->c);  // NaN: what nobody writes is an error
  return (trial){
      .problem = &k->problem, .strategy = s, .place = place, .world = world, .threads = 1, .c = k->c};
}

// ---------------------------------------------------------------- the same numbers

// The longest dimension is 257: a product of single precision of that length.
static const long SHAPES[][3] = {{1, 1, 1}, {7, 3, 5}, {64, 64, 64}, {101, 37, 257}, {13, 128, 2}};

static void split_equals_whole(void **state) {
  (void)state;
  EACH(i, SHAPES) {
    task k = open_task(SHAPES[i][0], SHAPES[i][1], SHAPES[i][2]);
    const problem *p = &k.problem;
    hd_gemm_reference(false, false, p->m, p->n, p->k, 1, p->a, p->k, p->b, p->n, 0, k.right, p->n);
    for (size_t at = 0; at < place_count; at++) EACH(w, WORLDS) EACH(s, strategies) {
        trial t = request(&k, strategies[s], places[at], WORLDS[w]);
        if (run_ranks(&t)) fail_msg("%s", hd_comm_error_text());
        const double error = hd_compare(k.c, HD_F32, k.right, k.count);
        if (!(error <= hd_gemm_tolerance(p->k)))
          fail_msg("place %zu, %s, %d ranks, %ld × %ld × %ld: error %g", at, strategies[s]->name, WORLDS[w],
                   p->m, p->n, p->k, error);
      }
    close_task(&k);
  }
}

// Whole numbers have no rounding: every order of additions gives the same bits, on every place.
static void whole_numbers_are_bitwise_equal(void **state) {
  (void)state;
  task k = open_task(53, 47, 61);
  const problem *p = &k.problem;
  for (long i = 0; i < p->m * p->k; i++) k.a[i] = (float)((i * 37) % 17 - 8);
  for (long i = 0; i < p->k * p->n; i++) k.b[i] = (float)((i * 29) % 13 - 6);
  hd_gemm(false, false, p->m, p->n, p->k, 1, p->a, p->k, p->b, p->n, 0, k.serial, p->n);
  for (size_t at = 0; at < place_count; at++) EACH(w, WORLDS) EACH(s, strategies) {
      trial t = request(&k, strategies[s], places[at], WORLDS[w]);
      if (run_ranks(&t)) fail_msg("%s", hd_comm_error_text());
      assert_memory_equal(k.c, k.serial, k.count * sizeof *k.c);
    }
  close_task(&k);
}

// The serial twin of a strategy: the same additions in the same order, by one thread.
static void serial_inner(const task *k, int world) {
  const problem *p = &k->problem;
  float *addend = malloc(k->count * sizeof *addend);
  for (int r = 0; r < world; r++) {
    const range inner = part_of(p->k, world, r);
    hd_gemm(false, false, p->m, p->n, inner.count, 1, p->a + inner.from, p->k, p->b + inner.from * p->n, p->n,
            0, r ? addend : k->serial, p->n);
    for (size_t i = 0; r && i < k->count; i++) k->serial[i] += addend[i];
  }
  free(addend);
}

static void serial_panels(const task *k, int world) {
  const problem *p = &k->problem;
  const int rows = grid_rows(world), columns = world / rows;
  int panels = 2 * columns;
  while (panels % rows) panels += 2 * columns;
  for (int t = 0; t < panels; t++) {
    const range inner = part_of(p->k, panels, t);
    hd_gemm(false, false, p->m, p->n, inner.count, 1, p->a + inner.from, p->k, p->b + inner.from * p->n, p->n,
            t ? 1 : 0, k->serial, p->n);
  }
}

static void cpu_ranks_are_bitwise_their_serial_twins(void **state) {
  (void)state;
  task k = open_task(101, 37, 257);
  const problem *p = &k.problem;
  omp_set_num_threads(1);
  EACH(w, WORLDS) EACH(s, strategies) {
    trial t = request(&k, strategies[s], ON_CPU, WORLDS[w]);
    assert_int_equal(run_ranks(&t), 0);
    if (strategies[s] == &by_inner)
      serial_inner(&k, WORLDS[w]);
    else if (strategies[s] == &summa || strategies[s] == &summa_overlapped)
      serial_panels(&k, WORLDS[w]);
    else
      hd_gemm(false, false, p->m, p->n, p->k, 1, p->a, p->k, p->b, p->n, 0, k.serial, p->n);
    if (memcmp(k.c, k.serial, k.count * sizeof *k.c))
      fail_msg("%s on %d ranks differs from one", strategies[s]->name, WORLDS[w]);
  }
  close_task(&k);
}

static void mistakes_are_found(void **state) {
  (void)state;
  const strategy *const mistakes[] = {&wrong_no_sum, &wrong_remainder};
  task k = open_task(31, 31, 31);
  hd_gemm_reference(false, false, 31, 31, 31, 1, k.a, 31, k.b, 31, 0, k.right, 31);
  EACH(s, mistakes) {
    trial alone = request(&k, mistakes[s], ON_CPU, 1);  // on one rank neither is a mistake
    assert_int_equal(run_ranks(&alone), 0);
    assert_true(hd_compare(k.c, HD_F32, k.right, k.count) <= hd_gemm_tolerance(31));
    trial t = request(&k, mistakes[s], ON_CPU, 3);
    assert_int_equal(run_ranks(&t), 0);
    assert_true(hd_compare(k.c, HD_F32, k.right, k.count) > 0.1);
  }
  close_task(&k);
}

// ---------------------------------------------------------------- the formulas

static void messages_bytes_and_memory_are_those_of_the_formulas(void **state) {
  (void)state;
  const long shapes[][3] = {{48, 96, 144}, {101, 37, 257}};
  EACH(i, shapes) {
    task k = open_task(shapes[i][0], shapes[i][1], shapes[i][2]);
    for (size_t at = 0; at < place_count; at++) EACH(w, WORLDS) EACH(s, strategies) {
        trial t = request(&k, strategies[s], places[at], WORLDS[w]);
        t.timed_steps = 1;
        assert_int_equal(run_ranks(&t), 0);
        const paper on = strategies[s]->on_paper(&k.problem, WORLDS[w], 0, 1);
        if (t.messages != on.messages || t.bytes != on.bytes || t.memory != on.memory)
          fail_msg("place %zu, %s on %d ranks: %g messages, %g bytes sent, %g kept; on paper %g, %g, %g", at,
                   strategies[s]->name, WORLDS[w], t.messages, t.bytes, t.memory, on.messages, on.bytes,
                   on.memory);
      }
    close_task(&k);
  }
}

// The bytes that make SUMMA scale: on 8 ranks 4 parts arrive and not 7, and no rank has room for a whole
// matrix.
static void a_grid_sends_and_keeps_less(void **state) {
  (void)state;
  const problem p = {840, 840, 840, NULL, NULL};
  for (int world = 4; world <= 64; world *= 2) {
    const paper one = by_rows.on_paper(&p, world, 0, 1), two = summa.on_paper(&p, world, 0, 1);
    assert_true(two.bytes < one.bytes);
    assert_true(two.memory < one.memory);
  }
  assert_int_equal(grid_rows(1), 1);
  assert_int_equal(grid_rows(3), 1);
  assert_int_equal(grid_rows(8), 2);
  assert_int_equal(grid_rows(12), 3);
}

static const double LAUNCH_S = 2.6e-6;  // by the host: of the first work of a step, of a kernel

static void assert_about(double seconds, double expected, const char *what, const strategy *s, int world) {
  if (!(fabs(seconds - expected) <= 0.02 * expected + LAUNCH_S))
    fail_msg("%s on %d GPUs: %s take %.1f us, not %.1f", s->name, world, what, seconds * 1e6, expected * 1e6);
}

// On the virtual clock: messages take what the formula says (inner: and the additions of p vectors at the
// speed of memory); a step takes its messages and its products one after the other, or, overlapped, the
// longer of both and one panel of the shorter, which has nothing to hide behind.
static void times_are_those_of_the_formulas(void **state) {
  (void)state;
  if (place_count < 2 || !hd_device_simulated()) skip();
  task k = open_task(2048, 2048, 2048);
  double alpha_s, bytes_per_s, flops_per_s, memory_bytes_per_s;
  assert_int_equal(hd_link_cost(true, 1 << 21, &alpha_s, &bytes_per_s), 0);
  hd_device_peaks(&flops_per_s, &memory_bytes_per_s);
  setenv("CUSIM_EXECUTE", "sampled", 1);  // times do not depend on the numbers
  for (int world = 2; world <= 8; world *= 2) EACH(i, strategies) {
      const strategy *s = strategies[i];
      trial t = request(&k, s, ON_GPU, world);
      t.timed_steps = 1;
      assert_int_equal(run_ranks(&t), 0);
      const double on_paper_s = s->on_paper(&k.problem, world, alpha_s, bytes_per_s).messages_s;
      const double longer = fmax(t.products_s, t.messages_s), shorter = fmin(t.products_s, t.messages_s);
      if (s == &summa_overlapped) {
        const int panels = world == 8 ? 8 : 4;
        assert_true(t.messages_s <= on_paper_s + 3e-6);
        assert_about(t.step_s, longer + shorter / panels, "overlapped steps", s, world);
      } else {
        const double vectors = 4.0 * (world + 1) / world * (double)k.count,
                     adding_s = s == &by_inner ? vectors / (0.9 * memory_bytes_per_s) + LAUNCH_S : 0;
        assert_about(t.messages_s, on_paper_s + adding_s, "messages", s, world);
        assert_about(t.step_s, t.products_s + t.messages_s, "steps", s, world);
      }
    }
  unsetenv("CUSIM_EXECUTE");
  close_task(&k);
}

// ---------------------------------------------------------------- failing

static void assert_names_the_fault(const strategy *s, enum fault fault, int world) {
  const char *text = hd_comm_error_text();
  char dead[32];
  snprintf(dead, sizeof dead, "rank %d: aborted", world - 1);
  const bool named = fault == DIES ? strstr(text, dead) && strstr(text, "told to die")
                                   : strstr(text, "missing rank") && strstr(text, "#1 of ");
  if (!named) fail_msg("%s on %d ranks: \"%s\"", s->name, world, text);
}

// Who dies says so; who leaves is missed by those who wait, with the operation and its number.
static void a_failing_rank_is_an_error(void **state) {
  (void)state;
  task k = open_task(24, 24, 24);
  for (size_t at = 0; at < place_count; at++) EACH(w, WORLDS) EACH(s, strategies) {
      for (int f = DIES; f <= LEAVES && WORLDS[w] > 1; f++) {
        trial t = request(&k, strategies[s], places[at], WORLDS[w]);
        t.deadline_s = deadline_s(false, 0);
        t.fault = (enum fault)f;
        const double start = hd_wall();
        assert_int_equal(run_ranks(&t), -1);
        assert_true(hd_wall() - start < 10);
        assert_names_the_fault(strategies[s], t.fault, WORLDS[w]);
      }
    }
  close_task(&k);
}

int main(void) {
  setenv("CUSIM_DEVICES", "8", 0);  // a GPU for each rank
  if (hd_device_count() > 0) places[place_count++] = ON_GPU;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(split_equals_whole),
      cmocka_unit_test(whole_numbers_are_bitwise_equal),
      cmocka_unit_test(cpu_ranks_are_bitwise_their_serial_twins),
      cmocka_unit_test(mistakes_are_found),
      cmocka_unit_test(messages_bytes_and_memory_are_those_of_the_formulas),
      cmocka_unit_test(a_grid_sends_and_keeps_less),
      cmocka_unit_test(times_are_those_of_the_formulas),
      cmocka_unit_test(a_failing_rank_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
