// SPDX-License-Identifier: MIT
// The communicator as comm.h promises it: results, traffic, and how calls that can never complete end.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <heddle/clock.h>
#include <heddle/comm.h>
#include <heddle/random.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_WORLD = 8, STARTED = 20 };
static const int WORLDS[] = {1, 2, 3, 4, 8};
static const size_t COUNTS[] = {0, 1, 7, 1000, 100003};
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
static const double DEADLINE_S = 0.3;

// cmocka's asserts may only be used on the main thread, so ranks report into this.
typedef struct job {
  size_t count;
  enum hd_reduce_op op;
  int root;
  float *data[MOST_WORLD], *out[MOST_WORLD];
  hd_traffic traffic[MOST_WORLD];
  int result[MOST_WORLD], later[MOST_WORLD];
} job;

static float input(int rank, size_t i) {
  return hd_random_normal(5, (uint64_t)rank, i);
}

static float *filled(int rank, size_t count) {
  float *x = test_malloc((count + 1) * sizeof *x);
  for (size_t i = 0; i < count; i++) x[i] = input(rank, i);
  x[count] = 12345;  // one behind the end
  return x;
}

static job *new_job(int world, size_t in_count, size_t out_count, size_t count) {
  job *j = test_calloc(1, sizeof *j);
  j->count = count;
  for (int r = 0; r < world; r++) {
    j->data[r] = filled(r, in_count);
    j->out[r] = test_malloc((out_count + 1) * sizeof(float));
    for (size_t i = 0; i <= out_count; i++) j->out[r][i] = NAN;
  }
  return j;
}

static void end(job *j) {
  for (int r = 0; r < MOST_WORLD; r++)
    if (j->data[r]) test_free(j->data[r]), test_free(j->out[r]);
  test_free(j);
}

static void run(int world, enum hd_order order, void (*body)(hd_comm *, void *), job *j) {
  if (hd_comm_run(world, HD_COMM_THREADS, order, 1, 5, body, j)) fail_msg("%s", hd_comm_error_text());
  assert_string_equal(hd_comm_error_text(), "");
}

static float combine(float a, float b, enum hd_reduce_op op) {
  return op == HD_SUM ? a + b : op == HD_MAX ? fmaxf(a, b) : fminf(a, b);
}

static float serial(int world, size_t i, enum hd_reduce_op op) {
  float sum = input(0, i);
  for (int r = 1; r < world; r++) sum = combine(sum, input(r, i), op);
  return sum;
}

// Bitwise for one order; for the other within rounding of the magnitudes summed.
static void assert_sum(float got, int world, size_t i, enum hd_reduce_op op, enum hd_order order) {
  const float expected = serial(world, i, op);
  if (order == HD_ORDER_RANK || op != HD_SUM) {
    assert_memory_equal(&got, &expected, sizeof got);
    return;
  }
  double magnitude = 0;
  for (int r = 0; r < world; r++) magnitude += fabs((double)input(r, i));
  assert_true(fabs((double)got - (double)expected) <= 1e-6 * magnitude);
}

static void all_reduce_body(hd_comm *c, void *arg) {
  job *j = arg;
  const int r = hd_comm_rank(c);
  hd_all_reduce(c, j->data[r], j->count, j->op);
  j->traffic[r] = hd_comm_traffic(c);
}

static void all_reduce_sums(void **state) {
  (void)state;
  for (int order = HD_ORDER_RANK; order <= HD_ORDER_RING; order++)
    for (size_t w = 0; w < LENGTH(WORLDS); w++)
      for (size_t n = 0; n < LENGTH(COUNTS); n++)
        for (int op = HD_SUM; op <= HD_MIN; op++) {
          const int world = WORLDS[w];
          job *j = new_job(world, COUNTS[n], 0, COUNTS[n]);
          j->op = (enum hd_reduce_op)op;
          run(world, (enum hd_order)order, all_reduce_body, j);
          for (int r = 0; r < world; r++) {
            for (size_t i = 0; i < j->count; i++)
              assert_sum(j->data[r][i], world, i, j->op, (enum hd_order)order);
            assert_memory_equal(j->data[r], j->data[0], j->count * sizeof(float));
            assert_true(j->data[r][j->count] == 12345);
          }
          end(j);
        }
}

// 2(N-1)/N · S bytes a rank when N divides the count; 2(N-1)·S in all for any count.
static void all_reduce_moves_what_the_formula_says(void **state) {
  (void)state;
  for (int order = HD_ORDER_RANK; order <= HD_ORDER_RING; order++)
    for (size_t w = 0; w < LENGTH(WORLDS); w++) {
      const uint64_t world = (uint64_t)WORLDS[w];
      const size_t counts[] = {24 * 4096, 100003};
      for (int n = 0; n < 2; n++) {
        job *j = new_job((int)world, counts[n], 0, counts[n]);
        run((int)world, (enum hd_order)order, all_reduce_body, j);
        const uint64_t bytes = counts[n] * sizeof(float);
        uint64_t all = 0;
        for (uint64_t r = 0; r < world; r++) {
          all += j->traffic[r].bytes;
          if (n == 0) assert_int_equal(j->traffic[r].bytes, 2 * (world - 1) * bytes / world);
          assert_int_equal(j->traffic[r].messages, 2 * (world - 1));
        }
        assert_int_equal(all, 2 * (world - 1) * bytes);
        end(j);
      }
    }
}

static void others_body(hd_comm *c, void *arg) {
  job *j = arg;
  const int r = hd_comm_rank(c);
  const size_t n = j->count;
  float *out = j->out[r];  // reduce, broadcast, reduce_scatter, all_gather, each behind the other
  memcpy(out + n, j->data[r], n * sizeof(float));
  j->result[r] = hd_reduce(c, j->data[r], out, n, j->root) || hd_broadcast(c, out + n, n, j->root) ||
                 hd_reduce_scatter(c, j->data[r], out + 2 * n, n) ||
                 hd_all_gather(c, j->data[r], out + 3 * n, n) || hd_barrier(c);
}

static void other_collectives(void **state) {
  (void)state;
  for (int order = HD_ORDER_RANK; order <= HD_ORDER_RING; order++)
    for (size_t w = 0; w < LENGTH(WORLDS); w++)
      for (size_t k = 0; k < LENGTH(COUNTS); k++) {
        const int world = WORLDS[w];
        const size_t n = COUNTS[k] / 8;  // inputs of reduce_scatter are world × n
        job *j = new_job(world, (size_t)world * n, (size_t)(3 + world) * n, n);
        j->root = world - 1;
        run(world, (enum hd_order)order, others_body, j);
        for (int r = 0; r < world; r++) {
          const float *out = j->out[r];
          assert_int_equal(j->result[r], 0);
          for (size_t i = 0; i < n; i++) {
            if (r == j->root) assert_sum(out[i], world, i, HD_SUM, (enum hd_order)order);
            if (r != j->root) assert_true(isnan(out[i]));
            assert_true(out[n + i] == input(j->root, i));
            assert_sum(out[2 * n + i], world, (size_t)r * n + i, HD_SUM, (enum hd_order)order);
            for (int p = 0; p < world; p++) assert_true(out[(size_t)(3 + p) * n + i] == input(p, i));
          }
          for (size_t i = 0; i < (size_t)world * n; i++) assert_true(j->data[r][i] == input(r, i));
        }
        end(j);
      }
}

// Every rank passes to the right, an even one sending first: no two ranks wait for each other.
static void pass_right(hd_comm *c, void *arg) {
  job *j = arg;
  const int r = hd_comm_rank(c), world = hd_comm_world(c), right = (r + 1) % world,
            left = (r + world - 1) % world;
  for (int turn = 0; turn < 3; turn++) {
    if (r % 2 == 0)
      j->result[r] |= hd_send(c, j->data[r], j->count, right) | hd_recv(c, j->out[r], j->count, left);
    else
      j->result[r] |= hd_recv(c, j->out[r], j->count, left) | hd_send(c, j->data[r], j->count, right);
  }
  j->traffic[r] = hd_comm_traffic(c);
}

static void messages_arrive(void **state) {
  (void)state;
  for (int world = 2; world <= MOST_WORLD; world++)
    for (size_t n = 1; n < LENGTH(COUNTS); n++) {
      job *j = new_job(world, COUNTS[n], COUNTS[n], COUNTS[n]);
      run(world, HD_ORDER_RANK, pass_right, j);
      for (int r = 0; r < world; r++) {
        assert_int_equal(j->result[r], 0);
        assert_memory_equal(j->out[r], j->data[(r + world - 1) % world], j->count * sizeof(float));
        assert_int_equal(j->traffic[r].messages, 3);
        assert_int_equal(j->traffic[r].bytes, 3 * j->count * sizeof(float));
      }
      end(j);
    }
}

// Started operations, and blocking ones in between in an order of their own.
static void started_body(hd_comm *c, void *arg) {
  job *j = arg;
  const int r = hd_comm_rank(c);
  int handles[STARTED];
  for (size_t k = 0; k < STARTED; k++) {
    handles[k] = hd_all_reduce_start(c, j->data[r] + k * j->count, j->count, HD_SUM);
    j->result[r] |= handles[k] < 0;
    if (k % 4 == (size_t)r % 4) j->result[r] |= hd_wait(c, handles[k]);
    if (k == STARTED / 2) j->result[r] |= hd_barrier(c);
  }
  for (int k = STARTED - 1; k >= 0; k--) j->result[r] |= hd_wait(c, handles[k]);
}

static void started_operations_complete(void **state) {
  (void)state;
  for (int order = HD_ORDER_RANK; order <= HD_ORDER_RING; order++)
    for (size_t w = 0; w < LENGTH(WORLDS); w++) {
      const int world = WORLDS[w];
      job *j = new_job(world, STARTED * 1031, 0, 1031);
      run(world, (enum hd_order)order, started_body, j);
      for (int r = 0; r < world; r++) {
        assert_int_equal(j->result[r], 0);
        for (size_t i = 0; i < STARTED * j->count; i++)
          assert_sum(j->data[r][i], world, i, HD_SUM, (enum hd_order)order);
      }
      end(j);
    }
}

// ---- what can never complete. Each must end within the deadline, not hang, and say who and what.

static void expect_failure(int world, int failed, void (*body)(hd_comm *, void *), bool at_once,
                           const char *const *words) {
  job *j = new_job(world, 5000, 5000, 5000);
  const double start = hd_wall();
  assert_int_equal(hd_comm_run(world, HD_COMM_THREADS, HD_ORDER_RANK, 1, DEADLINE_S, body, j), failed);
  const double took = hd_wall() - start;
  assert_true(took < (at_once ? 0.8 * DEADLINE_S : 10 * DEADLINE_S));
  for (; *words; words++)
    if (!strstr(hd_comm_error_text(), *words)) fail_msg("'%s' is not in: %s", *words, hd_comm_error_text());
  for (int r = 0; r < world; r++) {
    assert_int_equal(j->later[r], j->result[r]);  // poisoned: the next call fails too
    for (size_t i = 0; i < j->count; i++) assert_true(j->data[r][i] == input(r, i));  // nothing moved
  }
  end(j);
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void another_operation(hd_comm *c, void *arg) {
  job *j = arg;
  const int r = hd_comm_rank(c);
  j->result[r] =
      r == 1 ? hd_broadcast(c, j->data[r], j->count, 0) : hd_all_reduce(c, j->data[r], j->count, HD_SUM);
  j->later[r] = hd_barrier(c);
}

static void another_count(hd_comm *c, void *arg) {
  job *j = arg;
  const int r = hd_comm_rank(c);
  j->result[r] = hd_all_reduce(c, j->data[r], r == 2 ? 4999 : 5000, HD_SUM);
  j->later[r] = hd_barrier(c);
}

static void another_reduction(hd_comm *c, void *arg) {
  job *j = arg;
  const int r = hd_comm_rank(c);
  j->result[r] = hd_all_reduce(c, j->data[r], j->count, r == 1 ? HD_MAX : HD_SUM);
  j->later[r] = hd_barrier(c);
}

static void another_root(hd_comm *c, void *arg) {
  job *j = arg;
  const int r = hd_comm_rank(c);
  j->result[r] = hd_broadcast(c, j->data[r], j->count, r == 1 ? 1 : 0);
  j->later[r] = hd_barrier(c);
}

static void wrong_message_size(hd_comm *c, void *arg) {
  job *j = arg;
  const int r = hd_comm_rank(c);
  j->result[r] = r == 0 ? hd_send(c, j->data[0], 100, 1) : hd_recv(c, j->out[1], 101, 0);
  j->later[r] = hd_barrier(c);
}

// Rank 1 is alive, but does not come.
static void slow_rank(hd_comm *c, void *arg) {
  job *j = arg;
  const int r = hd_comm_rank(c);
  const struct timespec longer = {0, (long)(2e9 * DEADLINE_S)};
  if (r == 1) nanosleep(&longer, NULL);
  j->result[r] = hd_all_reduce(c, j->data[r], j->count, HD_SUM);
  j->later[r] = hd_barrier(c);
}

static void rank_that_ends(hd_comm *c, void *arg) {
  job *j = arg;
  const int r = hd_comm_rank(c);
  if (r == 1) return;
  j->result[r] = hd_all_reduce(c, j->data[r], j->count, HD_SUM);
  j->later[r] = hd_barrier(c);
}

static void rank_that_aborts(hd_comm *c, void *arg) {
  job *j = arg;
  const int r = hd_comm_rank(c);
  if (r == 1) hd_comm_abort(c, "its loss is NaN");
  j->result[r] = hd_all_reduce(c, j->data[r], j->count, HD_SUM);
  j->later[r] = hd_barrier(c);
}

static void receiver_of_nothing(hd_comm *c, void *arg) {
  job *j = arg;
  const int r = hd_comm_rank(c);
  if (r == 1) return;
  j->result[r] = hd_recv(c, j->out[r], 10, 1);
  j->later[r] = hd_barrier(c);
}

static void started_by_one(hd_comm *c, void *arg) {
  job *j = arg;
  const int r = hd_comm_rank(c);
  if (r == 1) return;
  j->result[r] = hd_wait(c, hd_all_reduce_start(c, j->data[r], j->count, HD_SUM));
  j->later[r] = hd_barrier(c);
}

static void failures_are_named(void **state) {
  (void)state;
  expect_failure(3, 3, another_operation, true, WORDS("rank 1", "all_reduce", "broadcast", "5000"));
  expect_failure(3, 3, another_count, true, WORDS("rank 2", "all_reduce", "5000", "4999"));
  expect_failure(3, 3, another_reduction, true, WORDS("rank 1", "sum", "max"));
  expect_failure(3, 3, another_root, true, WORDS("rank 1", "broadcast", "root"));
  expect_failure(2, 2, wrong_message_size, true, WORDS("rank 0", "rank 1", "send", "recv", "100", "101"));
  expect_failure(3, 3, slow_rank, false, WORDS("all_reduce", "0.3", "rank 1"));
  expect_failure(3, 2, rank_that_ends, true, WORDS("all_reduce", "rank 1", "ended"));
  expect_failure(4, 4, rank_that_aborts, true, WORDS("rank 1", "its loss is NaN"));
  expect_failure(2, 1, receiver_of_nothing, true, WORDS("rank 0", "recv", "rank 1"));
  expect_failure(2, 1, started_by_one, true, WORDS("rank 0", "all_reduce", "rank 1"));
}

static void nothing(hd_comm *c, void *arg) {
  (void)c, (void)arg;
}

static void bad_worlds_and_missing_gpus_are_refused(void **state) {
  (void)state;
  assert_true(hd_comm_run(0, HD_COMM_THREADS, HD_ORDER_RANK, 1, 0, nothing, NULL) > 0);
  assert_string_not_equal(hd_comm_error_text(), "");
#if !HD_HAVE_CUDA
  assert_true(hd_comm_run(2, HD_COMM_CUDA, HD_ORDER_RANK, 1, 0, nothing, NULL) > 0);
  assert_string_not_equal(hd_comm_error_text(), "");
#endif
  assert_int_equal(hd_comm_run(2, HD_COMM_THREADS, HD_ORDER_RANK, 1, 0, nothing, NULL), 0);
  assert_string_equal(hd_comm_error_text(), "");
}

static void shards_cover_everything(void **state) {
  (void)state;
  for (int world = 1; world <= 9; world++)
    for (size_t count = 0; count < 50; count++) {
      size_t next = 0, offset, length;
      for (int r = 0; r < world; r++) {
        hd_shard(count, r, world, &offset, &length);
        assert_int_equal(offset, next);
        assert_true(length == count / (size_t)world + ((size_t)r < count % (size_t)world));
        next += length;
      }
      assert_int_equal(next, count);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shards_cover_everything),
      cmocka_unit_test(all_reduce_sums),
      cmocka_unit_test(all_reduce_moves_what_the_formula_says),
      cmocka_unit_test(other_collectives),
      cmocka_unit_test(messages_arrive),
      cmocka_unit_test(started_operations_complete),
      cmocka_unit_test(failures_are_named),
      cmocka_unit_test(bad_worlds_and_missing_gpus_are_refused),
  };
  return cmocka_run_group_tests_name("communicator", tests, NULL, NULL);
}
