// SPDX-License-Identifier: MIT
// hd_gemm against its double-precision reference: shapes, transposes, factors, leading dimensions, thread
// counts, several callers at once; and the BLAS libraries, where there are any, against the same.
#include <math.h>
#include <omp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "heddle/bench.h"
#include "heddle/blas.h"
#include "heddle/error.h"
#include "heddle/random.h"
#include "kernels/gemm/gemm.h"

typedef struct shape {
  bool trans_a, trans_b;
  long m, n, k;
  float alpha, beta;
  long pad;   // floats between the end of a stored row and the next
  int teams;  // by 1, 2 … so many threads in turn; 0: by as many as are set
} shape;

// Between -1 and 1, four from a draw: it is done often.
static void fill(float *x, long count, uint64_t stream) {
  for (long i = 0; i < count; i += 4) {
    const hd_random4 r = hd_philox(1, stream, (uint64_t)i);
    for (long k = 0; k < 4 && i + k < count; k++) x[i + k] = 2 * hd_uniform(r.v[k]) - 1;
  }
}

// The largest relative error of one product, for any of its teams; infinity also if anything outside C's
// columns was written. The C it starts from is NaN where it must not be read (beta = 0, and the padding).
static double error_of(const shape *s, const hd_blas *library) {
  const long lda = (s->trans_a ? s->m : s->k) + s->pad, ldb = (s->trans_b ? s->k : s->n) + s->pad;
  const long ldc = s->n + s->pad;
  const long a_count = (s->trans_a ? s->k : s->m) * lda, b_count = (s->trans_b ? s->n : s->k) * ldb;
  float *a = hd_alloc((size_t)a_count, sizeof(float)), *b = hd_alloc((size_t)b_count, sizeof(float));
  const size_t c_bytes = (size_t)(s->m * ldc) * sizeof(float);
  float *c = hd_alloc(c_bytes, 1), *start = hd_alloc(c_bytes, 1);
  float *tight = hd_alloc((size_t)(s->m * s->n), sizeof(float));
  double *expected = hd_alloc((size_t)(s->m * s->n), sizeof(double));
  fill(a, a_count, 1);
  fill(b, b_count, 2);
  fill(start, s->m * ldc, 3);
  for (long i = 0; i < s->m; i++)
    for (long j = 0; j < ldc; j++) {
      float *x = &start[i * ldc + j];
      if (j < s->n) expected[i * s->n + j] = s->beta == 0 ? (double)NAN : (double)*x;
      if (j >= s->n || s->beta == 0) *x = NAN;
    }
  hd_gemm_reference(s->trans_a, s->trans_b, s->m, s->n, s->k, s->alpha, a, lda, b, ldb, s->beta, expected,
                    s->n);
  double error = 0;
  for (int team = 1; team <= (s->teams ? s->teams : 1); team++) {
    if (s->teams) omp_set_num_threads(team);
    memcpy(c, start, c_bytes);
    if (library)
      hd_blas_sgemm(library, s->trans_a, s->trans_b, s->m, s->n, s->k, s->alpha, a, lda, b, ldb, s->beta, c,
                    ldc);
    else
      hd_gemm(s->trans_a, s->trans_b, s->m, s->n, s->k, s->alpha, a, lda, b, ldb, s->beta, c, ldc);
    for (long i = 0; i < s->m; i++) {
      memcpy(tight + i * s->n, c + i * ldc, sizeof(float) * (size_t)s->n);
      for (long j = s->n; j < ldc; j++)
        if (!isnan(c[i * ldc + j])) error = INFINITY;
    }
    const double difference = hd_compare(tight, HD_F32, expected, (size_t)(s->m * s->n));
    if (!(difference <= error)) error = difference;
  }
  free(a), free(b), free(c), free(start), free(tight), free(expected);
  return error;
}

static void check(const shape *s, const hd_blas *library) {
  const double error = error_of(s, library), allowed = hd_gemm_tolerance(s->k);
  if (!(error <= allowed))
    fail_msg("%c%c m=%ld n=%ld k=%ld alpha=%g beta=%g pad=%ld threads<=%d: error %g, allowed %g",
             s->trans_a ? 'T' : 'N', s->trans_b ? 'T' : 'N', s->m, s->n, s->k, (double)s->alpha,
             (double)s->beta, s->pad, omp_get_max_threads(), error, allowed);
}

// Every combination of transposes over a list of shapes.
static void check_shapes(const long shapes[][3], int count, float alpha, float beta, long pad, int teams) {
  for (int i = 0; i < count; i++)
    for (int t = 0; t < 4; t++)
      check(&(shape){t & 1, t >> 1, shapes[i][0], shapes[i][1], shapes[i][2], alpha, beta, pad, teams}, NULL);
}

// 1, primes, one more or less than a register tile, a panel or a block; tall, wide, deep; the layers of an
// MLP.
static const long shapes[][3] = {{1, 1, 1},      {1, 33, 7},      {33, 1, 7},      {7, 33, 1},
                                 {2, 3, 5},      {8, 32, 4},      {9, 33, 5},      {31, 31, 31},
                                 {64, 64, 64},   {127, 131, 257}, {129, 97, 513},  {200, 40, 700},
                                 {13, 4113, 17}, {1027, 19, 11},  {5, 7, 1543},    {64, 129, 784},
                                 {128, 10, 256}, {392, 64, 128},  {137, 133, 521}, {401, 389, 131}};

static void test_shapes(void **state) {
  (void)state;
  check_shapes(shapes, HD_COUNT(shapes), 1, 0, 0, 3);
}

static void test_factors(void **state) {
  (void)state;
  static const long some[][3] = {{9, 33, 5}, {40, 70, 600}, {129, 97, 1030}};
  static const float factors[] = {0, 1, -1, 0.5f};
  for (int i = 0; i < HD_COUNT(factors); i++)
    for (int j = 0; j < HD_COUNT(factors); j++)
      check_shapes(some, HD_COUNT(some), factors[i], factors[j], 0, 2);
}

static void test_leading_dimensions(void **state) {
  (void)state;
  omp_set_num_threads(2);
  for (long pad = 1; pad <= 38; pad += 37) check_shapes(shapes, HD_COUNT(shapes), 1, 0.5f, pad, 0);
}

// Nothing to do leaves C alone; an empty sum scales it; neither reads A or B.
static void test_empty(void **state) {
  (void)state;
  float c[4] = {1, 2, 3, 4};
  hd_gemm(false, false, 0, 2, 2, 1, NULL, 2, NULL, 2, 0, c, 2);
  hd_gemm(false, false, 2, 0, 2, 1, NULL, 2, NULL, 2, 0, c, 2);
  assert_true(c[0] == 1 && c[1] == 2 && c[2] == 3 && c[3] == 4);
  hd_gemm(false, false, 2, 2, 0, 1, NULL, 2, NULL, 2, 2, c, 2);
  assert_true(c[0] == 2 && c[1] == 4 && c[2] == 6 && c[3] == 8);
  c[1] = NAN;
  hd_gemm(true, true, 2, 2, 3, 0, NULL, 2, NULL, 2, 0, c, 2);
  assert_true(c[0] == 0 && c[1] == 0 && c[2] == 0 && c[3] == 0);
}

// A NaN of the input must arrive in its row and column of the output and nowhere else.
static void test_nan_input(void **state) {
  (void)state;
  enum { N = 50 };
  static float a[N * N], b[N * N], c[N * N];
  fill(a, N * N, 1);
  fill(b, N * N, 2);
  a[3 * N + 7] = NAN;
  hd_gemm(false, false, N, N, N, 1, a, N, b, N, 0, c, N);
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) assert_int_equal(isnan(c[i * N + j]) != 0, i == 3);
}

// The same bits whatever the number of threads: each element is summed in the same order.
static void same_bits(long m, long n, long k) {
  const size_t count = (size_t)(m * n);
  float *a = hd_alloc((size_t)(m * k), sizeof(float)), *b = hd_alloc((size_t)(k * n), sizeof(float));
  float *c[3];
  fill(a, m * k, 1);
  fill(b, k * n, 2);
  for (int threads = 1; threads <= 3; threads++) {
    float *out = c[threads - 1] = hd_alloc(count, sizeof(float));
    omp_set_num_threads(threads);
    hd_gemm(false, false, m, n, k, 1, a, k, b, n, 0, out, n);
    assert_memory_equal(out, c[0], count * sizeof(float));
  }
  for (int i = 0; i < 3; i++) free(c[i]);
  free(a), free(b);
}

static void test_deterministic(void **state) {
  (void)state;
  same_bits(130, 97, 1100);
  same_bits(401, 389, 131);  // cut by rows
  same_bits(130, 389, 131);  // by columns
}

typedef struct caller {
  int threads;
  double error;  // of its worst product, over what is allowed
} caller;

static void *call(void *argument) {
  caller *me = argument;
  omp_set_num_threads(me->threads);
  for (int repeat = 0; repeat < 20; repeat++) {
    const shape s = {repeat & 1, repeat >> 1 & 1, 64 + repeat, 90 + 7 * repeat, 300 + repeat, 1, 0, 0, 0};
    const double relative = error_of(&s, NULL) / hd_gemm_tolerance(s.k);
    if (!(relative <= me->error)) me->error = relative;
  }
  return NULL;
}

// Rank threads of one process call it at the same time, alone or with a team each.
static void test_concurrent_callers(void **state) {
  (void)state;
  for (int threads = 1; threads <= 2; threads++) {
    pthread_t thread[3];
    caller callers[3];
    for (int i = 0; i < 3; i++) {
      callers[i] = (caller){threads, 0};
      assert_int_equal(pthread_create(&thread[i], NULL, call, &callers[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
      pthread_join(thread[i], NULL);
      assert_true(callers[i].error <= 1);
    }
  }
}

// Ranks may be the threads of a parallel region too: each gets its own whole product.
static void test_inside_parallel_region(void **state) {
  (void)state;
  double worst = 0;
#pragma omp parallel num_threads(3) reduction(max : worst)
  {
    const shape s = {false, true, 70 + omp_get_thread_num(), 100, 530, 1, 0, 0, 0};
    const double relative = error_of(&s, NULL) / hd_gemm_tolerance(s.k);
    worst = isnan(relative) ? INFINITY : relative;
  }
  assert_true(worst <= 1);
}

static void test_libraries(void **state) {
  (void)state;
  for (int kind = 0; kind < HD_BLAS_KINDS; kind++) {
#if defined(__SANITIZE_ADDRESS__)
    // BLIS 0.9 leaves pointers behind at which the leak checker itself crashes when the process ends.
    if (kind == HD_BLAS_BLIS || kind == HD_BLAS_BLIS_BEST) continue;
#endif
    const hd_blas *library = hd_blas_open((enum hd_blas_kind)kind);
    if (!library) continue;
    assert_ptr_equal(library, hd_blas_open((enum hd_blas_kind)kind));
    assert_true(hd_blas_core_name(library)[0] != 0 && hd_blas_path(library)[0] != 0);
    for (int i = 0; i < HD_COUNT(shapes); i++)
      for (int t = 0; t < 4; t++)
        check(&(shape){t & 1, t >> 1, shapes[i][0], shapes[i][1], shapes[i][2], 1, 0, 0, 2}, library);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_shapes),
      cmocka_unit_test(test_factors),
      cmocka_unit_test(test_leading_dimensions),
      cmocka_unit_test(test_empty),
      cmocka_unit_test(test_nan_input),
      cmocka_unit_test(test_deterministic),
      cmocka_unit_test(test_concurrent_callers),
      cmocka_unit_test(test_inside_parallel_region),
      cmocka_unit_test(test_libraries),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
