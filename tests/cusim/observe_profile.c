// SPDX-License-Identifier: MIT
// Which blocks are traced, what later launches of the same shape use, the report, and the environment's bad
// values.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
// cmocka needs the first four
#include <cmocka.h>

#include "observe_memory.h"
#include "sim.h"

static const int first_function, second_function;

static sim_launch launch_of(const void *function, unsigned blocks) {
  return (sim_launch){.kernel = "scale", .function = function, .grid = {blocks, 1, 1}, .block = {128, 1, 1}};
}

static sim_counters counters_of(uint64_t blocks) {
  sim_counters c = {
      .traced = blocks, .blocks = blocks, .warps = 4 * blocks, .threads = 128 * blocks, .epochs = blocks};
  c.flop_sp_fma = 1000 * blocks;
  c.ld_requests = c.model_requests = c.model_lsu16 = c.model_lsu32 = 4 * blocks;
  c.ld_sectors = 16 * blocks;
  c.dram_ld_bytes = 512 * blocks;
  c.active_lanes = c.active_slots = 128 * blocks;
  return c;
}

// Runs in a child, since a process reads its environment once; returns its exit status and what it wrote.
static int in_child(void (*what)(void), const char *name, const char *value, char *text, size_t bytes) {
  int pipe_ends[2];
  assert_int_equal(pipe(pipe_ends), 0);
  pid_t child = fork();
  if (child == 0) {
    setenv(name, value, 1);
    dup2(pipe_ends[1], STDERR_FILENO);
    dup2(pipe_ends[1], STDOUT_FILENO);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    what();
    exit(0);
  }
  close(pipe_ends[1]);
  size_t length = 0;
  ssize_t got;
  while (length < bytes - 1 && (got = read(pipe_ends[0], text + length, bytes - 1 - length)) > 0)
    length += (size_t)got;
  text[length] = 0;
  close(pipe_ends[0]);
  int status;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void print_plan(void) {
  const unsigned grids[] = {1, 2, 1000, 1000};
  for (int i = 0; i < 4; i++) {
    uint64_t blocks[2000];
    sim_launch l = launch_of(&first_function, grids[i]);
    int count = sim_trace_plan(&l, blocks, 2000);
    printf("%d:", count);
    for (int b = 0; b < count && b < 3; b++) printf(" %llu", (unsigned long long)blocks[b]);
    printf(";");
  }
}

static void plans(void **state) {
  (void)state;
  char text[4096];
  assert_int_equal(in_child(print_plan, "CUSIM_TRACE", "auto", text, sizeof text), 0);
  assert_string_equal(text, "1: 0;2: 1 0;3: 500 0 999;0:;");  // a shape is traced once
  assert_int_equal(in_child(print_plan, "CUSIM_TRACE", "all", text, sizeof text), 0);
  assert_string_equal(text, "-1:;-1:;-1:;-1:;");  // every block
  assert_int_equal(in_child(print_plan, "CUSIM_TRACE", "off", text, sizeof text), 0);
  assert_string_equal(text, "0:;0:;0:;0:;");
  assert_int_equal(in_child(print_plan, "CUSIM_TRACE", "some", text, sizeof text), 2);
  assert_string_equal(text, "cusim: CUSIM_TRACE=some is not known; it must be auto, all or off\n");
}

static void known_counters_serve_later_launches(void **state) {
  (void)state;
  sim_launch l = launch_of(&first_function, 5000), other = launch_of(&second_function, 5000);
  sim_counters c = counters_of(3);
  double traced = sim_observe_launch(&l, &c).seconds;
  assert_true(sim_observe_launch(&l, NULL).seconds == traced);
  assert_true(sim_observe_launch(&l, &(sim_counters){0}).seconds == traced);
  assert_true(sim_observe_launch(&other, NULL).seconds < traced);  // unknown: its launch alone
  l.arguments = 7;
  assert_true(sim_observe_launch(&l, NULL).seconds < traced);
}

// Launches with other arguments are traced anew, but not without end.
static void arguments_are_part_of_the_key(void **state) {
  (void)state;
  sim_launch l = launch_of(&second_function, 77);
  uint64_t blocks[4];
  int traced = 0;
  for (l.arguments = 1; l.arguments <= 1000; l.arguments++) traced += sim_trace_plan(&l, blocks, 4) != 0;
  assert_int_equal(traced, 128);
  l.arguments = 5;
  assert_int_equal(sim_trace_plan(&l, blocks, 4), 0);
}

static void two_launches(void) {
  sim_launch l = launch_of(&first_function, 300);
  sim_counters c = counters_of(3);
  sim_observe_launch(&l, &c);
  sim_observe_launch(&l, NULL);
  l.grid.x = 30;
  sim_observe_launch(&l, &c);
}

static void table(void **state) {
  (void)state;
  char text[8192], again[8192];
  assert_int_equal(in_child(two_launches, "CUSIM_PROFILE", "1", text, sizeof text), 0);
  assert_non_null(strstr(text, "NVIDIA H200"));
  assert_non_null(strstr(text, "modelled"));
  assert_non_null(strstr(text, "0.0012"));  // 2 launches x 300 blocks x 1000 FMAs = 0.0012 GFLOP
  assert_int_equal(in_child(two_launches, "CUSIM_PROFILE", "1", again, sizeof again), 0);
  assert_string_equal(text, again);
  assert_int_equal(in_child(two_launches, "CUSIM_PROFILE", "0", text, sizeof text), 0);
  assert_string_equal(text, "");
}

static void files(void **state) {
  (void)state;
  static const char *const names[] = {"observe_profile_test.csv", "observe_profile_test.json"};
  static const char *const starts[] = {"kernel,card,clock,grid,block,",
                                       "{\"card\": \"h200\", \"clock\": \"model\""};
  static const char *const holds[] = {"\"scale\",h200,model,300x1x1,128x1x1,",
                                      "\"smsp__sass_thread_inst_executed_op_ffma_pred_on.sum\": 600000,"};
  char text[16384];
  for (int i = 0; i < 2; i++) {
    assert_int_equal(in_child(two_launches, "CUSIM_PROFILE", names[i], text, sizeof text), 0);
    assert_string_equal(text, "");
    FILE *in = fopen(names[i], "r");
    assert_non_null(in);
    text[fread(text, 1, sizeof text - 1, in)] = 0;
    fclose(in);
    unlink(names[i]);
    assert_memory_equal(text, starts[i], strlen(starts[i]));
    assert_non_null(strstr(text, holds[i]));
  }
}

static void read_machine(void) {
  sim_machine_get();
}

static void bad_settings(void **state) {
  (void)state;
  static const struct {
    void (*what)(void);
    const char *name, *value, *message;
  } cases[] = {
      {read_machine, "CUSIM_CARD", "gtx", "must be one of: t4 v100"},
      {read_machine, "CUSIM_DEVICES", "0", "must be from 1 to 64"},
      {read_machine, "CUSIM_DEVICES", "65", "must be from 1 to 64"},
      {read_machine, "CUSIM_DEVICES", "2x", "must be from 1 to 64"},
      {read_machine, "CUSIM_DEVICES", "99999999999999999999", "must be from 1 to 64"},
      {read_machine, "CUSIM_LINK", "usb", "must be one of: pcie3x16"},
      {read_machine, "CUSIM_NODE", "0", "must be from 1 to 64"},
      {read_machine, "CUSIM_NODE_LINK", "usb", "must be one of: pcie3x16"},
      {read_machine, "CUSIM_HOST_LINK", "usb", "must be one of: pcie3x16"},
      {two_launches, "CUSIM_PROFILE", "out.txt", "ending in .csv or .json"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[1024];
    assert_int_equal(in_child(cases[i].what, cases[i].name, cases[i].value, text, sizeof text), 2);
    assert_non_null(strstr(text, cases[i].message));
    assert_true(strchr(text, '\n') == text + strlen(text) - 1);  // one line
  }
}

int main(void) {
  unsetenv("CUSIM_CARD");
  unsetenv("CUSIM_PROFILE");
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(plans),
      cmocka_unit_test(table),
      cmocka_unit_test(files),
      cmocka_unit_test(bad_settings),  // the children above need an environment not yet read
      cmocka_unit_test(known_counters_serve_later_launches),
      cmocka_unit_test(arguments_are_part_of_the_key),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
