// SPDX-License-Identifier: MIT
// Pipeline schedules on paper: their lengths and stashes against the formulas, with exact costs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs the four headers above before it
#include <cmocka.h>
#include <lessons/24-pipeline/messages.h>
#include <lessons/24-pipeline/schedule.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const int RANKS[] = {1, 2, 3, 4, 8}, MICRO[] = {8, 12, 24};
#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

// Powers of two, so that all sums are exact. Backward is twice a forward, as in a network of matrix products.
static const costs UNIT = {1, 1, 1, 0};

// The same costs for all pieces; valid until the next call.
static const costs *all(costs each) {
  static costs piece[2 * MOST_STAGES];
  EACH(i, piece) piece[i] = each;
  return piece;
}

// Everything once, in the order the gradients are summed in.
static void assert_complete(const schedule *s) {
  for (int r = 0; r < s->ranks; r++) {
    int done[4][64] = {{0}};
    for (int i = 0; i < s->count[r]; i++) {
      const instruction *n = &s->list[r][i];
      assert_int_equal(n->micro, done[n->kind][n->chunk]++);
    }
    for (int c = 0; c < s->chunks; c++) {
      assert_int_equal(done[FORWARD][c], s->micro_batches);
      assert_int_equal(done[BACKWARD][c] + done[BACKWARD_INPUT][c], s->micro_batches);
      assert_int_equal(done[BACKWARD_WEIGHTS][c], done[BACKWARD_INPUT][c]);
    }
  }
}

static void check(schedule s, costs c, double bubble, int first_stash) {
  assert_complete(&s);
  const double work = s.micro_batches * s.chunks * (c.forward + c.backward_input + c.backward_weights);
  assert_true(schedule_makespan(&s, all(c), NULL) == work + bubble);
  assert_true(fabs(schedule_idle(&s, all(c)) - bubble / (work + bubble)) < 1e-12);
  if (first_stash) assert_int_equal(schedule_stashes(&s, 0, 0), first_stash);
  schedule_free(&s);
}

static void bubbles_are_those_of_the_formulas(void **state) {
  (void)state;
  EACH(i, RANKS) EACH(k, MICRO) {
    const int p = RANKS[i], m = MICRO[k];
    check(schedule_gpipe(p, m), UNIT, 3.0 * (p - 1), m);
    check(schedule_one_f_one_b(p, m), UNIT, 3.0 * (p - 1), p);
    check(schedule_zero_bubble(p, m), UNIT, 1.0 * (p - 1), p);
    check(schedule_gpipe(p, 1), UNIT, 3.0 * (p - 1), 1);
    const costs half = {0.5, 0.5, 0.5, 0};
    if (m % p == 0) check(schedule_interleaved(p, m, 2), half, 1.5 * (p - 1), 0);
    schedule s = schedule_one_f_one_b(p, m);
    assert_true(fabs(schedule_idle(&s, all(UNIT)) - (p - 1.0) / (m + p - 1.0)) < 1e-12);
    for (int r = 0; r < p; r++) assert_int_equal(schedule_stashes(&s, r, 0), p - r);
    schedule_free(&s);
  }
}

// Whatever the shape and the costs: no deadlock, every instruction after what it waits for, not more kept
// than promised, and at least as long as its slowest rank and its longest chain.
static void assert_possible(schedule s, costs c, int most_kept) {
  double *start[MOST_STAGES];
  assert_complete(&s);
  for (int r = 0; r < s.ranks; r++) start[r] = calloc((size_t)s.count[r], sizeof(double));
  const double end = schedule_makespan(&s, all(c), start);
  const double each = c.forward + c.backward_input + c.backward_weights;
  assert_true(end >= each * s.micro_batches * s.chunks);
  assert_true(end >= (c.forward + c.backward_input) * s.ranks * s.chunks);
  double done[2][2 * MOST_STAGES][16];  // forward, gradient of the input: per piece and micro-batch
  for (int r = 0; r < s.ranks; r++)
    for (int i = 0; i < s.count[r]; i++) {
      const instruction n = s.list[r][i];
      const double own =
          n.kind == FORWARD ? c.forward : c.backward_input + (n.kind == BACKWARD ? c.backward_weights : 0);
      if (n.kind != BACKWARD_WEIGHTS)
        done[n.kind != FORWARD][n.chunk * s.ranks + r][n.micro] = start[r][i] + own;
    }
  const int last = s.ranks * s.chunks - 1;
  for (int r = 0; r < s.ranks; r++) {
    for (int i = 0; i < s.count[r]; i++) {
      const instruction n = s.list[r][i];
      const int piece = n.chunk * s.ranks + r;
      const double begin = start[r][i];
      if (n.kind == FORWARD && piece > 0) assert_true(begin >= done[0][piece - 1][n.micro] + c.hop);
      if (n.kind == BACKWARD_WEIGHTS) assert_true(begin >= done[1][piece][n.micro]);
      if (n.kind == BACKWARD || n.kind == BACKWARD_INPUT) {
        assert_true(begin >= done[0][piece][n.micro]);
        if (piece < last) assert_true(begin >= done[1][piece + 1][n.micro] + c.hop);
      }
    }
    if (most_kept) assert_in_range(schedule_stashes(&s, r, 0), 1, most_kept);
    free(start[r]);
  }
  schedule_free(&s);
}

static void every_shape_is_possible(void **state) {
  (void)state;
  static const costs several[] = {{1, 1, 1, 0}, {1, 2, 0.5, 0.25}, {4, 1, 2, 8}};
  EACH(k, several) for (int p = 1; p <= 8; p++) for (int m = 1; m <= 16; m++) {
    const int kept = p < m ? p : m;
    assert_possible(schedule_gpipe(p, m), several[k], m);
    assert_possible(schedule_one_f_one_b(p, m), several[k], kept);
    assert_possible(schedule_zero_bubble(p, m), several[k], kept);
    if (m % p == 0) assert_possible(schedule_interleaved(p, m, 2), several[k], 0);
  }
}

static void fewer_micro_batches_than_ranks(void **state) {
  (void)state;
  check(schedule_one_f_one_b(8, 3), UNIT, 21, 3);
  check(schedule_gpipe(8, 3), UNIT, 21, 3);
}

// A message on its way adds 2(p - 1) hops to the filling and emptying of a pipeline with all forwards first.
static void messages_take_time(void **state) {
  (void)state;
  const costs c = {1, 1, 1, 0.25};
  for (int p = 2; p <= 8; p *= 2) {
    schedule s = schedule_gpipe(p, 16);
    assert_true(schedule_makespan(&s, all(c), NULL) == 3.0 * 16 + 3.0 * (p - 1) + 0.25 * 2 * (p - 1));
    schedule_free(&s);
  }
}

// The slowest piece decides: m - 1 times its work, and every piece once.
static void unequal_pieces(void **state) {
  (void)state;
  const costs piece[4] = {{1, 1, 1, 0}, {4, 4, 4, 0}, {2, 2, 2, 0}, {1, 1, 1, 0}};
  schedule s = schedule_gpipe(4, 16);
  assert_true(schedule_makespan(&s, piece, NULL) == 15 * 12.0 + 3 * 8);
  schedule_free(&s);
}

// Every message has one receiver, who expects it after all that its sender sent before.
static void messages_sent_are_messages_expected(void **state) {
  (void)state;
  EACH(i, RANKS) {
    const int p = RANKS[i];
    schedule each[] = {schedule_gpipe(p, 12), schedule_one_f_one_b(p, 12), schedule_zero_bubble(p, 12),
                       schedule_interleaved(p, 3 * p, p > 1 ? 2 : 1)};
    EACH(n, each) {
      const schedule *s = &each[n];
      for (int r = 0; r < p; r++) {
        inbox in[2];
        const int inboxes = inboxes_of(s, r, in);
        int expected = 0, awaited = 0, sent = 0;
        for (int b = 0; b < inboxes; b++) {
          expected += in[b].count;
          for (int k = 0; k < s->count[in[b].peer]; k++)
            sent += receiver_of(s, in[b].peer, s->list[in[b].peer][k]) == r;
          inbox_free(&in[b]);
        }
        for (int k = 0; k < s->count[r]; k++) awaited += sender_of(s, r, s->list[r][k]) >= 0;
        assert_int_equal(expected, sent);
        assert_int_equal(expected, awaited);
      }
      schedule_free(&each[n]);
    }
  }
}

static void missing_instruction_is_a_deadlock(void **state) {
  (void)state;
  schedule s = schedule_one_f_one_b(4, 8);
  s.list[2][0].micro = 1;  // never does the first micro-batch's forward
  assert_true(schedule_makespan(&s, all(UNIT), NULL) == -1);
  schedule_free(&s);
  s = schedule_gpipe(3, 4);
  const instruction first = s.list[0][0];  // waits for a gradient before it has sent anything
  memmove(s.list[0], s.list[0] + 1, (size_t)(s.count[0] - 1) * sizeof first);
  s.list[0][s.count[0] - 1] = first;
  assert_true(schedule_makespan(&s, all(UNIT), NULL) == -1);
  schedule_free(&s);
}

static void starts_leave_room_for_the_work_before(void **state) {
  (void)state;
  schedule s = schedule_zero_bubble(4, 8);
  double *start[4];
  for (int r = 0; r < 4; r++) start[r] = calloc((size_t)s.count[r], sizeof(double));
  const double end = schedule_makespan(&s, all(UNIT), start);
  for (int r = 0; r < 4; r++) {
    for (int i = 1; i < s.count[r]; i++) assert_true(start[r][i] >= start[r][i - 1] + 1);
    assert_true(start[r][s.count[r] - 1] + 1 <= end);
    free(start[r]);
  }
  schedule_free(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bubbles_are_those_of_the_formulas),
      cmocka_unit_test(every_shape_is_possible),
      cmocka_unit_test(fewer_micro_batches_than_ranks),
      cmocka_unit_test(messages_take_time),
      cmocka_unit_test(unequal_pieces),
      cmocka_unit_test(messages_sent_are_messages_expected),
      cmocka_unit_test(missing_instruction_is_a_deadlock),
      cmocka_unit_test(starts_leave_room_for_the_work_before),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
