// SPDX-License-Identifier: MIT
// Lesson 29: all-reduces over simulated GPUs in two nodes, against the formulas for links that differ.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs the four headers above before it
#include <cmocka.h>
#include <heddle/device.h>
#include <math.h>
#include <stdlib.h>

#include "lessons/18-collectives/collectives.h"
#include "lessons/29-cluster/paper.h"

static void formulas_add_up(void **state) {
  (void)state;
  const link_cost fast = {2e-6, 400e9}, slow = {10e-6, 40e9};
  const double bytes = 64e6;
  assert_true(fabs(flat_on_paper(1, 8, bytes, fast, slow) / (14 * (2e-6 + bytes / 8 / 400e9)) - 1) < 1e-12);
  assert_true(fabs(flat_on_paper(2, 4, bytes, fast, slow) / (14 * (10e-6 + bytes / 8 / 40e9)) - 1) < 1e-12);
  const double inside = 6 * (2e-6 + bytes / 4 / 400e9), across = 2 * (10e-6 + bytes / 8 / 40e9);
  assert_true(fabs(hierarchical_on_paper(2, 4, bytes, fast, slow) / (inside + across) - 1) < 1e-12);
  assert_true(hierarchical_on_paper(1, 1, bytes, fast, slow) == 0);
}

#if HD_HAVE_CUDA

enum { WORLD = 8, EACH = 4, LONG = 1 << 22 };

// docs/cusim-model.md: NVLink 4, InfiniBand NDR; the host's time before the first copy.
static const link_cost INSIDE = {1.9e-6, 0.82 * 450e9}, BETWEEN = {4.0e-6, 0.92 * 50e9};
static const double LAUNCH_S = 2.5e-6;

static double seconds_of(algorithm *run, enum hd_backend backend) {
  float *sum = test_malloc(LONG * sizeof *sum);
  trial t = {.run = run, .backend = backend, .world = WORLD, .count = LONG, .repeats = 1, .sum = sum};
  if (run_trial(&t)) fail_msg("%s", hd_comm_error_text());
  test_free(sum);
  return t.seconds;
}

// The links' time by the formula, and a few per cent for the additions between two steps.
static void assert_paper(const char *what, double seconds, double paper, double additions) {
  if (seconds < paper || seconds > (1 + additions) * paper + LAUNCH_S)
    fail_msg("%s: %.1f µs, on paper %.1f", what, seconds * 1e6, paper * 1e6);
}

static void nodes_have_their_own_links(void **state) {
  (void)state;
  if (!hd_device_simulated()) skip();
  const double bytes = LONG * sizeof(float);
  setenv("CUSIM_EXECUTE", "sampled", 1);  // times do not depend on values
  const double flat = flat_on_paper(WORLD / EACH, EACH, bytes, INSIDE, BETWEEN);
  const double parts = hierarchical_on_paper(WORLD / EACH, EACH, bytes, INSIDE, BETWEEN);
  assert_true(flat > 3 * parts);
  assert_paper("ring", seconds_of(all_reduce_ring, HD_COMM_CUDA), flat, 0.05);
  assert_paper("hierarchy", seconds_of(all_reduce_hierarchical, HD_COMM_CUDA), parts, 0.12);
#if HD_HAVE_NCCL
  assert_paper("NCCL", seconds_of(all_reduce_library, HD_COMM_NCCL), flat, 0.02);
#endif
  unsetenv("CUSIM_EXECUTE");
}

#endif

int main(void) {
  setenv("CUSIM_DEVICES", "8", 1);
  setenv("CUSIM_CARD", "h200", 1);
  setenv("CUSIM_NODE", "4", 1);
  unsetenv("CUSIM_LINK");
  unsetenv("CUSIM_NODE_LINK");
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(formulas_add_up),
#if HD_HAVE_CUDA
    cmocka_unit_test(nodes_have_their_own_links),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
