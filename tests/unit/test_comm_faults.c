// SPDX-License-Identifier: MIT
// What happens when ranks disagree, stall, end or give up: no collective hangs, and the message names the
// rank, the operation and its sequence number.
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
#include <kernels/nn/ops.h>
#include <pthread.h>

#include "backends.h"
#include "faults.h"

enum { MOST_WORLD = 8, COUNT = 600 };
static const double LONG_S = 20;

#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

// ---------------------------------------------------------------- every operation with every fault

typedef enum fault {
  NOBODY,
  DIES,
  STALLS,
  OTHER_COLLECTIVE,
  OTHER_SIZE,
  OTHER_TYPE,
  OTHER_REDUCTION,
  OTHER_ROOT
} fault;
static const char *const FAULTS[] = {"does all",   "dies",       "stalls",          "other collective",
                                     "other size", "other type", "other reduction", "other root"};

// How one call is made: what ranks must agree on, and memory for it.
typedef struct call {
  size_t count;
  enum hd_type type;
  enum hd_reduce_op op;
  int root;
  float *x, *y;  // (MOST_WORLD × COUNT)
} call;

static int barrier(hd_comm *c, const call *a) {
  (void)a;
  return hd_barrier(c);
}
static int all_reduce(hd_comm *c, const call *a) {
  return hd_all_reduce(c, a->x, a->count, a->type, a->op);
}
static int all_reduce_start(hd_comm *c, const call *a) {
  const int handle = hd_all_reduce_start(c, a->x, a->count, a->type, a->op);
  return handle < 0 ? -1 : hd_wait(c, handle);
}
static int reduce(hd_comm *c, const call *a) {
  return hd_reduce(c, a->x, a->y, a->count, a->type, a->op, a->root);
}
static int broadcast(hd_comm *c, const call *a) {
  return hd_broadcast(c, a->x, a->count, a->type, a->root);
}
static int reduce_scatter(hd_comm *c, const call *a) {
  return hd_reduce_scatter(c, a->x, a->y, a->count, a->type, a->op);
}
static int all_gather(hd_comm *c, const call *a) {
  return hd_all_gather(c, a->x, a->y, a->count, a->type);
}
static int split(hd_comm *c, const call *a) {
  (void)a;
  return hd_comm_split(c, 0, 0) ? 0 : -1;
}
// Between ranks 0 and 1; the others have nothing to do with it.
static int send(hd_comm *c, const call *a) {
  return hd_comm_rank(c) ? hd_recv(c, a->x, a->count, a->type, 0) : hd_send(c, a->x, a->count, a->type, 1);
}
static int recv(hd_comm *c, const call *a) {
  return hd_comm_rank(c) ? hd_send(c, a->x, a->count, a->type, 0) : hd_recv(c, a->x, a->count, a->type, 1);
}
static int exchange(hd_comm *c, const call *a) {
  const int peer = 1 - hd_comm_rank(c);
  const hd_transfer both[] = {{false, peer, a->y, a->count, a->type}, {true, peer, a->x, a->count, a->type}};
  return hd_exchange(c, both, 2);
}

enum { SIZED = 1 << OTHER_SIZE | 1 << OTHER_TYPE, REDUCES = 1 << OTHER_REDUCTION, ROOTED = 1 << OTHER_ROOT };

typedef struct operation {
  const char *name;  // in messages
  int (*call)(hd_comm *c, const call *a);
  int faults;     // besides the ones possible everywhere
  int meetings;   // sequence numbers that one call uses
  bool pair;      // only between ranks 0 and 1
  bool has_ring;  // does something else in the order HD_ORDER_RING
} operation;

static const operation OPERATIONS[] = {
    {"barrier", barrier, 0, 1, false, false},
    {"all_reduce", all_reduce, SIZED | REDUCES, 1, false, true},
    {"all_reduce_start", all_reduce_start, SIZED | REDUCES, 1, false, true},
    {"reduce", reduce, SIZED | REDUCES | ROOTED, 1, false, false},
    {"broadcast", broadcast, SIZED | ROOTED, 1, false, false},
    {"reduce_scatter", reduce_scatter, SIZED | REDUCES, 1, false, true},
    {"all_gather", all_gather, SIZED, 1, false, true},
    {"split", split, 0, 2, false, false},
    {"send", send, SIZED, 1, true, false},
    {"recv", recv, SIZED, 1, true, false},
    {"send", exchange, SIZED, 1, true, false},
};

typedef struct job {
  const operation *operation;
  fault fault;
  enum hd_backend backend;
  int returned[MOST_WORLD];
  bool old_whole;
} job;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// What rank 1 does instead.
static int misbehave(hd_comm *c, const job *j, call a) {
  switch (j->fault) {
    case NOBODY:
      break;
    case DIES:
      return 0;
    case STALLS:
      hd_comm_stall(c, LONG_S);
      return -1;
    case OTHER_COLLECTIVE:
      return j->operation->call == barrier ? all_gather(c, &a) : barrier(c, &a);
    case OTHER_SIZE:
      a.count--;
      break;
    case OTHER_TYPE:
      a.type = HD_I32;
      break;
    case OTHER_REDUCTION:
      a.op = HD_MIN;
      break;
    case OTHER_ROOT:
      a.root = 1;
      break;
  }
  return j->operation->call(c, &a);
}

// A good call before the bad one, so that the message's number is not just the first. Whoever stalls does so
// from the beginning: the deadline is short, and a busy machine could miss it in a good call.
static void faulty_body(hd_comm *c, void *arg) {
  job *j = arg;
  const int rank = hd_comm_rank(c);
  const bool takes_part = rank < 2 || !j->operation->pair;
  const size_t bytes = sizeof(float) * COUNT * MOST_WORLD;
  hd_ops *o = hd_ops_open(j->backend != HD_COMM_THREADS, hd_comm_stream(c));
  call a = {.count = COUNT, .type = HD_F32, .op = HD_MAX, .x = o->alloc(o, bytes), .y = o->alloc(o, bytes)};
  o->zero(o, a.x, bytes / sizeof(float));
  int bad = 0;
  if (takes_part && j->fault != STALLS) bad = j->operation->call(c, &a);
  if (bad)
    j->returned[rank] = -1;  // complete, but the others were so fast that they have failed in the next one
  else if (!takes_part && j->fault != NOBODY)
    hd_comm_stall(c, LONG_S);
  else if (!takes_part)
    j->returned[rank] = 0;
  else
    j->returned[rank] = rank == 1 ? misbehave(c, j, a) : j->operation->call(c, &a);
  o->synchronize(o);
  o->free(o, a.x, bytes);
  o->free(o, a.y, bytes);
  o->close(o);
}

// With NCCL the helper's lane was used twice before, to make the library's communicators.
static int number_of_bad_call(const job *j) {
  const bool shifted = j->backend == HD_COMM_NCCL && j->operation->call == all_reduce_start;
  return (j->fault == STALLS ? 1 : 1 + j->operation->meetings) + (shifted ? 2 : 0);
}

// What opening, the call and closing take without a fault.
static double good_run_s(const job *j, enum hd_order order, int world) {
  job good = {.operation = j->operation, .fault = NOBODY, .backend = j->backend};
  const double start = now();
  if (hd_comm_run(world, j->backend, order, 1, LONG_S, faulty_body, &good))
    fail_msg("%s", hd_comm_error_text());
  return now() - start;
}

static void check_fault(job *j, enum hd_order order, int world) {
  // A message, or a started operation, could still come from a rank that is in something else, were it not
  // that this one waits for the first.
  const bool late = j->operation->pair || j->operation->call == all_reduce_start;
  const bool circle = j->fault == OTHER_COLLECTIVE && late;
  const double deadline =
      deadline_s(j->fault == STALLS, j->fault == STALLS ? good_run_s(j, order, world) : 0);
  const double start = now();
  const int failed = hd_comm_run(world, j->backend, order, 1, deadline, faulty_body, j);
  const double took = now() - start;
  const char *text = hd_comm_error_text();
  char where[200], name[40];
  snprintf(where, sizeof where, "%s, rank 1 of %d %s, backend %d, order %d: %s", j->operation->name, world,
           FAULTS[j->fault], j->backend, order, text);
  snprintf(name, sizeof name, "%s #%d", j->operation->name, number_of_bad_call(j));
  if (failed != world - (j->fault == DIES)) fail_msg("%d ranks failed: %s", failed, where);
  if (j->fault != STALLS && !(took < LONG_S / 2)) fail_msg("took %g s: %s", took, where);
  if (!strstr(text, "rank 1")) fail_msg("names no rank: %s", where);
  if (circle) {  // whoever notices first tells
    if (!strstr(text, "barrier") || !strstr(text, "(in ") || !strchr(text, '#')) fail_msg("%s", where);
  } else if (!strstr(text, name)) {
    fail_msg("does not name %s: %s", name, where);
  }
  const char *expected = circle               ? "deadlock"
                         : j->fault == STALLS ? "waited"
                         : j->fault == DIES   ? "has ended"
                                              : "mismatch";
  if (!strstr(text, expected)) fail_msg("does not say \"%s\": %s", expected, where);
  for (int r = 0; r < world && (r < 2 || !j->operation->pair); r++)
    if (j->returned[r] != (r == 1 && j->fault == DIES ? 0 : -1))
      fail_msg("rank %d's call returned %d: %s", r, j->returned[r], where);
}

static void every_operation_survives_every_fault(void **state) {
  (void)state;
  static const int WORLDS[] = {3, 2, 8};
  EACH(o, OPERATIONS) for (fault f = DIES; f <= OTHER_ROOT; f++) {
    if (f >= OTHER_SIZE && !(OPERATIONS[o].faults & 1 << f)) continue;
    for (size_t b = 0; b < backend_count; b++)
      for (int order = HD_ORDER_RANK; order <= HD_ORDER_RING; order++) EACH(w, WORLDS) {
          if (order == HD_ORDER_RING && !OPERATIONS[o].has_ring) continue;
          if (w > 0 && (backends[b] != HD_COMM_THREADS || f == STALLS)) continue;  // the same meetings
          job j = {.operation = &OPERATIONS[o], .fault = f, .backend = backends[b]};
          check_fault(&j, (enum hd_order)order, WORLDS[w]);
        }
  }
}

// ---------------------------------------------------------------- faults of other kinds

// Runs a body that must fail on `failing` ranks, within `limit_s`, with a message that holds all the words.
static void assert_fails(int world, enum hd_order order, double deadline_s, double limit_s, int failing,
                         void (*body)(hd_comm *, void *), const char *const *words) {
  for (size_t b = 0; b < backend_count; b++) {
    job j = {.backend = backends[b]};
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

static void mismatch_keeps_data_body(hd_comm *c, void *arg) {
  job *j = arg;
  float x[2] = {3, 4};
  hd_all_reduce(c, x, hd_comm_rank(c) ? 1 : 2, HD_F32, HD_SUM);
  j->returned[hd_comm_rank(c)] = x[0] != 3 || x[1] != 4;
}

static void mismatch_leaves_the_data_alone(void **state) {
  (void)state;
  job j = {0};
  assert_int_equal(hd_comm_run(2, HD_COMM_THREADS, HD_ORDER_RANK, 1, LONG_S, mismatch_keeps_data_body, &j),
                   2);
  assert_int_equal(j.returned[0] | j.returned[1], 0);
}

static void late_rank(hd_comm *c, void *arg) {
  (void)arg;
  float x = 0;
  if (hd_comm_rank(c) == 1) hd_comm_stall(c, LONG_S);
  hd_all_reduce(c, &x, 1, HD_F32, HD_SUM);
}

// Circles of ranks that wait for each other, in every kind of wait.
static void send_round(hd_comm *c, void *arg) {
  (void)arg;
  float x = 0;
  hd_send(c, &x, 1, HD_F32, (hd_comm_rank(c) + 1) % hd_comm_world(c));
}

static void receive_round(hd_comm *c, void *arg) {
  (void)arg;
  float x = 0;
  hd_recv(c, &x, 1, HD_F32, (hd_comm_rank(c) + 1) % hd_comm_world(c));
}

// Rank 0's last operation is one that rank 2 would start behind its message, which rank 1 would take behind
// its barrier.
static void three_things(hd_comm *c, void *arg) {
  (void)arg;
  float x = 0, y[2000] = {0};
  if (hd_comm_rank(c) == 1) hd_barrier(c);
  if (hd_comm_rank(c) == 2) hd_send(c, &x, 1, HD_F32, 1);
  if (hd_comm_rank(c) == 0) hd_wait(c, hd_all_reduce_start(c, y, 2000, HD_F32, HD_SUM));
}

// The other rank is in the whole, this one is in a part of the two.
static void part_and_whole(hd_comm *c, void *arg) {
  (void)arg;
  hd_comm *part = hd_comm_split(c, hd_comm_rank(c) > 0, 0);
  if (hd_comm_rank(c) < 2)
    hd_barrier(c);
  else
    hd_barrier(part);
}

static void circles_are_noticed_at_once(void **state) {
  (void)state;
  assert_fails(2, HD_ORDER_RANK, LONG_S, 10, 2, send_round,
               WORDS("send #1", "deadlock", "(in send with rank"));
  assert_fails(8, HD_ORDER_RANK, LONG_S, 10, 8, send_round,
               WORDS("send #1", "deadlock", "(in send with rank"));
  assert_fails(3, HD_ORDER_RANK, LONG_S, 10, 3, receive_round,
               WORDS("recv #1", "deadlock", "(in recv with rank"));
  assert_fails(3, HD_ORDER_RANK, LONG_S, 10, 3, three_things, WORDS("#", "deadlock", "(in "));
  assert_fails(3, HD_ORDER_RANK, LONG_S, 10, 3, part_and_whole, WORDS("barrier #", "deadlock", "(in "));
}

// Nobody is accused who only takes long: rank 0 computes for a while before it ends what all others wait for
// in a chain.
static int chain_turn(hd_comm *c, float *x, float *message) {
  const int rank = hd_comm_rank(c), last = hd_comm_world(c) - 1;
  const int handle = hd_all_reduce_start(c, x, 2000, HD_F32, HD_SUM);
  if (rank == 0) usleep(150000);
  if (rank > 0 && hd_recv(c, message, 1, HD_F32, rank - 1)) return -1;
  if (rank < last && hd_send(c, message, 1, HD_F32, rank + 1)) return -1;
  return handle < 0 || hd_wait(c, handle) || hd_barrier(c) ? -1 : 0;
}

static void chain(hd_comm *c, void *arg) {
  const job *j = arg;
  hd_ops *o = hd_ops_open(j->backend != HD_COMM_THREADS, hd_comm_stream(c));
  float *x = o->alloc(o, 2001 * sizeof *x);
  o->zero(o, x, 2001);
  for (int turn = 0; turn < 3 && chain_turn(c, x, x + 2000) == 0; turn++) continue;
  o->synchronize(o);
  o->free(o, x, 2001 * sizeof *x);
  o->close(o);
}

static void who_takes_long_is_waited_for(void **state) {
  (void)state;
  for (size_t b = 0; b < backend_count; b++) {
    job j = {.backend = backends[b]};
    if (hd_comm_run(4, backends[b], HD_ORDER_RANK, 1, LONG_S, chain, &j))
      fail_msg("%s", hd_comm_error_text());
  }
}

static void a_late_rank_is_named_at_the_deadline(void **state) {
  (void)state;
  assert_fails(3, HD_ORDER_RANK, 0.75, 10, 3, late_rank,
               WORDS("all_reduce #1", "0.75 s", "rank 1 (in no operation)"));
}

static void exits_thread(hd_comm *c, void *arg) {
  (void)arg;
  if (hd_comm_rank(c) == 0) pthread_exit(NULL);
  hd_barrier(c);
}

static void a_body_that_leaves_by_pthread_exit_has_ended(void **state) {
  (void)state;
  assert_fails(2, HD_ORDER_RANK, LONG_S, 10, 1, exits_thread, WORDS("barrier #1", "rank 0 (has ended)"));
}

static void aborts(hd_comm *c, void *arg) {
  (void)arg;
  float x = 0;
  if (hd_comm_rank(c) == 1) {
    usleep(20000);
    hd_comm_abort(c, "loss is not a number");
  } else {
    hd_all_reduce(c, &x, 1, HD_F32, HD_SUM);
  }
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
                        hd_reduce(c, x, x, 4, HD_F32, HD_SUM, 0) && hd_broadcast(c, x, 4, HD_F32, 0) &&
                        hd_reduce_scatter(c, x, x, 2, HD_F32, HD_SUM) && hd_all_gather(c, x, x, 2, HD_F32) &&
                        hd_send(c, x, 4, HD_F32, peer) && hd_recv(c, x, 4, HD_F32, peer) &&
                        hd_all_reduce_start(c, x, 4, HD_F32, HD_SUM) < 0 && !hd_comm_split(c, 0, 0);
  j->returned[hd_comm_rank(c)] = all_fail && now() - start < 1 ? 1 : 2;
}

static void one_barrier(hd_comm *c, void *arg) {
  (void)arg;
  hd_barrier(c);
}

static void poisoned_communicator_stays_poisoned(void **state) {
  (void)state;
  job j = {0};
  assert_int_equal(hd_comm_run(2, HD_COMM_THREADS, HD_ORDER_RANK, 1, LONG_S, keeps_calling, &j), 2);
  assert_non_null(strstr(hd_comm_error_text(), "mismatch"));
  assert_int_equal(j.returned[0], 1);
  assert_int_equal(j.returned[1], 1);
  assert_int_equal(hd_comm_run(2, HD_COMM_THREADS, HD_ORDER_RANK, 1, LONG_S, one_barrier, NULL),
                   0);  // a new one is not
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
  assert_fails(2, HD_ORDER_RANK, LONG_S, 10, 2, bad_root, WORDS("root or peer 2", "0 to 1"));
  assert_fails(2, HD_ORDER_RANK, LONG_S, 10, 2, no_data, WORDS("all_reduce", "null"));
  assert_fails(2, HD_ORDER_RANK, LONG_S, 10, 2, talks_to_itself, WORDS("itself"));
  assert_fails(2, HD_ORDER_RANK, LONG_S, 10, 2, unknown_handle, WORDS("handle 0"));
  assert_int_equal(hd_comm_run(0, HD_COMM_THREADS, HD_ORDER_RANK, 1, 1, bad_root, NULL), 1);
  assert_non_null(strstr(hd_comm_error_text(), "0 ranks"));
  assert_int_equal(hd_comm_run(1000, HD_COMM_THREADS, HD_ORDER_RANK, 1, 1, bad_root, NULL), 1000);
  assert_int_equal(hd_comm_run(2, HD_COMM_THREADS, HD_ORDER_RANK, 0, 1, bad_root, NULL), 2);
}

// Groups made in one run of ranks and used in the next, as by programs that start their processes twice; or a
// handle that went to another rank by way of a global.
static hd_comm *kept[2], *kept_part[2];
static void keeps_its_groups(hd_comm *c, void *arg) {
  (void)arg;
  kept[hd_comm_rank(c)] = c;
  kept_part[hd_comm_rank(c)] = hd_comm_split(c, 0, 0);
}

static void uses_old_groups(hd_comm *c, void *arg) {
  job *j = arg;
  float x[4] = {0};
  const int rank = hd_comm_rank(c);
  hd_comm *old = j->old_whole ? kept[1 - rank] : kept_part[1 - rank];
  j->returned[rank] = hd_all_reduce(old, x, 4, HD_F32, HD_SUM) || hd_barrier(old);
}

static void uses_a_neighbours_group(hd_comm *c, void *arg) {
  keeps_its_groups(c, NULL);
  if (hd_barrier(c) == 0) uses_old_groups(c, arg);
}

static void groups_end_with_their_run(void **state) {
  (void)state;
  for (size_t b = 0; b < backend_count; b++)
    for (int whole = 0; whole < 2; whole++) {
      job j = {.backend = backends[b], .old_whole = whole > 0};
      assert_int_equal(hd_comm_run(2, backends[b], HD_ORDER_RANK, 1, LONG_S, keeps_its_groups, NULL), 0);
      assert_int_equal(hd_comm_run(2, backends[b], HD_ORDER_RANK, 1, LONG_S, uses_old_groups, &j), 2);
      assert_non_null(strstr(hd_comm_error_text(), "a communicator of another run"));
      assert_true(j.returned[0] && j.returned[1]);
      assert_int_equal(hd_comm_run(2, backends[b], HD_ORDER_RANK, 1, LONG_S, uses_a_neighbours_group, &j), 2);
      assert_non_null(strstr(hd_comm_error_text(), "of another rank"));
    }
  assert_int_equal(hd_barrier(kept[0]), -1);  // of no rank at all
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
  find_backends(true);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_operation_survives_every_fault),
      cmocka_unit_test(mismatch_leaves_the_data_alone),
      cmocka_unit_test(a_late_rank_is_named_at_the_deadline),
      cmocka_unit_test(circles_are_noticed_at_once),
      cmocka_unit_test(who_takes_long_is_waited_for),
      cmocka_unit_test(a_body_that_leaves_by_pthread_exit_has_ended),
      cmocka_unit_test(abort_ends_everybodys_wait),
      cmocka_unit_test(poisoned_communicator_stays_poisoned),
      cmocka_unit_test(bad_arguments_are_named),
      cmocka_unit_test(groups_end_with_their_run),
      cmocka_unit_test(forgotten_waits_are_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
