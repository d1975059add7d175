// SPDX-License-Identifier: MIT
// Collectives on CPU ranks and on GPU ranks (simulated or real): values bit for bit, traffic against the
// formulas.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka needs the first four headers above before it
#include <cmocka.h>
#include <heddle/comm.h>
#include <heddle/device.h>
#include <heddle/random.h>
#include <kernels/nn/ops.h>
#include <math.h>

#include "backends.h"

enum { MOST_WORLD = 8 };

static const int WORLDS[] = {1, 2, 3, 4, 8};
static const size_t COUNTS[] = {0, 1, 7, 1000, 1025, 100003};
static const double LONG_S = 20;

#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

// ---------------------------------------------------------------- one job: what every rank's body is given

typedef struct job {
  enum hd_backend backend;
  enum hd_order order;
  int world;
  size_t count;
  enum hd_reduce_op op;
  int root;
  int returned[MOST_WORLD];
  float *result[MOST_WORLD];  // (count or more), downloaded
  hd_traffic traffic[MOST_WORLD];
} job;

// A rank's memory: host memory, or its device's.
typedef struct memory {
  hd_ops *ops;
} memory;

static memory open_memory(const job *j, hd_comm *c) {
#if HD_HAVE_CUDA
  if (j->backend == HD_COMM_CUDA) return (memory){hd_ops_cuda(hd_comm_stream(c))};
#endif
  (void)j, (void)c;
  return (memory){hd_ops_cpu()};
}

// The input of a rank: cubes of random numbers, whose sums are rounded, so that the order of summation shows
// (uniform numbers themselves are multiples of 2^-23). Four from a draw: it is done often.
static void make_input(float *x, size_t count, int rank) {
  for (size_t i = 0; i < count; i += 4) {
    const hd_random4 r = hd_philox(1, (uint64_t)rank, i);
    for (size_t k = 0; k < 4 && i + k < count; k++) {
      const float u = 2 * hd_uniform(r.v[k]) - 1;
      x[i + k] = u * u * u;
    }
  }
}

static float *input_buffer(memory m, size_t count, int rank) {
  float *host = malloc((count + 1) * sizeof *host), *x = m.ops->alloc(m.ops, (count + 1) * sizeof *x);
  make_input(host, count, rank);
  m.ops->upload(m.ops, x, host, count * sizeof *x);
  free(host);
  return x;
}

static void finish(job *j, hd_comm *c, memory m, float *x, size_t count) {
  const int rank = hd_comm_rank(c);
  if (j->result[rank] && count > 0) m.ops->download(m.ops, j->result[rank], x, count * sizeof *x);
  j->traffic[rank] = hd_comm_traffic(c);
}

static void release(memory m, float *x, size_t count) {
  m.ops->free(m.ops, x, (count + 1) * sizeof *x);
}

static void run_job(job *j, size_t room, double deadline_s, void (*body)(hd_comm *, void *)) {
  for (int r = 0; r < j->world; r++) j->result[r] = calloc(room + 1, sizeof(float));
  const int failed = hd_comm_run(j->world, j->backend, j->order, 1, deadline_s, body, j);
  if (failed) fail_msg("%d of %d ranks failed: %s", failed, j->world, hd_comm_error_text());
  assert_string_equal(hd_comm_error_text(), "");
}

static void end_job(job *j) {
  for (int r = 0; r < j->world; r++) free(j->result[r]);
}

static void assert_same(const float *got, const float *expected, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (memcmp(&got[i], &expected[i], sizeof *got) != 0)
      fail_msg("element %zu of %zu is %.9g, not %.9g", i, count, (double)got[i], (double)expected[i]);
}

// ---------------------------------------------------------------- what must come out

static float *inputs[MOST_WORLD];
enum { ROOM = 100003 * MOST_WORLD };

static int make_inputs(void **state) {
  (void)state;
  for (int r = 0; r < MOST_WORLD; r++) {
    inputs[r] = malloc(ROOM * sizeof(float));
    make_input(inputs[r], ROOM, r);
  }
  return 0;
}

static int free_inputs(void **state) {
  (void)state;
  for (int r = 0; r < MOST_WORLD; r++) free(inputs[r]);
  return 0;
}

static float apply(float a, float b, enum hd_reduce_op op) {
  return op == HD_SUM ? a + b : op == HD_MAX ? fmaxf(a, b) : fminf(a, b);
}

// Elements [offset, offset + length) reduced in the order of ranks first, first + 1, … round the world.
static void reduce_from(float *out, size_t offset, size_t length, int world, int first,
                        enum hd_reduce_op op) {
  for (size_t i = offset; i < offset + length; i++) {
    float sum = inputs[first % world][i];
    for (int k = 1; k < world; k++) sum = apply(sum, inputs[(first + k) % world][i], op);
    out[i] = sum;
  }
}

static void expected_sum(float *out, const job *j) {
  if (j->order == HD_ORDER_RANK) {
    reduce_from(out, 0, j->count, j->world, 0, j->op);
    return;
  }
  for (int chunk = 0; chunk < j->world; chunk++) {  // starts at the rank after its owner, ends at its owner
    size_t offset, length;
    hd_shard(j->count, chunk, j->world, &offset, &length);
    reduce_from(out, offset, length, j->world, chunk + 1, j->op);
  }
}

// ---------------------------------------------------------------- all backends, orders, worlds and counts

static void for_all(void (*check)(job *)) {
  for (size_t b = 0; b < backend_count; b++)
    for (int order = HD_ORDER_RANK; order <= HD_ORDER_RING; order++) EACH(w, WORLDS) EACH(n, COUNTS) {
        job j = {.backend = backends[b], .order = order, .world = WORLDS[w], .count = COUNTS[n]};
        check(&j);
      }
}

static void all_reduce_body(hd_comm *c, void *arg) {
  job *j = arg;
  memory m = open_memory(j, c);
  float *x = input_buffer(m, j->count, hd_comm_rank(c));
  j->returned[hd_comm_rank(c)] = hd_all_reduce(c, x, j->count, HD_F32, j->op);
  finish(j, c, m, x, j->count);
  release(m, x, j->count);
  m.ops->close(m.ops);
}

static void assert_all_reduce_traffic(const job *j) {
  const uint64_t n = (uint64_t)j->world, bytes = j->count * sizeof(float);
  uint64_t total = 0;
  for (int r = 0; r < j->world; r++) total += j->traffic[r].bytes;
  const bool small = j->backend == HD_COMM_THREADS && j->order == HD_ORDER_RANK && j->count <= 1024;
  assert_int_equal(total, small ? n * (n - 1) * bytes : 2 * (n - 1) * bytes);
  for (int r = 0; r < j->world && j->count > 0; r++)
    assert_int_equal(j->traffic[r].messages, small ? n - 1 : 2 * (n - 1));
}

static void check_all_reduce(job *j) {
  float *expected = test_malloc((j->count + 1) * sizeof *expected);
  for (j->op = HD_SUM; j->op <= HD_MIN; j->op++) {
    run_job(j, j->count, LONG_S, all_reduce_body);
    expected_sum(expected, j);
    for (int r = 0; r < j->world; r++) {
      assert_int_equal(j->returned[r], 0);
      assert_same(j->result[r], expected, j->count);
    }
    assert_all_reduce_traffic(j);
    end_job(j);
  }
  test_free(expected);
}

static void all_reduce_is_bitwise_what_its_order_says(void **state) {
  (void)state;
  for_all(check_all_reduce);
}

static void traffic_is_the_formula_when_ranks_divide_the_count(void **state) {
  (void)state;
  for (size_t b = 0; b < backend_count; b++)
    for (int order = HD_ORDER_RANK; order <= HD_ORDER_RING; order++) EACH(w, WORLDS) {
        job j = {.backend = backends[b], .order = order, .world = WORLDS[w], .count = 9216, .op = HD_SUM};
        run_job(&j, j.count, LONG_S, all_reduce_body);
        const uint64_t n = (uint64_t)j.world;
        for (int r = 0; r < j.world; r++) {
          assert_int_equal(j.traffic[r].messages, 2 * (n - 1));
          assert_int_equal(j.traffic[r].bytes, 2 * (n - 1) * j.count * sizeof(float) / n);
        }
        end_job(&j);
      }
}

static void reduce_body(hd_comm *c, void *arg) {
  job *j = arg;
  memory m = open_memory(j, c);
  float *x = input_buffer(m, j->count, hd_comm_rank(c)), *y = input_buffer(m, j->count, MOST_WORLD);
  j->returned[hd_comm_rank(c)] =
      hd_reduce(c, x, hd_comm_rank(c) == j->root ? y : NULL, j->count, HD_F32, j->op, j->root);
  finish(j, c, m, y, j->count);
  release(m, x, j->count);
  release(m, y, j->count);
  m.ops->close(m.ops);
}

static void check_reduce(job *j) {
  float *expected = test_malloc((j->count + 1) * sizeof *expected);
  for (j->root = 0; j->root < j->world; j->root += 2) {
    j->op = (enum hd_reduce_op)(j->root / 2 % 3);
    run_job(j, j->count, LONG_S, reduce_body);
    reduce_from(expected, 0, j->count, j->world, 0, j->op);
    assert_same(j->result[j->root], expected, j->count);
    for (int r = 0; r < j->world; r++) {
      assert_int_equal(j->returned[r], 0);
      assert_int_equal(j->traffic[r].bytes, r == j->root ? 0 : j->count * sizeof(float));
    }
    end_job(j);
  }
  test_free(expected);
}

static void reduce_adds_on_the_root_in_rank_order(void **state) {
  (void)state;
  for_all(check_reduce);
}

static void broadcast_body(hd_comm *c, void *arg) {
  job *j = arg;
  memory m = open_memory(j, c);
  float *x = input_buffer(m, j->count, hd_comm_rank(c));
  j->returned[hd_comm_rank(c)] = hd_broadcast(c, x, j->count, HD_F32, j->root);
  finish(j, c, m, x, j->count);
  release(m, x, j->count);
  m.ops->close(m.ops);
}

static void check_broadcast(job *j) {
  for (j->root = 0; j->root < j->world; j->root += 2) {
    run_job(j, j->count, LONG_S, broadcast_body);
    for (int r = 0; r < j->world; r++) {
      assert_int_equal(j->returned[r], 0);
      assert_same(j->result[r], inputs[j->root], j->count);
      // NCCL's go round a ring, from each rank but the last to the next.
      const bool last = (r + 1) % j->world == j->root;
      const uint64_t messages = j->backend == HD_COMM_NCCL ? !last
                                : r == j->root             ? (uint64_t)j->world - 1
                                                           : 0;
      assert_int_equal(j->traffic[r].messages, messages);
      assert_int_equal(j->traffic[r].bytes, messages * j->count * sizeof(float));
    }
    end_job(j);
  }
}

static void broadcast_gives_everybody_the_roots_data(void **state) {
  (void)state;
  for_all(check_broadcast);
}

// Reduce-scatter, then all-gather of the result (in place): together an all-reduce of world × count.
static void scatter_gather_body(hd_comm *c, void *arg) {
  job *j = arg;
  const int rank = hd_comm_rank(c);
  const size_t whole = j->count * (size_t)j->world;
  memory m = open_memory(j, c);
  float *x = input_buffer(m, whole, rank), *y = input_buffer(m, whole, rank);
  float *own = y + (size_t)rank * j->count;
  j->returned[rank] =
      hd_reduce_scatter(c, x, own, j->count, HD_F32, j->op) || hd_all_gather(c, own, y, j->count, HD_F32);
  finish(j, c, m, y, whole);
  release(m, x, whole);
  release(m, y, whole);
  m.ops->close(m.ops);
}

static void check_scatter_gather(job *j) {
  const size_t whole = j->count * (size_t)j->world;
  float *expected = test_malloc((whole + 1) * sizeof *expected);
  run_job(j, whole, LONG_S, scatter_gather_body);
  job all = *j;
  all.count = whole;
  expected_sum(expected, &all);
  for (int r = 0; r < j->world; r++) {
    assert_int_equal(j->returned[r], 0);
    assert_same(j->result[r], expected, whole);
    assert_int_equal(j->traffic[r].bytes, 2 * (j->world - 1) * j->count * sizeof(float));
  }
  end_job(j);
  test_free(expected);
}

static void reduce_scatter_and_all_gather_make_an_all_reduce(void **state) {
  (void)state;
  for_all(check_scatter_gather);
}

// Every rank hands its vector to the right, 3 times; even ranks send first.
static void pass_right_body(hd_comm *c, void *arg) {
  job *j = arg;
  const int rank = hd_comm_rank(c), right = (rank + 1) % j->world, left = (rank + j->world - 1) % j->world;
  memory m = open_memory(j, c);
  float *x = input_buffer(m, j->count, rank), *y = input_buffer(m, j->count, rank);
  int bad = 0;
  for (int turn = 0; turn < 3; turn++) {
    if (rank % 2 == 0) {
      bad |= hd_send(c, x, j->count, HD_F32, right);
      bad |= hd_recv(c, y, j->count, HD_F32, left);
    } else {
      bad |= hd_recv(c, y, j->count, HD_F32, left);
      bad |= hd_send(c, x, j->count, HD_F32, right);
    }
    float *other = x;
    x = y;
    y = other;
  }
  j->returned[rank] = bad;
  finish(j, c, m, x, j->count);
  release(m, x, j->count);
  release(m, y, j->count);
  m.ops->close(m.ops);
}

static void check_pass_right(job *j) {
  if (j->world < 2) return;
  run_job(j, j->count, LONG_S, pass_right_body);
  for (int r = 0; r < j->world; r++) {
    assert_int_equal(j->returned[r], 0);
    assert_same(j->result[r], inputs[(r + 3 * j->world - 3) % j->world], j->count);
    assert_int_equal(j->traffic[r].messages, 3);
    assert_int_equal(j->traffic[r].bytes, 3 * j->count * sizeof(float));
  }
  end_job(j);
}

static void send_and_receive_move_vectors_round(void **state) {
  (void)state;
  for_all(check_pass_right);
}

// The vector in PARTS parts, started from the last one, a blocking call in between, waited for in another
// order.
enum { PARTS = 20 };
static void started_body(hd_comm *c, void *arg) {
  job *j = arg;
  memory m = open_memory(j, c);
  const int rank = hd_comm_rank(c);
  float *x = input_buffer(m, j->count, rank), *y = input_buffer(m, 2000, rank);
  int handle[PARTS], bad = 0;
  for (int part = PARTS - 1; part >= 0; part--) {
    size_t offset, length;
    hd_shard(j->count, part, PARTS, &offset, &length);
    handle[part] = hd_all_reduce_start(c, x + offset, length, HD_F32, j->op);
    bad |= handle[part] < 0;
    if (part == PARTS / 2) bad |= hd_all_reduce(c, y, 2000, HD_F32, HD_SUM);
  }
  for (int part = 0; part < PARTS; part++) bad |= hd_wait(c, handle[(part + 7) % PARTS]);
  bad |= hd_wait(c, handle[0]);  // a second time is fine
  j->returned[rank] = bad;
  finish(j, c, m, x, j->count);
  release(m, x, j->count);
  release(m, y, 2000);
  m.ops->close(m.ops);
}

static void check_started(job *j) {
  if (j->order != HD_ORDER_RANK) return;
  float *expected = test_malloc((j->count + 1) * sizeof *expected);
  run_job(j, j->count, LONG_S, started_body);
  expected_sum(expected, j);
  for (int r = 0; r < j->world; r++) {
    assert_int_equal(j->returned[r], 0);
    assert_same(j->result[r], expected, j->count);
  }
  end_job(j);
  test_free(expected);
}

static void started_all_reduces_complete(void **state) {
  (void)state;
  for_all(check_started);
}

// Many collectives in a row, all kinds, ranks out of step: no call may see the data of the one before or
// after.
static void long_run_body(hd_comm *c, void *arg) {
  job *j = arg;
  memory m = open_memory(j, c);
  const int rank = hd_comm_rank(c), rounds = j->backend == HD_COMM_CUDA ? 20 : 200;
  const float n = (float)j->world;
  float host[4], *x = input_buffer(m, 4, rank), *y = input_buffer(m, 4 * (size_t)j->world, rank);
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < 4; i++) host[i] = (float)(round + i + rank);
    m.ops->upload(m.ops, x, host, sizeof host);
    if ((round + rank) % 7 == 0) usleep(50);
    const int bad = hd_all_reduce(c, x, 4, HD_F32, HD_SUM) || (round % 3 == 0 && hd_barrier(c)) ||
                    hd_all_gather(c, x, y, 4, HD_F32) || hd_broadcast(c, y, 4, HD_F32, round % j->world);
    if (bad) return;
    m.ops->download(m.ops, host, y + 4 * ((size_t)round % (size_t)j->world), sizeof host);
    for (int i = 0; i < 4; i++)
      if (host[i] != n * (float)(round + i) + n * (n - 1) / 2) {
        hd_comm_abort(c, "wrong sum");
        return;
      }
  }
  release(m, x, 4);
  release(m, y, 4 * (size_t)j->world);
  m.ops->close(m.ops);
}

static void ranks_out_of_step_do_not_mix_calls(void **state) {
  (void)state;
  for (size_t b = 0; b < backend_count; b++)
    for (int order = HD_ORDER_RANK; order <= HD_ORDER_RING; order++) EACH(w, WORLDS) {
        job j = {.backend = backends[b], .order = order, .world = WORLDS[w]};
        run_job(&j, 0, LONG_S, long_run_body);
        end_job(&j);
      }
}

static void nan_body(hd_comm *c, void *arg) {
  job *j = arg;
  float x[3] = {1, 2, 3};
  x[hd_comm_rank(c)] = NAN;
  for (int op = HD_SUM; op <= HD_MIN; op++) {
    float y[3];
    memcpy(y, x, sizeof y);
    j->returned[hd_comm_rank(c)] |=
        hd_all_reduce(c, y, 3, HD_F32, op) || !isnan(y[0]) || !isnan(y[1]) || isnan(y[2]);
  }
}

static void not_a_number_on_one_rank_reaches_all(void **state) {
  (void)state;
  job j = {.world = 2};
  run_job(&j, 0, LONG_S, nan_body);
  for (int r = 0; r < 2; r++) assert_int_equal(j.returned[r], 0);
  end_job(&j);
}

static void shards_cover_everything_once(void **state) {
  (void)state;
  EACH(w, WORLDS) EACH(n, COUNTS) {
    size_t next = 0, longest = 0, shortest = SIZE_MAX;
    for (int r = 0; r < WORLDS[w]; r++) {
      size_t offset, length;
      hd_shard(COUNTS[n], r, WORLDS[w], &offset, &length);
      assert_int_equal(offset, next);
      next += length;
      if (length > longest) longest = length;
      if (length < shortest) shortest = length;
    }
    assert_int_equal(next, COUNTS[n]);
    assert_true(longest - shortest <= 1);
  }
}

int main(void) {
  find_backends(false);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shards_cover_everything_once),
      cmocka_unit_test(all_reduce_is_bitwise_what_its_order_says),
      cmocka_unit_test(traffic_is_the_formula_when_ranks_divide_the_count),
      cmocka_unit_test(reduce_adds_on_the_root_in_rank_order),
      cmocka_unit_test(broadcast_gives_everybody_the_roots_data),
      cmocka_unit_test(reduce_scatter_and_all_gather_make_an_all_reduce),
      cmocka_unit_test(send_and_receive_move_vectors_round),
      cmocka_unit_test(started_all_reduces_complete),
      cmocka_unit_test(ranks_out_of_step_do_not_mix_calls),
      cmocka_unit_test(not_a_number_on_one_rank_reaches_all),
  };
  return cmocka_run_group_tests(tests, make_inputs, free_inputs);
}
