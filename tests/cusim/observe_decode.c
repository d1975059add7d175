// SPDX-License-Identifier: MIT
// FLOPs by disassembly, and source lines, of kernels built with the compiler's hooks.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka needs the first four
#include <cmocka.h>

#include "observe.h"
#include "observe_kernels.h"
#include "observe_memory.h"

static _Alignas(128) double in[4096], in2[4096], out[4096];
static const float *const fa = (const float *)in, *const fb = (const float *)in2;
static float *const fc = (float *)out;

#define TRACE(sum, threads, call)                                                       \
  do {                                                                                  \
    sim_launch launch = {.kernel = #call, .grid = {1, 1, 1}, .block = {threads, 1, 1}}; \
    sim_trace_open(&launch, 0, NULL, 0);                                                \
    for (int i = 0; i < (threads); i++) {                                               \
      sim_trace_switch(i);                                                              \
      call;                                                                             \
    }                                                                                   \
    sim_trace_close(&(sum));                                                            \
  } while (0)

static int set_up(void **state) {
  (void)state;
  test_memory[0] = (sim_allocation){.base = (uintptr_t)in, .bytes = sizeof in};
  test_memory[1] = (sim_allocation){.base = (uintptr_t)in2, .bytes = sizeof in2};
  test_memory[2] = (sim_allocation){.base = (uintptr_t)out, .bytes = sizeof out};
  return 0;
}

static void gemm_flops_are_exact(void **state) {
  (void)state;
  static const int sizes[] = {1, 16, 33};
  for (int s = 0; s < 3; s++) {
    int n = sizes[s];
    uint64_t cube = (uint64_t)n * (uint64_t)n * (uint64_t)n;
    sim_counters c = {0};
    TRACE(c, 32, kernel_sgemm(i, n, fa, fb, fc));
    assert_int_equal(c.flop_sp_fma, cube);  // 2 n^3 FLOPs
    assert_int_equal(c.flop_sp_add + c.flop_sp_mul + c.flop_dp_fma, 0);
    c = (sim_counters){0};
    TRACE(c, 32, kernel_dgemm(i, n, in, in2, out));
    assert_int_equal(c.flop_dp_fma, cube);
    assert_int_equal(c.flop_sp_fma, 0);
  }
}

static void kinds(void **state) {
  (void)state;
  sim_counters c = {0};
  TRACE(c, 32, kernel_add(i, fc, fa, fb));
  assert_int_equal(c.flop_sp_add, 32);
  assert_int_equal(c.fp_warp_inst, 1);
  c = (sim_counters){0};
  TRACE(c, 32, kernel_multiply(i, out, in, in2));
  assert_int_equal(c.flop_dp_mul, 32);
  assert_int_equal(c.fp_dp_warp_inst, 1);
  c = (sim_counters){0};
  TRACE(c, 32, kernel_divide(i, fc, fa, fb));
  assert_int_equal(c.special, 32);
  assert_int_equal(c.special_warp_inst, 1);
  assert_int_equal(c.flop_sp_add + c.flop_sp_mul + c.flop_sp_fma, 0);
  c = (sim_counters){0};
  TRACE(c, 32, kernel_quad(i, fc, fa));
  assert_int_equal(c.flop_sp_add, 4 * 32);  // lanes of the packed instruction
  assert_int_equal(c.fp_warp_inst, 4);
  c = (sim_counters){0};
  TRACE(c, 32, kernel_no_flops(i, fc, fa, (const int *)in2));
  assert_int_equal(c.flop_sp_add + c.flop_sp_mul + c.flop_sp_fma + c.special, 0);
  assert_true(c.inst > 0);
}

// Both sides of a branch cost a warp its issue slots; the FLOPs are those of the lanes that took them.
static void divergence(void **state) {
  (void)state;
  sim_counters c = {0};
  TRACE(c, 32, kernel_branches(i, fc, fa));
  assert_int_equal(c.flop_sp_mul, 16);
  assert_int_equal(c.flop_sp_add, 16);
  assert_int_equal(c.fp_warp_inst, 2);
}

static void requests_of_instrumented_code(void **state) {
  (void)state;
  sim_counters c = {0};
  TRACE(c, 64, kernel_add(i, fc, fa, fb));
  assert_int_equal(c.ld_requests, 4);
  assert_int_equal(c.ld_sectors, 16);
  assert_int_equal(c.st_requests, 2);
  assert_int_equal(c.st_sectors, 8);
}

static void lines(void **state) {
  (void)state;
  char text[64];
#if HD_HAVE_LIBDW
  sim_line_name((uintptr_t)kernel_add + 1, text, sizeof text);
  assert_memory_equal(text, "observe_kernels.c:", strlen("observe_kernels.c:"));
#endif
  sim_line_name(0x11, text, sizeof text);
  assert_string_equal(text, "0x11");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gemm_flops_are_exact),          cmocka_unit_test(kinds), cmocka_unit_test(divergence),
      cmocka_unit_test(requests_of_instrumented_code), cmocka_unit_test(lines),
  };
  return cmocka_run_group_tests(tests, set_up, NULL);
}
