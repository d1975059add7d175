// SPDX-License-Identifier: MIT
// Every operation that reduces or moves, with every type and reduction: values, and traffic against the
// formulas, on all backends, in both orders, on worlds that are no power of two and with fewer elements than
// ranks.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs the first four headers above before it
#include <cmocka.h>
#include <heddle/comm.h>
#include <heddle/device.h>
#include <heddle/random.h>
#include <kernels/nn/ops.h>

#include "backends.h"

enum { MOST_WORLD = 8 };
static const int WORLDS[] = {1, 2, 3, 4, 8};
static const size_t COUNTS[] = {0, 1, 5, 1301};
static const enum hd_type TYPES[] = {HD_F32, HD_BF16, HD_I32};
#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

typedef struct job {
  enum hd_backend backend;
  enum hd_order order;
  int world;
  char wrong[MOST_WORLD][200];  // by rank: the first thing its body found wrong
} job;

static void run_all(void (*body)(hd_comm *, void *)) {
  for (size_t b = 0; b < backend_count; b++)
    for (int order = HD_ORDER_RANK; order <= HD_ORDER_RING; order++) EACH(w, WORLDS) {
        job j = {.backend = backends[b], .order = order, .world = WORLDS[w]};
        if (hd_comm_run(j.world, j.backend, j.order, 1, 20, body, &j)) fail_msg("%s", hd_comm_error_text());
        for (int r = 0; r < j.world; r++)
          if (j.wrong[r][0])
            fail_msg("backend %d, order %d, world %d: rank %d: %s", j.backend, order, j.world, r, j.wrong[r]);
      }
}

// ---------------------------------------------------------------- one rank's case

typedef struct rank_case {
  job *j;
  hd_comm *c;
  hd_ops *ops;
  int rank, world;
  enum hd_type type;
  enum hd_reduce_op op;
  size_t count;
  char *x, *y;  // (world × most count) in the rank's memory
  char *host;
} rank_case;

static bool on_gpus(const job *j) {
  return j->backend != HD_COMM_THREADS;
}

// Small whole numbers are exact in every type, so sums do not depend on the order of addition.
static int number(int rank, size_t i) {
  return (int)(hd_random_uniform(3, (uint64_t)rank, i) * 15) - 7;
}

static int reduced(const rank_case *k, size_t i) {
  int value = number(0, i);
  for (int r = 1; r < k->world; r++) {
    const int x = number(r, i);
    value = k->op == HD_SUM ? value + x : k->op == HD_MAX ? (x > value ? x : value) : x < value ? x : value;
  }
  return value;
}

static void store(enum hd_type type, void *x, size_t i, int value) {
  if (type == HD_F32) ((float *)x)[i] = (float)value;
  if (type == HD_I32) ((int32_t *)x)[i] = value;
  if (type == HD_BF16) ((uint16_t *)x)[i] = hd_bf16_from_float((float)value);
}

static int load(enum hd_type type, const void *x, size_t i) {
  if (type == HD_F32) return (int)((const float *)x)[i];
  if (type == HD_I32) return ((const int32_t *)x)[i];
  return (int)hd_bf16_to_float(((const uint16_t *)x)[i]);
}

// This rank's numbers into x, a value that nothing adds up to into y.
static void fill(rank_case *k, size_t count) {
  const size_t bytes = count * hd_type_bytes(k->type);
  for (size_t i = 0; i < count; i++) store(k->type, k->host, i, 99);
  k->ops->upload(k->ops, k->y, k->host, bytes);
  for (size_t i = 0; i < count; i++) store(k->type, k->host, i, number(k->rank, i));
  k->ops->upload(k->ops, k->x, k->host, bytes);
}

enum what { SUMS, UNTOUCHED, OWN, OF_LAST };

static int expected(const rank_case *k, enum what what, size_t i) {
  if (what == UNTOUCHED) return 99;
  if (what == OWN) return number(k->rank, i);
  return what == OF_LAST ? number(k->world - 1, i) : reduced(k, i);
}

__attribute__((format(printf, 2, 3))) static void wrong(rank_case *k, const char *format, ...) {
  char *text = k->j->wrong[k->rank];
  if (text[0]) return;
  const int used = snprintf(text, 80, "type %d, reduction %d, %zu elements: ", k->type, k->op, k->count);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text + used, sizeof k->j->wrong[0] - (size_t)used, format, arguments);
  va_end(arguments);
}

// Elements [from, from + count) of an array that hold what is expected of element i of the whole.
static void holds(rank_case *k, const char *name, const char *array, size_t from, size_t count,
                  enum what what) {
  const size_t width = hd_type_bytes(k->type);
  k->ops->download(k->ops, k->host, array + from * width, count * width);
  for (size_t i = 0; i < count; i++)
    if (load(k->type, k->host, i) != expected(k, what, from + i)) {
      wrong(k, "%s: element %zu is %d, not %d", name, from + i, load(k->type, k->host, i),
            expected(k, what, from + i));
      return;
    }
}

// What was sent since `before`.
static void sent(rank_case *k, const char *name, hd_traffic before, uint64_t messages, uint64_t bytes) {
  const hd_traffic now = hd_comm_traffic(k->c);
  if (now.messages - before.messages != messages || now.bytes - before.bytes != bytes)
    wrong(k, "%s: sent %llu messages, %llu bytes, not %llu and %llu", name,
          (unsigned long long)(now.messages - before.messages),
          (unsigned long long)(now.bytes - before.bytes), (unsigned long long)messages,
          (unsigned long long)bytes);
}

// ---------------------------------------------------------------- the operations

static void all_reduce(rank_case *k) {
  fill(k, k->count);
  if (hd_all_reduce(k->c, k->x, k->count, k->type, k->op)) wrong(k, "all_reduce failed");
  holds(k, "all_reduce", k->x, 0, k->count, SUMS);
  fill(k, k->count);
  const int handle = hd_all_reduce_start(k->c, k->x, k->count, k->type, k->op);
  if (handle < 0 || hd_wait(k->c, handle)) wrong(k, "all_reduce_start failed");
  holds(k, "all_reduce_start", k->x, 0, k->count, SUMS);
}

// Out of place, to the last rank and to the first; in place; and nothing but the root's output changes.
static void reduce(rank_case *k) {
  for (int root = 0; root<k->world; root += k->world> 1 ? k->world - 1 : 1) {
    const bool mine = k->rank == root;
    const hd_traffic before = hd_comm_traffic(k->c);
    fill(k, k->count);
    if (hd_reduce(k->c, k->x, mine ? k->y : NULL, k->count, k->type, k->op, root)) wrong(k, "reduce failed");
    sent(k, "reduce", before, !mine, mine ? 0 : k->count * hd_type_bytes(k->type));
    holds(k, "reduce", k->y, 0, k->count, mine ? SUMS : UNTOUCHED);
    holds(k, "reduce's input", k->x, 0, k->count, OWN);
    if (hd_reduce(k->c, k->x, k->x, k->count, k->type, k->op, root)) wrong(k, "reduce in place failed");
    holds(k, "reduce in place", k->x, 0, k->count, mine ? SUMS : OWN);
  }
}

static void scatter_gather(rank_case *k) {
  const size_t whole = k->count * (size_t)k->world, width = hd_type_bytes(k->type),
               from = (size_t)k->rank * k->count;
  const uint64_t others = (uint64_t)k->world - 1, messages = k->count || k->j->backend == HD_COMM_NCCL;
  hd_traffic before = hd_comm_traffic(k->c);
  fill(k, whole);
  if (hd_reduce_scatter(k->c, k->x, k->y + from * width, k->count, k->type, k->op))
    wrong(k, "reduce_scatter failed");
  if (k->count) sent(k, "reduce_scatter", before, messages * others, others * k->count * width);
  holds(k, "reduce_scatter", k->y, from, k->count, SUMS);
  holds(k, "reduce_scatter's other parts", k->y, 0, from, UNTOUCHED);
  holds(k, "reduce_scatter's input", k->x, 0, whole, OWN);
  before = hd_comm_traffic(k->c);
  if (hd_all_gather(k->c, k->y + from * width, k->y, k->count, k->type)) wrong(k, "all_gather failed");
  if (k->count) sent(k, "all_gather", before, messages * others, others * k->count * width);
  holds(k, "all_gather", k->y, 0, whole, SUMS);
}

static void broadcast(rank_case *k) {
  const int root = k->world - 1;
  const uint64_t others = (uint64_t)k->world - 1, bytes = k->count * hd_type_bytes(k->type);
  const hd_traffic before = hd_comm_traffic(k->c);
  fill(k, k->count);
  if (hd_broadcast(k->c, k->x, k->count, k->type, root)) wrong(k, "broadcast failed");
  holds(k, "broadcast", k->x, 0, k->count, OF_LAST);
  if (k->j->backend == HD_COMM_NCCL)  // round the ring; the rank before the root sends nothing
    sent(k, "broadcast", before, k->rank != root - 1 && others, k->rank != root - 1 && others ? bytes : 0);
  else
    sent(k, "broadcast", before, k->rank == root ? others : 0, k->rank == root ? others * bytes : 0);
}

static void every_case(hd_comm *c, void *arg) {
  job *j = arg;
  rank_case k = {.j = j, .c = c, .rank = hd_comm_rank(c), .world = hd_comm_world(c)};
  k.ops = hd_ops_open(on_gpus(j), hd_comm_stream(c));
  const size_t room = 4 * (size_t)k.world * 1301;
  k.host = malloc(room);
  k.x = k.ops->alloc(k.ops, room);
  k.y = k.ops->alloc(k.ops, room);
  EACH(t, TYPES) for (k.op = HD_SUM; k.op <= HD_MIN; k.op++) EACH(n, COUNTS) {
    k.type = TYPES[t];
    k.count = COUNTS[n];
    all_reduce(&k);
    reduce(&k);
    scatter_gather(&k);
    broadcast(&k);
  }
  k.ops->free(k.ops, k.x, room);
  k.ops->free(k.ops, k.y, room);
  free(k.host);
  k.ops->close(k.ops);
}

static void every_type_and_reduction(void **state) {
  (void)state;
  run_all(every_case);
}

// ---------------------------------------------------------------- rounding, wrapping, not a number

static void bf16_rounds_to_nearest_even(void **state) {
  (void)state;
  assert_int_equal(hd_bf16_from_float(1.0f), 0x3f80);
  assert_int_equal(hd_bf16_from_float(1.00390625f), 0x3f80);    // 1 + 2^-8, a tie: to even
  assert_int_equal(hd_bf16_from_float(1.01171875f), 0x3f82);    // 1 + 3·2^-8, a tie: to even
  assert_int_equal(hd_bf16_from_float(3.4028235e38f), 0x7f80);  // beyond the largest: infinity
  const float nan = hd_bf16_to_float(hd_bf16_from_float(__builtin_nanf("")));
  assert_true(nan != nan);
}

// Two bytes or four per rank in its own memory; every operation that reduces gives rank 0 element 0.
static void reduce_three_ways(hd_comm *c, void *arg, enum hd_type type, enum hd_reduce_op op,
                              const void *mine, void *result) {
  job *j = arg;
  const size_t width = hd_type_bytes(type), room = width * MOST_WORLD;
  hd_ops *o = hd_ops_open(on_gpus(j), hd_comm_stream(c));
  char *x = o->alloc(o, room), *sum = o->alloc(o, width);
  for (int r = 0; r < hd_comm_world(c); r++) o->upload(o, x + (size_t)r * width, mine, width);
  hd_reduce(c, x, sum, 1, type, op, 0);
  o->download(o, result, sum, width);
  hd_reduce_scatter(c, x, sum, 1, type, op);
  o->download(o, (char *)result + width, sum, width);
  hd_all_reduce(c, x, 1, type, op);
  o->download(o, (char *)result + 2 * width, x, width);
  o->free(o, x, room);
  o->free(o, sum, width);
  o->close(o);
}

// 1 + 2·2^-8 is representable: rounded after each rank, ties to even would leave 1.
static void round_once(hd_comm *c, void *arg) {
  job *j = arg;
  uint16_t sum[3] = {0};
  const uint16_t mine = hd_bf16_from_float(hd_comm_rank(c) ? 0x1p-8f : 1.0f);
  reduce_three_ways(c, arg, HD_BF16, HD_SUM, &mine, sum);
  const uint16_t exact = hd_bf16_from_float(1 + (float)(j->world - 1) * 0x1p-8f);
  if (j->order == HD_ORDER_RING || j->backend == HD_COMM_NCCL || hd_comm_rank(c) > 0) return;
  for (int i = 0; i < 3; i++)
    if (sum[i] != exact) snprintf(j->wrong[0], sizeof j->wrong[0], "way %d: %#x, not %#x", i, sum[i], exact);
}

static void bf16_sums_in_rank_order_round_once(void **state) {
  (void)state;
  run_all(round_once);
}

static void wrap(hd_comm *c, void *arg) {
  job *j = arg;
  int32_t sum[3] = {0};
  const int32_t mine = INT32_MAX;
  reduce_three_ways(c, arg, HD_I32, HD_SUM, &mine, sum);
  const int32_t exact = (int32_t)((uint32_t)INT32_MAX * (uint32_t)j->world);
  for (int i = 0; i < 3 && hd_comm_rank(c) == 0; i++)
    if (sum[i] != exact) snprintf(j->wrong[0], sizeof j->wrong[0], "way %d: %d, not %d", i, sum[i], exact);
}

static void whole_numbers_wrap(void **state) {
  (void)state;
  run_all(wrap);
}

// A rank whose numbers went wrong must not be hidden by a maximum.
static void keep_nan(hd_comm *c, void *arg) {
  job *j = arg;
  for (enum hd_reduce_op op = HD_SUM; op <= HD_MIN; op++) {
    float result[3] = {0};
    const float mine = hd_comm_rank(c) == j->world - 1 ? __builtin_nanf("") : (float)hd_comm_rank(c);
    reduce_three_ways(c, arg, HD_F32, op, &mine, result);
    for (int i = 0; i < 3 && hd_comm_rank(c) == 0 && j->backend != HD_COMM_NCCL; i++)
      if (result[i] == result[i])
        snprintf(j->wrong[0], sizeof j->wrong[0], "way %d of reduction %d: %g, not NaN", i, op,
                 (double)result[i]);
  }
}

static void not_a_number_reaches_the_result(void **state) {
  (void)state;
  run_all(keep_nan);
}

static void no_type_body(hd_comm *c, void *arg) {
  (void)arg;
  double x = 0;
  hd_all_reduce(c, &x, 1, HD_F64, HD_SUM);
}

static void no_reduction_body(hd_comm *c, void *arg) {
  (void)arg;
  float x = 0;
  hd_reduce(c, &x, &x, 1, HD_F32, (enum hd_reduce_op)3, 0);
}

static void impossible_types_and_reductions_are_named(void **state) {
  (void)state;
  assert_int_equal(hd_comm_run(2, HD_COMM_THREADS, HD_ORDER_RANK, 1, 5, no_type_body, NULL), 2);
  assert_non_null(strstr(hd_comm_error_text(), "HD_F32, HD_BF16 and HD_I32 are possible"));
  assert_int_equal(hd_comm_run(2, HD_COMM_THREADS, HD_ORDER_RANK, 1, 5, no_reduction_body, NULL), 2);
  assert_non_null(strstr(hd_comm_error_text(), "3 is not a reduction"));
}

int main(void) {
  find_backends(true);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_type_and_reduction),
      cmocka_unit_test(bf16_rounds_to_nearest_even),
      cmocka_unit_test(bf16_sums_in_rank_order_round_once),
      cmocka_unit_test(whole_numbers_wrap),
      cmocka_unit_test(not_a_number_reaches_the_result),
      cmocka_unit_test(impossible_types_and_reductions_are_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
