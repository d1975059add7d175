// SPDX-License-Identifier: MIT
// Ranks that are processes: collectives, faults, and that nobody is left behind. This program starts itself
// as the ranks; what they do is named in their arguments.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs the four headers above before it
#include <cmocka.h>
#include <errno.h>
#include <heddle/clock.h>
#include <heddle/comm.h>
#include <heddle/error.h>
#include <heddle/launch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"

#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

static const int WORLDS[] = {1, 2, 3, 4, 8};

// ---------------------------------------------------------------- every collective

// Sums of these are not exact: only the right order gives the right bits.
static float value(int rank, size_t i) {
  return (float)((i * 2654435761u + (unsigned)rank * 40503u) % 1000003) / 1000.0f;
}

static float sum_in_order(int world, size_t i) {
  float sum = value(0, i);
  for (int r = 1; r < world; r++) sum += value(r, i);
  return sum;
}

static void expect(hd_comm *c, const char *what, const float *x, size_t from, size_t count) {
  char why[160];
  for (size_t i = 0; i < count; i++) {
    const float wanted = sum_in_order(hd_comm_world(c), from + i);
    if (x[i] == wanted) continue;
    snprintf(why, sizeof why, "%s of %zu: element %zu is %.9g, not %.9g", what, count, i, (double)x[i],
             (double)wanted);
    hd_comm_abort(c, why);
    return;
  }
}

static void fill(float *x, int rank, size_t from, size_t count) {
  for (size_t i = 0; i < count; i++) x[i] = value(rank, from + i);
}

// The bytes and messages since `before`, against the formulas of heddle/comm.h.
static void expect_traffic(hd_comm *c, const char *what, hd_traffic before, uint64_t messages,
                           uint64_t bytes) {
  const hd_traffic now = hd_comm_traffic(c);
  char why[160];
  if (now.messages - before.messages == messages && now.bytes - before.bytes == bytes) return;
  snprintf(why, sizeof why, "%s: %llu messages of %llu bytes, not %llu of %llu", what,
           (unsigned long long)(now.messages - before.messages),
           (unsigned long long)(now.bytes - before.bytes), (unsigned long long)messages,
           (unsigned long long)bytes);
  hd_comm_abort(c, why);
}

static void all_of(hd_comm *c, size_t count, float *x, float *y) {
  const int rank = hd_comm_rank(c), world = hd_comm_world(c), root = world - 1;
  const size_t n = (size_t)world;
  const uint64_t others = n - 1;
  hd_traffic before = hd_comm_traffic(c);
  fill(x, rank, 0, count);
  if (hd_all_reduce(c, x, count, HD_F32, HD_SUM)) return;
  expect(c, "all_reduce", x, 0, count);
  if (count * sizeof *x > 4096 && 32768 % (16 * n) == 0 && count % 32768 == 0)
    expect_traffic(c, "all_reduce", before, 2 * others * (count / 32768), 2 * others * count * sizeof *x / n);
  fill(x, rank, 0, count);
  const int handle = hd_all_reduce_start(c, x, count, HD_F32, HD_SUM);
  fill(y, rank, 0, count * n);
  before = hd_comm_traffic(c);
  if (hd_reduce_scatter(c, y, y + n * count, count, HD_F32, HD_SUM)) return;
  expect(c, "reduce_scatter", y + n * count, (size_t)rank * count, count);
  if (handle < 0 || hd_wait(c, handle)) return;
  expect(c, "all_reduce_start", x, 0, count);
  fill(x, rank, 0, count);
  if (hd_reduce(c, x, y, count, HD_F32, HD_SUM, root)) return;
  if (rank == root) expect(c, "reduce", y, 0, count);
  for (size_t i = 0; i < count; i++) x[i] = sum_in_order(world, (size_t)rank * count + i);
  before = hd_comm_traffic(c);
  if (hd_all_gather(c, x, y, count, HD_F32)) return;
  expect(c, "all_gather", y, 0, count * n);
  expect_traffic(c, "all_gather", before, others, others * count * sizeof *x);
  for (size_t i = 0; i < count; i++) x[i] = rank == root ? sum_in_order(world, i) : -1;
  if (hd_broadcast(c, x, count, HD_F32, root)) return;
  expect(c, "broadcast", x, 0, count);
  hd_barrier(c);
}

static void other_types(hd_comm *c) {
  enum { COUNT = 5000 };
  static int32_t x[COUNT];
  static uint16_t y[COUNT];
  const int rank = hd_comm_rank(c), world = hd_comm_world(c);
  for (int i = 0; i < COUNT; i++) {
    x[i] = (rank + i) % world;
    y[i] = hd_bf16_from_float((float)(rank + i % 100));
  }
  if (hd_all_reduce(c, x, COUNT, HD_I32, HD_MAX) || hd_all_reduce(c, y, COUNT, HD_BF16, HD_SUM)) return;
  for (int i = 0; i < COUNT; i++) {
    const float sum = (float)(world * (i % 100) + world * (world - 1) / 2);
    if (x[i] != world - 1 || y[i] != hd_bf16_from_float(sum)) hd_comm_abort(c, "max of int32 or sum of bf16");
  }
}

static void collectives(hd_comm *c, void *arg) {
  (void)arg;
  static const size_t COUNTS[] = {0, 1, 33, 1000, 1024, 1025, 32768, 65536, 100003, 3 * 131072};
  const size_t longest = 3 * 131072, n = (size_t)hd_comm_world(c);
  float *x = hd_alloc(longest, sizeof *x), *y = hd_alloc(longest * (n + 1), sizeof *y);
  EACH(i, COUNTS) if (!hd_comm_failed(c)) all_of(c, COUNTS[i], x, y);
  if (!hd_comm_failed(c)) other_types(c);
  free(x);
  free(y);
}

// ---------------------------------------------------------------- faults

static int barrier(hd_comm *c, float *x, size_t n) {
  (void)x, (void)n;
  return hd_barrier(c);
}
static int all_reduce(hd_comm *c, float *x, size_t n) {
  return hd_all_reduce(c, x, n, HD_F32, HD_SUM);
}
static int all_reduce_short(hd_comm *c, float *x, size_t n) {
  return hd_all_reduce(c, x, n / 1000, HD_F32, HD_SUM);
}
static int started(hd_comm *c, float *x, size_t n) {
  const int handle = hd_all_reduce_start(c, x, n, HD_F32, HD_SUM);
  return handle < 0 ? -1 : hd_wait(c, handle);
}
static int reduce(hd_comm *c, float *x, size_t n) {
  return hd_reduce(c, x, x + n, n, HD_F32, HD_SUM, 0);
}
static int broadcast(hd_comm *c, float *x, size_t n) {
  return hd_broadcast(c, x, n, HD_F32, 0);
}
static int reduce_scatter(hd_comm *c, float *x, size_t n) {
  return hd_reduce_scatter(c, x, x + n, n / 4, HD_F32, HD_SUM);
}
static int all_gather(hd_comm *c, float *x, size_t n) {
  return hd_all_gather(c, x, x + n, n / 4, HD_F32);
}

static int (*const OPERATIONS[])(hd_comm *c, float *x, size_t n) = {
    barrier, all_reduce, all_reduce_short, started, reduce, broadcast, reduce_scatter, all_gather};

enum fault { NOBODY, KILLED, EXITS, RETURNS, STALLS, OTHER_SIZE, OTHER_CALL, FAULTS };
enum { FAULTY = 1, LENGTH = 100000 };

// "operation fault": twice the operation; the second time one rank has its fault.
static void faulty(hd_comm *c, void *arg) {
  const char *text = arg;
  char *end;
  const long operation = strtol(text, &end, 10), fault = strtol(end, NULL, 10);
  float *x = hd_alloc(2 * LENGTH, sizeof *x);
  memset(x, 0, 2 * LENGTH * sizeof *x);
  size_t n = LENGTH;
  if (OPERATIONS[operation](c, x, n)) goto out;
  if (hd_comm_rank(c) == FAULTY) {
    if (fault == KILLED) raise(SIGKILL);
    if (fault == EXITS) _exit(3);
    if (fault == RETURNS) goto out;
    if (fault == STALLS) hd_comm_stall(c, 20);
    if (fault == OTHER_SIZE) n -= 4000;
    if (fault == OTHER_CALL) hd_all_reduce(c, x, 7, HD_I32, HD_MAX);
  }
  OPERATIONS[operation](c, x, n);
out:
  free(x);
}

// Does not listen to anybody.
static void deaf(hd_comm *c, void *arg) {
  (void)arg;
  if (hd_comm_rank(c) == FAULTY)
    while (true) sleep(1);
  hd_barrier(c);
}

static void crosswise(hd_comm *c, void *arg) {
  (void)arg;
  float x = 1;
  if (hd_comm_rank(c) == 0) {
    const int handle = hd_all_reduce_start(c, &x, 1, HD_F32, HD_SUM);
    if (handle >= 0) hd_wait(c, handle);
    hd_barrier(c);
  } else {
    hd_barrier(c);
    const int handle = hd_all_reduce_start(c, &x, 1, HD_F32, HD_SUM);
    if (handle >= 0) hd_wait(c, handle);
  }
}

// A published mistake: only the first rank saves, and waits for the others behind its file, where they are
// not.
static void lonely_save(hd_comm *c, void *arg) {
  (void)arg;
  float x = 1;
  if (hd_comm_rank(c) == 0 && hd_barrier(c)) return;
  hd_all_reduce(c, &x, 1, HD_F32, HD_SUM);
}

static void parts(hd_comm *c, void *arg) {
  (void)arg;
  hd_comm_split(c, 0, 0);
}

static void message(hd_comm *c, void *arg) {
  float x = 0;
  (void)arg;
  hd_send(c, &x, 1, HD_F32, 1 - hd_comm_rank(c));
}

// Tells its number, then stays until it is killed.
static void stays(hd_comm *c, void *arg) {
  char line[32];
  const int n = snprintf(line, sizeof line, "%d\n", (int)getpid());
  FILE *f = fopen(arg, "a");
  if (!f || fwrite(line, 1, (size_t)n, f) != (size_t)n || fclose(f)) hd_comm_abort(c, "no file");
  hd_barrier(c);
  while (true) sleep(1);
}

static const struct {
  const char *name;
  void (*body)(hd_comm *c, void *arg);
} BODIES[] = {
    {"collectives", collectives}, {"faulty", faulty}, {"deaf", deaf},       {"crosswise", crosswise},
    {"lonely save", lonely_save}, {"parts", parts},   {"message", message}, {"stays", stays}};

static int launch(int world, double limit_s, const char *body, const char *arg) {
  const char *const arguments[] = {body, arg, NULL};
  return hd_launch(world, 1, limit_s, arguments);
}

// ---------------------------------------------------------------- tests

static void collectives_are_right_in_rank_order(void **state) {
  (void)state;
  EACH(w, WORLDS)
  if (launch(WORLDS[w], 20, "collectives", "")) fail_msg("%d ranks: %s", WORLDS[w], hd_comm_error_text());
  assert_string_equal(hd_comm_error_text(), "");
}

static void every_fault_of_every_operation_is_named(void **state) {
  (void)state;
  EACH(operation, OPERATIONS) for (int fault = NOBODY; fault < FAULTS; fault++) {
    char arg[32];
    if (fault == OTHER_SIZE && OPERATIONS[operation] == barrier) continue;
    snprintf(arg, sizeof arg, "%zu %d", operation, fault);
    const double start = hd_wall();
    const int failed = launch(4, fault == STALLS ? 0.7 : 20, "faulty", arg);
    if (fault == NOBODY) {
      if (failed) fail_msg("operation %zu: %s", operation, hd_comm_error_text());
      continue;
    }
    if (hd_wall() - start > 10) fail_msg("operation %zu, fault %d: too late", operation, fault);
    if (failed < 1) fail_msg("operation %zu, fault %d: nobody failed", operation, fault);
    assert_error_names(FAULTY, "operation", operation, fault);
    if (fault == KILLED) assert_non_null(strstr(hd_comm_error_text(), "killed by signal 9"));
  }
}

static void a_rank_that_listens_to_nobody_is_killed(void **state) {
  (void)state;
  const double start = hd_wall();
  assert_true(launch(3, 0.3, "deaf", "") > 0);
  assert_true(hd_wall() - start < 8);
  assert_error_names(FAULTY, "deaf", 0, 0);
}

static void a_circle_of_waits_is_found_at_once(void **state) {
  (void)state;
  const double start = hd_wall();
  assert_true(launch(2, 20, "crosswise", "") > 0);
  assert_true(hd_wall() - start < 10);
  assert_non_null(strstr(hd_comm_error_text(), "deadlock"));
}

static void a_barrier_of_one_rank_is_a_mismatch(void **state) {
  (void)state;
  const double start = hd_wall();
  assert_true(launch(3, 20, "lonely save", "") > 0);
  assert_true(hd_wall() - start < 10);
  const char *text = hd_comm_error_text();
  if (!strstr(text, "mismatch: rank") || !strstr(text, "barrier #1") || !strstr(text, "all_reduce #1"))
    fail_msg("\"%s\"", text);
}

static void what_processes_cannot_do_is_said(void **state) {
  (void)state;
  assert_int_equal(launch(2, 5, "parts", ""), 2);
  assert_non_null(strstr(hd_comm_error_text(), "one communicator"));
  assert_int_equal(launch(2, 5, "message", ""), 2);
  assert_non_null(strstr(hd_comm_error_text(), "collectives only"));
  assert_true(launch(0, 5, "parts", "") > 0);
  assert_true(launch(HD_MOST_RANKS + 1, 5, "parts", "") > 0);
  assert_non_null(strstr(hd_comm_error_text(), "are possible"));
}

// Waits for processes to be gone, or zombies of somebody who does not look.
static bool gone(long pid) {
  for (const double end = hd_wall() + 5; hd_wall() < end; usleep(2000)) {
    char path[64], line[256] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f) return true;
    const bool read = fgets(line, sizeof line, f) != NULL;
    fclose(f);
    const char *behind_name = strrchr(line, ')');
    if (!read || (behind_name && behind_name[2] == 'Z')) return true;
  }
  return false;
}

static void nobody_outlives_a_killed_parent(void **state) {
  (void)state;
  char path[] = "/tmp/heddle-test-launch-XXXXXX", text[256] = "";
  const int file = mkstemp(path);
  assert_true(file >= 0);
  const pid_t parent = fork();
  if (parent == 0) {
    launch(3, 20, "stays", path);
    _exit(0);
  }
  int lines = 0;
  for (const double end = hd_wall() + 20; lines < 3 && hd_wall() < end; usleep(2000)) {
    const ssize_t got = pread(file, text, sizeof text - 1, 0);
    lines = 0;
    for (ssize_t i = 0; i < got; i++) lines += text[i] == '\n';
  }
  kill(parent, SIGKILL);
  waitpid(parent, NULL, 0);
  close(file);
  unlink(path);
  assert_int_equal(lines, 3);
  int left = 0;
  char *at = text;
  for (int r = 0; r < 3; r++) {
    const long pid = strtol(at, &at, 10);
    assert_true(pid > 1);
    if (gone(pid)) continue;
    kill((pid_t)pid, SIGKILL);
    left++;
  }
  assert_int_equal(left, 0);
}

static void another_program_has_its_limit(void **state) {
  (void)state;
  char output[64];
  const char *const speaks[] = {"/bin/sh", "-c", "echo said; echo also >&2; exit 7", NULL};
  const char *const sleeps[] = {"/bin/sh", "-c", "exec sleep 20", NULL};
  const char *const none[] = {"/nowhere/program", NULL};
  assert_int_equal(hd_run_program(speaks, 10, output, sizeof output), 7);
  assert_string_equal(output, "said\nalso\n");
  const double start = hd_wall();
  assert_int_equal(hd_run_program(sleeps, 0.2, output, sizeof output), -1);
  assert_true(hd_wall() - start < 10);
  assert_int_equal(hd_run_program(none, 10, output, sizeof output), 127);
}

int main(int argc, char **argv) {
  if (hd_launched() && argc == 3)
    EACH(i, BODIES) if (strcmp(argv[1], BODIES[i].name) == 0) return hd_launched_run(BODIES[i].body, argv[2]);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(collectives_are_right_in_rank_order),
      cmocka_unit_test(every_fault_of_every_operation_is_named),
      cmocka_unit_test(a_rank_that_listens_to_nobody_is_killed),
      cmocka_unit_test(a_circle_of_waits_is_found_at_once),
      cmocka_unit_test(a_barrier_of_one_rank_is_a_mismatch),
      cmocka_unit_test(what_processes_cannot_do_is_said),
      cmocka_unit_test(nobody_outlives_a_killed_parent),
      cmocka_unit_test(another_program_has_its_limit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
