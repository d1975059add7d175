// SPDX-License-Identifier: MIT
// The communicator beyond collectives of all ranks: exchanges, open receives, and parts of the world.
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
#include <kernels/nn/ops.h>

#include "backends.h"

enum { MOST_WORLD = 8 };
static const int WORLDS[] = {1, 2, 3, 4, 8};
#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

typedef struct job {
  enum hd_backend backend;
  enum hd_order order;
  int world;
  int wrong[MOST_WORLD];  // by rank: what the body found wrong
} job;

static hd_ops *open_ops(const job *j, hd_comm *c) {
#if HD_HAVE_CUDA
  if (j->backend != HD_COMM_THREADS) return hd_ops_cuda(hd_comm_stream(c));
#endif
  (void)j, (void)c;
  return hd_ops_cpu();
}

static void run_all(void (*body)(hd_comm *, void *), job j) {
  for (size_t b = 0; b < backend_count; b++)
    for (int order = HD_ORDER_RANK; order <= HD_ORDER_RING; order++) EACH(w, WORLDS) {
        j.backend = backends[b];
        j.order = order;
        j.world = WORLDS[w];
        memset(j.wrong, 0, sizeof j.wrong);
        if (hd_comm_run(j.world, j.backend, j.order, 1, 20, body, &j)) fail_msg("%s", hd_comm_error_text());
        for (int r = 0; r < j.world; r++)
          if (j.wrong[r])
            fail_msg("backend %d, order %d, world %d: rank %d found %d wrong", j.backend, order, j.world, r,
                     j.wrong[r]);
      }
}

// ---------------------------------------------------------------- exchanges

// Everybody sends to everybody at once, differently long vectors: impossible with blocking calls in this
// order.
static void all_to_all_body(hd_comm *c, void *arg) {
  job *j = arg;
  const int rank = hd_comm_rank(c), world = hd_comm_world(c);
  hd_ops *o = open_ops(j, c);
  hd_transfer t[2 * MOST_WORLD];
  float *out[MOST_WORLD], *in[MOST_WORLD], host[100];
  int n = 0;
  size_t sent = 0;
  for (int peer = 0; peer < world; peer++) {
    const size_t to = (size_t)(10 * rank + peer), from = (size_t)(10 * peer + rank);
    out[peer] = o->alloc(o, 400);
    in[peer] = o->alloc(o, 400);
    for (int i = 0; i < 100; i++) host[i] = (float)(1000 * rank + 100 * peer + i);
    o->upload(o, out[peer], host, sizeof host);
    if (peer == rank) continue;
    t[n++] = (hd_transfer){true, peer, out[peer], to, HD_F32};
    t[n++] = (hd_transfer){false, peer, in[peer], from, HD_F32};
    sent += 4 * to;
  }
  for (int round = 0; round < 3; round++) j->wrong[rank] |= hd_exchange(c, t, n) != 0;
  for (int peer = 0; peer < world; peer++) {
    o->download(o, host, in[peer], sizeof host);
    for (int i = 0; peer != rank && i < 10 * peer + rank; i++)
      j->wrong[rank] += host[i] != (float)(1000 * peer + 100 * rank + i);
  }
  j->wrong[rank] += hd_comm_traffic(c).bytes != 3 * sent;
  j->wrong[rank] += hd_comm_traffic(c).messages != 3 * ((uint64_t)world - 1);
  for (int peer = 0; peer < world; peer++) {
    o->free(o, out[peer], 400);
    o->free(o, in[peer], 400);
  }
  o->close(o);
}

static void exchanges_need_no_order(void **state) {
  (void)state;
  run_all(all_to_all_body, (job){0});
}

static void lonely_exchange_body(hd_comm *c, void *arg) {
  (void)arg;
  float x[8] = {0};
  const hd_transfer t[2] = {{true, 1, x, 4, HD_F32}, {false, 1, x + 4, 4, HD_F32}};
  if (hd_comm_rank(c) == 0) hd_exchange(c, t, 2);
  if (hd_comm_rank(c) == 1) hd_recv(c, x, 4, HD_F32, 0);  // and never sends
  if (hd_comm_rank(c) == 1) usleep(1500000);
}

static void forgotten_receive_body(hd_comm *c, void *arg) {
  (void)arg;
  float x = 0;
  if (hd_comm_rank(c) == 0) hd_recv_start(c, &x, 1, HD_F32, 1);
}

static void too_many_receives_body(hd_comm *c, void *arg) {
  (void)arg;
  float x[17];
  for (int i = 0; i < 17 && hd_comm_rank(c) == 0; i++) hd_recv_start(c, &x[i], 1, HD_F32, 1);
  hd_barrier(c);
}

// A pipeline's traffic: receives opened ahead, sends that do not wait for each other.
static void open_receives_body(hd_comm *c, void *arg) {
  enum { MESSAGES = 50, AHEAD = 5, FLOATS = 300 };
  job *j = arg;
  const int rank = hd_comm_rank(c), world = hd_comm_world(c), left = rank - 1, right = rank + 1;
  hd_ops *o = open_ops(j, c);
  float *in[AHEAD], host[FLOATS];
  for (int i = 0; i < AHEAD; i++) in[i] = o->alloc(o, sizeof host);
  for (int i = 0; i < AHEAD && rank > 0; i++)
    j->wrong[rank] |= hd_recv_start(c, in[i], FLOATS, HD_F32, left) != 0;
  for (int m = 0; m < MESSAGES; m++) {
    float *x = in[m % AHEAD];
    if (rank > 0) j->wrong[rank] |= hd_recv_wait(c, left) != 0;
    if (rank == 0)
      for (int i = 0; i < FLOATS; i++) host[i] = (float)(m + i);
    if (rank == 0) o->upload(o, x, host, sizeof host);
    o->scale(o, 2, x, FLOATS);
    if (right < world) j->wrong[rank] |= hd_send_start(c, x, FLOATS, HD_F32, right) || hd_send_wait(c, right);
    o->download(o, host, x, sizeof host);
    for (int i = 0; i < FLOATS; i++) j->wrong[rank] |= host[i] != (float)(m + i) * (float)(2 << rank);
    if (rank > 0 && m + AHEAD < MESSAGES) j->wrong[rank] |= hd_recv_start(c, x, FLOATS, HD_F32, left) != 0;
  }
  for (int i = 0; i < AHEAD; i++) o->free(o, in[i], sizeof host);
  o->close(o);
}

static void receives_can_be_opened_ahead(void **state) {
  (void)state;
  run_all(open_receives_body, (job){0});
}

static void exchanges_fail_with_names(void **state) {
  (void)state;
  assert_int_not_equal(hd_comm_run(2, HD_COMM_THREADS, HD_ORDER_RANK, 1, 1, lonely_exchange_body, NULL), 0);
  assert_non_null(strstr(hd_comm_error_text(), "recv #1 of 4 floats from rank 1: waited 1 s"));
  assert_int_not_equal(hd_comm_run(2, HD_COMM_THREADS, HD_ORDER_RANK, 1, 5, forgotten_receive_body, NULL), 0);
  assert_non_null(
      strstr(hd_comm_error_text(), "rank 0 ended without waiting for 1 receives: recv #1 from rank 1"));
  assert_int_equal(hd_comm_run(2, HD_COMM_THREADS, HD_ORDER_RANK, 1, 5, too_many_receives_body, NULL), 2);
  assert_non_null(strstr(hd_comm_error_text(), "more than 16 open receives from rank 1"));
}

// ---------------------------------------------------------------- parts

static int sum_over(hd_ops *o, hd_comm *part, int value) {
  float x = (float)value, *memory = o->alloc(o, sizeof x);
  o->upload(o, memory, &x, sizeof x);
  if (hd_all_reduce(part, memory, 1, HD_F32, HD_SUM)) x = -1;
  o->download(o, &x, memory, sizeof x);
  o->free(o, memory, sizeof x);
  return (int)x;
}

// A grid of rows and columns, as DP × TP needs it, then a part of a part.
static void grid_body(hd_comm *c, void *arg) {
  job *j = arg;
  const int rank = hd_comm_rank(c), world = hd_comm_world(c), columns = world % 2 ? 1 : 2;
  hd_ops *o = open_ops(j, c);
  hd_comm *row = hd_comm_split(c, rank / columns, 0), *column = hd_comm_split(c, rank % columns, -rank);
  int wrong = !row || !column;
  if (!wrong) {
    const int rows = world / columns, first = rank / columns * columns;
    wrong += hd_comm_world(row) != columns || hd_comm_world(column) != rows;
    wrong += hd_comm_rank(row) != rank % columns;
    wrong += hd_comm_rank(column) != rows - 1 - rank / columns;  // the key turns the order round
    wrong += 10 * (sum_over(o, row, rank) != columns * first + columns * (columns - 1) / 2);
    int expected = 0;
    for (int r = rank % columns; r < world; r += columns) expected += r;
    wrong += 100 * (sum_over(o, column, rank) != expected);
    wrong += 1000 * (sum_over(o, c, rank) != world * (world - 1) / 2);
    hd_comm *half = hd_comm_split(column, hd_comm_rank(column) % 2 ? -1 : 7, 0);
    wrong += (half != NULL) != (hd_comm_rank(column) % 2 == 0);
    if (half) wrong += 10000 * (sum_over(o, half, 1) != (rows + 1) / 2);
    wrong += 100000 * (hd_barrier(column) || hd_comm_failed(c));
  }
  j->wrong[rank] = wrong;
  o->close(o);
}

static void parts_talk_among_themselves(void **state) {
  (void)state;
  run_all(grid_body, (job){0});
}

static void failing_part_body(hd_comm *c, void *arg) {
  (void)arg;
  hd_comm *part = hd_comm_split(c, hd_comm_rank(c) / 2, 0);
  float x[2] = {0};
  if (!part) return;
  if (hd_comm_rank(c) >= 2) hd_all_reduce(part, x, (size_t)hd_comm_rank(part) + 1, HD_F32, HD_SUM);
  hd_barrier(c);  // the others learn of it here
}

static void waiting_part_body(hd_comm *c, void *arg) {
  (void)arg;
  hd_comm *part = hd_comm_split(c, 0, 0);
  if (part && hd_comm_rank(c)) hd_barrier(part);
}

static void failures_of_a_part_are_everybodys(void **state) {
  (void)state;
  assert_int_equal(hd_comm_run(4, HD_COMM_THREADS, HD_ORDER_RANK, 1, 5, failing_part_body, NULL), 4);
  assert_non_null(strstr(hd_comm_error_text(), "in the part {2, 3}: mismatch"));
  assert_int_equal(hd_comm_run(3, HD_COMM_THREADS, HD_ORDER_RANK, 1, 5, waiting_part_body, NULL), 2);
  assert_non_null(strstr(hd_comm_error_text(), "in the part {0, 1, 2}: "));
  assert_non_null(strstr(hd_comm_error_text(), "missing rank 0 (has ended)"));
}

int main(void) {
  find_backends(true);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(exchanges_need_no_order),           cmocka_unit_test(receives_can_be_opened_ahead),
      cmocka_unit_test(exchanges_fail_with_names),         cmocka_unit_test(parts_talk_among_themselves),
      cmocka_unit_test(failures_of_a_part_are_everybodys),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
