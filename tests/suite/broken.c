// SPDX-License-Identifier: MIT
// A lesson whose variants are broken in the classic ways: the harness must catch each. What else it does
// wrong comes from HD_BREAK in the environment: crash, hang, slow (a lesson that can be interrupted in its
// middle), or what rank 2 of 4 does in an all-reduce: dies, stalls, other-collective, other-size.
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "heddle/bench.h"
#include "heddle/comm.h"
#include "heddle/error.h"

static float *data(hd_case *c) {
  return c->state;
}

static void one_rank_fails(hd_comm *comm, void *arg) {
  const char *how = arg;
  float x[8] = {0};
  const bool lost = hd_comm_rank(comm) == 2;
  if (lost && strcmp(how, "dies") == 0) return;
  if (lost && strcmp(how, "stalls") == 0) sleep(2);
  if (lost && strcmp(how, "other-collective") == 0)
    hd_broadcast(comm, x, 8, HD_F32, 0);
  else
    hd_all_reduce(comm, x, lost && strcmp(how, "other-size") == 0 ? 7 : 8, HD_F32, HD_SUM);
}

static void setup(hd_case *c) {
  static const char *const losses[] = {"dies", "stalls", "other-collective", "other-size"};
  const char *how = getenv("HD_BREAK");
  for (int i = 0; i < HD_COUNT(losses); i++)
    if (how && strcmp(how, losses[i]) == 0 &&
        hd_comm_run(4, HD_COMM_THREADS, HD_ORDER_RANK, 1, 0.5, one_rank_fails, (void *)losses[i]))
      hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  if (how && strcmp(how, "crash") == 0) raise(SIGSEGV);
  if (how && strcmp(how, "hang") == 0) sleep(1000);
  if (how && strcmp(how, "slow") == 0) usleep(400000);
  c->state = hd_alloc((size_t)c->size, sizeof(float));
  hd_add_output(c, "squares", c->state, (size_t)c->size, HD_F32);
}

static void teardown(hd_case *c) {
  free(c->state);
}

static void reference(hd_case *c) {
  for (long i = 0; i < c->size; i++) c->outputs[0].expected[i] = (double)i * (double)i;
}

static void right(hd_case *c) {
  for (long i = 0; i < c->size; i++) data(c)[i] = (float)i * (float)i;
}

static void null_variant(hd_case *c) {
  (void)c;
}

static void nan_variant(hd_case *c) {
  right(c);
  if (c->size) data(c)[c->size / 2] = NAN;
}

static void off_by_one(hd_case *c) {
  for (long i = 0; i < c->size - 1; i++) data(c)[i] = (float)i * (float)i;
}

static double tolerance(const hd_case *c) {
  return c ? 1e-6 : 0;
}
static double bytes(const hd_case *c) {
  return 4.0 * (double)c->size;
}
static double memory(long size) {
  return 4.0 * (double)size;
}

static const hd_variant variants[] = {
    {"right", HD_SERIAL, right, "the only right one"},
    {"null", HD_SERIAL, null_variant, "does nothing"},
    {"nan", HD_SERIAL, nan_variant, "one NaN"},
    {"off-by-one", HD_SERIAL, off_by_one, "forgets the last element"},
    {"on-purpose", HD_SERIAL, off_by_one, "wrong, and said to be", .wrong_on_purpose = true},
};

const hd_lesson hd_this_lesson = {
    .number = 99,
    .name = "broken",
    .title = "Broken on purpose",
    .size_name = "n",
    .unit = "GB/s",
    .bytes = bytes,
    .rate = HD_RATE_BYTES,
    .quick = {1000, 2000, 3000, 4000},
    .full = {1000},
    .verify = {1, 33, 1000, -1},
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
};
