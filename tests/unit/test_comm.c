// SPDX-License-Identifier: MIT
// Collectives on CPU ranks and on GPU ranks (simulated or real): values bit for bit, traffic against the
// formulas, and what happens when ranks disagree, stall, end or give up.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
// cmocka needs the first four headers above before it
#include <cmocka.h>
#include <heddle/comm.h>
#include <heddle/device.h>
#include <heddle/random.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <pthread.h>

enum { MOST_WORLD = 8 };

static const int WORLDS[] = {1, 2, 3, 4, 8};
static const size_t COUNTS[] = {0, 1, 7, 1000, 1025, 100003};
static const double SHORT_S = 0.3, LONG_S = 20;

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

// The input of a rank: normal numbers, so that the order of summation shows.
static void make_input(float *x, size_t count, int rank) {
  for (size_t i = 0; i < count; i++) x[i] = hd_random_normal(1, (uint64_t)rank, i);
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

static enum hd_backend backends[2] = {HD_COMM_THREADS};
static size_t backend_count = 1;

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
      hd_reduce(c, x, hd_comm_rank(c) == j->root ? y : NULL, j->count, HD_F32, j->root);
  finish(j, c, m, y, j->count);
  release(m, x, j->count);
  release(m, y, j->count);
  m.ops->close(m.ops);
}

static void check_reduce(job *j) {
  float *expected = test_malloc((j->count + 1) * sizeof *expected);
  for (j->root = 0; j->root < j->world; j->root += 2) {
    run_job(j, j->count, LONG_S, reduce_body);
    reduce_from(expected, 0, j->count, j->world, 0, HD_SUM);
    assert_same(j->result[j->root], expected, j->count);
    for (int r = 0; r < j->world; r++) {
      assert_int_equal(j->returned[r], 0);
      assert_int_equal(j->traffic[r].bytes, r == j->root ? 0 : j->count * sizeof(float));
    }
    end_job(j);
  }
  test_free(expected);
}

static void reduce_sums_on_the_root_in_rank_order(void **state) {
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
      hd_reduce_scatter(c, x, own, j->count, HD_F32) || hd_all_gather(c, own, y, j->count, HD_F32);
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

// ---------------------------------------------------------------- faults

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// Runs a body that must fail on `failing` ranks, within `limit_s`, with a message that holds all the words.
static void assert_fails(int world, enum hd_order order, double deadline_s, double limit_s, int failing,
                         void (*body)(hd_comm *, void *), const char *const *words) {
  for (size_t b = 0; b < backend_count; b++) {
    job j = {.backend = backends[b], .order = order, .world = world};
    const double start = now();
    const int failed = hd_comm_run(world, backends[b], order, 1, deadline_s, body, &j);
    const double took = now() - start;
    const char *text = hd_comm_error_text();
    for (const char *const *word = words; *word; word++)
      if (!strstr(text, *word)) fail_msg("\"%s\" is not in the message: %s", *word, text);
    if (failed != failing) fail_msg("%d ranks failed, not %d: %s", failed, failing, text);
    if (!(took < limit_s)) fail_msg("took %g s, more than %g: %s", took, limit_s, text);
  }
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

// A vector of 5000 floats of the rank's kind of memory, used by bodies that will fail.
static float *fault_vector(hd_comm *c, void *arg, memory *m) {
  *m = open_memory(arg, c);
  return input_buffer(*m, 5000, hd_comm_rank(c));
}

static void end_fault(memory m, float *x) {
  release(m, x, 5000);
  m.ops->close(m.ops);
}

static void other_operation(hd_comm *c, void *arg) {
  memory m;
  float *x = fault_vector(c, arg, &m);
  hd_barrier(c);
  if (hd_comm_rank(c) == 1)
    hd_broadcast(c, x, 5000, HD_F32, 0);
  else
    hd_all_reduce(c, x, 5000, HD_F32, HD_SUM);
  end_fault(m, x);
}

static void other_count(hd_comm *c, void *arg) {
  memory m;
  float *x = fault_vector(c, arg, &m);
  hd_all_reduce(c, x, hd_comm_rank(c) == 2 ? 4999 : 5000, HD_F32, HD_SUM);
  end_fault(m, x);
}

static void other_reduction(hd_comm *c, void *arg) {
  memory m;
  float *x = fault_vector(c, arg, &m);
  hd_all_reduce(c, x, 8, HD_F32, hd_comm_rank(c) ? HD_MAX : HD_SUM);
  end_fault(m, x);
}

static void other_root(hd_comm *c, void *arg) {
  memory m;
  float *x = fault_vector(c, arg, &m);
  hd_reduce(c, x, x, 8, HD_F32, hd_comm_rank(c) ? 1 : 0);
  end_fault(m, x);
}

static void other_started(hd_comm *c, void *arg) {
  memory m;
  float *x = fault_vector(c, arg, &m);
  const int handle = hd_all_reduce_start(c, x, hd_comm_rank(c) ? 5000 : 3000, HD_F32, HD_SUM);
  if (handle >= 0) hd_wait(c, handle);
  end_fault(m, x);
}

static void mismatches_are_named_before_data_move(void **state) {
  (void)state;
  for (int order = HD_ORDER_RANK; order <= HD_ORDER_RING; order++) {
    assert_fails(3, order, LONG_S, 10, 3, other_operation,
                 WORDS("mismatch", "rank 1", "broadcast #2", "all_reduce #2", "5000"));
    assert_fails(3, order, LONG_S, 10, 3, other_count, WORDS("mismatch", "rank 2", "4999", "5000"));
    assert_fails(2, order, LONG_S, 10, 2, other_reduction, WORDS("mismatch", "(sum)", "(max)"));
    assert_fails(2, order, LONG_S, 10, 2, other_root, WORDS("mismatch", "root 0", "root 1"));
    assert_fails(2, order, LONG_S, 10, 2, other_started, WORDS("mismatch", "3000", "5000"));
  }
}

static void mismatch_keeps_data_body(hd_comm *c, void *arg) {
  job *j = arg;
  float x[2] = {3, 4};
  hd_all_reduce(c, x, hd_comm_rank(c) ? 1 : 2, HD_F32, HD_SUM);
  j->returned[hd_comm_rank(c)] = x[0] != 3 || x[1] != 4;
}

static void mismatch_leaves_the_data_alone(void **state) {
  (void)state;
  job j = {.world = 2};
  assert_int_equal(hd_comm_run(2, HD_COMM_THREADS, HD_ORDER_RANK, 1, LONG_S, mismatch_keeps_data_body, &j),
                   2);
  assert_int_equal(j.returned[0] | j.returned[1], 0);
}

static void never_calls(hd_comm *c, void *arg) {
  memory m;
  float *x = fault_vector(c, arg, &m);
  if (hd_comm_rank(c) == 1)
    usleep(500000);
  else
    hd_all_reduce(c, x, 5000, HD_F32, HD_SUM);
  end_fault(m, x);
}

static void late_rank(hd_comm *c, void *arg) {
  memory m;
  float *x = fault_vector(c, arg, &m);
  if (hd_comm_rank(c) == 1) usleep(450000);
  hd_all_reduce(c, x, 5000, HD_F32, HD_SUM);
  end_fault(m, x);
}

static void other_pair(hd_comm *c, void *arg) {
  memory m;
  float *x = fault_vector(c, arg, &m);
  if (hd_comm_rank(c) == 1)
    hd_recv(c, x, 10, HD_F32, 0);
  else
    hd_all_reduce(c, x, 5000, HD_F32, HD_SUM);
  end_fault(m, x);
}

static void send_to_send(hd_comm *c, void *arg) {
  memory m;
  float *x = fault_vector(c, arg, &m);
  hd_send(c, x, 10, HD_F32, 1 - hd_comm_rank(c));
  end_fault(m, x);
}

static void stalled_ranks_are_named_at_the_deadline(void **state) {
  (void)state;
  for (int order = HD_ORDER_RANK; order <= HD_ORDER_RING; order++) {
    assert_fails(3, order, SHORT_S, 10, 2, never_calls,
                 WORDS("all_reduce #1", "0.3 s", "rank 1 (in no operation)"));
    assert_fails(3, order, SHORT_S, 10, 3, late_rank, WORDS("all_reduce #1", "0.3 s", "rank 1"));
  }
  assert_fails(2, HD_ORDER_RANK, SHORT_S, 10, 2, other_pair, WORDS("0.3 s", "rank 1", "rank 0"));
  assert_fails(2, HD_ORDER_RANK, SHORT_S, 10, 2, send_to_send, WORDS("send #1", "0.3 s", "in send"));
}

static void ends_early(hd_comm *c, void *arg) {
  memory m;
  float *x = fault_vector(c, arg, &m);
  if (hd_comm_rank(c) != 1) hd_all_reduce(c, x, 5000, HD_F32, HD_SUM);
  end_fault(m, x);
}

static void ends_before_receiving(hd_comm *c, void *arg) {
  memory m;
  float *x = fault_vector(c, arg, &m);
  if (hd_comm_rank(c) != 1) hd_send(c, x, 5000, HD_F32, 1);
  end_fault(m, x);
}

static void exits_thread(hd_comm *c, void *arg) {
  (void)arg;
  if (hd_comm_rank(c) == 0) pthread_exit(NULL);
  hd_barrier(c);
}

static void ended_ranks_are_missing_at_once(void **state) {
  (void)state;
  assert_fails(3, HD_ORDER_RANK, LONG_S, 10, 2, ends_early, WORDS("all_reduce #1", "rank 1 (has ended)"));
  assert_fails(3, HD_ORDER_RING, LONG_S, 10, 2, ends_early, WORDS("all_reduce #1", "rank 1 (has ended)"));
  assert_fails(2, HD_ORDER_RANK, LONG_S, 10, 1, ends_before_receiving,
               WORDS("send #1", "rank 1 (has ended)"));
  assert_fails(2, HD_ORDER_RANK, LONG_S, 10, 1, exits_thread, WORDS("barrier #1", "rank 0 (has ended)"));
}

static void aborts(hd_comm *c, void *arg) {
  memory m;
  float *x = fault_vector(c, arg, &m);
  if (hd_comm_rank(c) == 1) {
    usleep(20000);
    hd_comm_abort(c, "loss is not a number");
  } else {
    hd_all_reduce(c, x, 5000, HD_F32, HD_SUM);
  }
  end_fault(m, x);
}

static void abort_ends_everybodys_wait(void **state) {
  (void)state;
  assert_fails(4, HD_ORDER_RANK, LONG_S, 10, 4, aborts, WORDS("rank 1", "loss is not a number"));
}

static void keeps_calling(hd_comm *c, void *arg) {
  job *j = arg;
  float x[4] = {0};
  hd_all_reduce(c, x, hd_comm_rank(c) ? 3 : 4, HD_F32, HD_SUM);
  const double start = now();
  const int peer = 1 - hd_comm_rank(c);
  const bool all_fail = hd_barrier(c) && hd_all_reduce(c, x, 4, HD_F32, HD_SUM) &&
                        hd_reduce(c, x, x, 4, HD_F32, 0) && hd_broadcast(c, x, 4, HD_F32, 0) &&
                        hd_reduce_scatter(c, x, x, 2, HD_F32) && hd_all_gather(c, x, x, 2, HD_F32) &&
                        hd_send(c, x, 4, HD_F32, peer) && hd_recv(c, x, 4, HD_F32, peer) &&
                        hd_all_reduce_start(c, x, 4, HD_F32, HD_SUM) < 0;
  j->returned[hd_comm_rank(c)] = all_fail && now() - start < 1 ? 1 : 2;
}

static void poisoned_communicator_stays_poisoned(void **state) {
  (void)state;
  job j = {.world = 2};
  assert_int_equal(hd_comm_run(2, HD_COMM_THREADS, HD_ORDER_RANK, 1, LONG_S, keeps_calling, &j), 2);
  assert_non_null(strstr(hd_comm_error_text(), "mismatch"));
  assert_int_equal(j.returned[0], 1);
  assert_int_equal(j.returned[1], 1);
  job good = {.world = 2, .count = 10};
  run_job(&good, 10, LONG_S, all_reduce_body);  // a new one is not
  end_job(&good);
}

static void unequal_pair(hd_comm *c, void *arg) {
  memory m;
  float *x = fault_vector(c, arg, &m);
  if (hd_comm_rank(c) == 0)
    hd_send(c, x, 10, HD_F32, 1);
  else
    hd_recv(c, x, 11, HD_F32, 0);
  end_fault(m, x);
}

static void bad_root(hd_comm *c, void *arg) {
  (void)arg;
  float x = 0;
  hd_broadcast(c, &x, 1, HD_F32, 2);
}

static void no_data(hd_comm *c, void *arg) {
  (void)arg;
  hd_all_reduce(c, NULL, 7, HD_F32, HD_SUM);
}

static void talks_to_itself(hd_comm *c, void *arg) {
  (void)arg;
  float x = 0;
  hd_send(c, &x, 1, HD_F32, hd_comm_rank(c));
}

static void unknown_handle(hd_comm *c, void *arg) {
  (void)arg;
  hd_wait(c, 0);
}

static void bad_arguments_are_named(void **state) {
  (void)state;
  assert_fails(2, HD_ORDER_RANK, LONG_S, 10, 2, unequal_pair, WORDS("mismatch", "send", "recv", "10", "11"));
  assert_fails(2, HD_ORDER_RANK, LONG_S, 10, 2, bad_root, WORDS("root or peer 2", "0 to 1"));
  assert_fails(2, HD_ORDER_RANK, LONG_S, 10, 2, no_data, WORDS("all_reduce", "null"));
  assert_fails(2, HD_ORDER_RANK, LONG_S, 10, 2, talks_to_itself, WORDS("itself"));
  assert_fails(2, HD_ORDER_RANK, LONG_S, 10, 2, unknown_handle, WORDS("handle 0"));
  assert_int_equal(hd_comm_run(0, HD_COMM_THREADS, HD_ORDER_RANK, 1, 1, bad_root, NULL), 1);
  assert_non_null(strstr(hd_comm_error_text(), "0 ranks"));
  assert_int_equal(hd_comm_run(1000, HD_COMM_THREADS, HD_ORDER_RANK, 1, 1, bad_root, NULL), 1000);
  assert_int_equal(hd_comm_run(2, HD_COMM_THREADS, HD_ORDER_RANK, 0, 1, bad_root, NULL), 2);
}

static float forgotten[2][5000];
static void does_not_wait(hd_comm *c, void *arg) {
  (void)arg;
  hd_all_reduce_start(c, forgotten[hd_comm_rank(c)], 5000, HD_F32, HD_SUM);
}

static void forgotten_waits_are_named(void **state) {
  (void)state;
  assert_true(hd_comm_run(2, HD_COMM_THREADS, HD_ORDER_RANK, 1, LONG_S, does_not_wait, NULL) >= 1);
  assert_non_null(strstr(hd_comm_error_text(), "without waiting"));
}

int main(void) {
#if HD_HAVE_CUDA
  setenv("CUSIM_DEVICES", "8", 0);
  if (hd_device_count() > 0) backends[backend_count++] = HD_COMM_CUDA;
#endif
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shards_cover_everything_once),
      cmocka_unit_test(all_reduce_is_bitwise_what_its_order_says),
      cmocka_unit_test(traffic_is_the_formula_when_ranks_divide_the_count),
      cmocka_unit_test(reduce_sums_on_the_root_in_rank_order),
      cmocka_unit_test(broadcast_gives_everybody_the_roots_data),
      cmocka_unit_test(reduce_scatter_and_all_gather_make_an_all_reduce),
      cmocka_unit_test(send_and_receive_move_vectors_round),
      cmocka_unit_test(started_all_reduces_complete),
      cmocka_unit_test(ranks_out_of_step_do_not_mix_calls),
      cmocka_unit_test(not_a_number_on_one_rank_reaches_all),
      cmocka_unit_test(mismatches_are_named_before_data_move),
      cmocka_unit_test(mismatch_leaves_the_data_alone),
      cmocka_unit_test(stalled_ranks_are_named_at_the_deadline),
      cmocka_unit_test(ended_ranks_are_missing_at_once),
      cmocka_unit_test(abort_ends_everybodys_wait),
      cmocka_unit_test(poisoned_communicator_stays_poisoned),
      cmocka_unit_test(bad_arguments_are_named),
      cmocka_unit_test(forgotten_waits_are_named),
  };
  return cmocka_run_group_tests(tests, make_inputs, free_inputs);
}
