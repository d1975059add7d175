// SPDX-License-Identifier: MIT
// The time model against published measurements: one block of each kernel is run and traced, the grid is
// modelled.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>
// cmocka needs setjmp to stdint
#include <cmocka.h>

#include "observe_ladder.h"
#include "observe_memory.h"

enum { N = 4096, STACK = 32 << 10, MOST_THREADS = 1024 };
static const size_t matrix_bytes = sizeof(float) * N * N;

index2 thread_index, block_index;
_Alignas(128) float tile_a[2048], tile_b[2048];

// ---------------------------------------------------------------- a block, thread after thread

static ucontext_t scheduler, fiber[MOST_THREADS];
static char stacks[MOST_THREADS][STACK];
static bool ended[MOST_THREADS];
static int running;
static ladder_kernel *kernel;
static float *a, *b, *c;

void barrier(void) {
  sim_trace_barrier(running);
  sim_trace_switch(-1);
  swapcontext(&fiber[running], &scheduler);
}

static void thread_main(void) {
  kernel(a, b, c, N);
  sim_trace_exit(running);
  ended[running] = true;
}

static void run_block(sim_dim3 block) {
  static int threads, left;  // static: they must outlive the switches below
  threads = left = (int)(block.x * block.y);
  for (int i = 0; i < threads; i++) {
    getcontext(&fiber[i]);
    fiber[i].uc_stack.ss_sp = stacks[i];
    fiber[i].uc_stack.ss_size = STACK;
    fiber[i].uc_link = &scheduler;
    ended[i] = false;
    makecontext(&fiber[i], thread_main, 0);
  }
  while (left > 0) {
    for (running = 0; running < threads; running++) {
      if (ended[running]) continue;
      thread_index = (index2){(unsigned)running % block.x, (unsigned)running / block.x};
      sim_trace_switch(running);
      swapcontext(&scheduler, &fiber[running]);
      left -= ended[running];
    }
  }
}

// ---------------------------------------------------------------- published measurements

typedef struct rung {
  const char *name;
  ladder_kernel *kernel;
  sim_dim3 block;
  unsigned side;  // a block computes side x side elements of C
  size_t shared;
  double a6000, h100;  // GFLOP/s of SGEMMs at 4096, GB/s of transposes; 0: not published
} rung;

static const rung rungs[] = {
    {"naive", sgemm_naive, {32, 32, 1}, 32, 0, 309, 0},
    {"coalesced", sgemm_coalesced, {1024, 1, 1}, 32, 0, 1987, 5300},
    {"shared", sgemm_shared, {1024, 1, 1}, 32, 8 << 10, 2980, 9100},
    {"tile1d", sgemm_tile1d, {512, 1, 1}, 64, 4 << 10, 8475, 0},
    {"tile2d", sgemm_tile2d, {256, 1, 1}, 128, 8 << 10, 15972, 0},
    {"vector", sgemm_vector, {256, 1, 1}, 128, 8 << 10, 18237, 0},
    {"warptile", sgemm_warptile, {128, 1, 1}, 128, 16 << 10, 21779, 0},
    {"transpose naive", transpose_naive, {32, 32, 1}, 32, 0, 0, 475},
    {"transpose tiled", transpose_tiled, {32, 32, 1}, 32, 4 << 10, 0, 996},
    {"transpose padded", transpose_padded, {32, 32, 1}, 32, 4224, 0, 1693},
};
enum { SGEMMS = 7, RUNGS = sizeof rungs / sizeof *rungs };
static sim_launch launches[RUNGS];
static sim_counters counters[RUNGS];

static double rate(int i, const char *card) {
  double work = i < SGEMMS ? 2.0 * N * N * N : 2.0 * (double)matrix_bytes;
  return work / sim_model_kernel(sim_card_find(card), &launches[i], &counters[i]).seconds / 1e9;
}

static int trace_all(void **state) {
  (void)state;
  float **matrices[] = {&a, &b, &c};
  for (int i = 0; i < 3; i++) {  // pages that no traced block touches are never made
    *matrices[i] = aligned_alloc(256, matrix_bytes);
    if (!*matrices[i]) return -1;
    test_memory[i] = (sim_allocation){.base = (uintptr_t)*matrices[i], .bytes = matrix_bytes};
  }
  for (int i = 0; i < RUNGS; i++) {
    const rung *r = &rungs[i];
    kernel = r->kernel;
    launches[i] = (sim_launch){.kernel = r->name, .grid = {N / r->side, N / r->side, 1}, .block = r->block};
    // The tiles stand for static shared arrays, which the kernels size differently.
    sim_trace_open(&launches[i], 0, NULL, 0);
    size_t one_tile = i < SGEMMS ? r->shared / 2 : r->shared;
    sim_trace_shared(tile_a, one_tile);
    if (i < SGEMMS) sim_trace_shared(tile_b, one_tile);
    run_block(r->block);
    sim_trace_close(&counters[i]);
  }
  return 0;
}

static int free_all(void **state) {
  (void)state;
  free(a);
  free(b);
  free(c);
  return 0;
}

static void flops_are_exact(void **state) {
  (void)state;
  for (int i = 0; i < SGEMMS; i++) {
    uint64_t fmas = (uint64_t)rungs[i].side * rungs[i].side * N;
    assert_int_equal(counters[i].flop_sp_fma, fmas);
    assert_int_equal(counters[i].flop_sp_add + counters[i].flop_sp_mul, 0);
  }
}

static void transposes_touch_what_is_known(void **state) {
  (void)state;
  const sim_counters *naive = &counters[SGEMMS], *tiled = &counters[SGEMMS + 1],
                     *padded = &counters[SGEMMS + 2];
  assert_int_equal(naive->ld_sectors, 4 * naive->ld_requests);
  assert_int_equal(naive->st_sectors, 32 * naive->st_requests);
  assert_int_equal(tiled->st_sectors, 4 * tiled->st_requests);
  assert_int_equal(tiled->shld_wavefronts, 32 * tiled->shld_requests);
  assert_int_equal(padded->shld_wavefronts, padded->shld_requests);
}

// On v100 and a100, half as wide in FP32, the two rungs that differ in the width of their loads come out
// level.
static void ladder_is_in_order(void **state) {
  (void)state;
  static const char *const cards[] = {"a6000", "h100", "h200", "t4", "rtx4090"};
  for (size_t k = 0; k < sizeof cards / sizeof *cards; k++) {
    for (int i = 1; i < RUNGS; i++) {
      double before = rate(i - 1, cards[k]), now = rate(i, cards[k]);
      // Memory is the bound of more than one transpose on cards with little of it.
      bool ordered = i < SGEMMS ? now > before : i == SGEMMS || now >= before;
      if (!ordered)
        fail_msg("on %s %s (%.0f) is not faster than %s (%.0f)", cards[k], rungs[i].name, now,
                 rungs[i - 1].name, before);
    }
  }
}

// The errors stand in docs/cusim-model.md; these limits keep them from growing.
static void near_hardware(void **state) {
  (void)state;
  double logarithms = 0;
  printf("%-18s %10s %10s %6s\n", "kernel", "published", "modelled", "ratio");
  for (int card = 0; card < 2; card++) {
    for (int i = 0; i < RUNGS; i++) {
      double published = card ? rungs[i].h100 : rungs[i].a6000, modelled = rate(i, card ? "h100" : "a6000");
      if (!published) continue;
      double ratio = published / modelled;
      printf("%-18s %10.0f %10.0f %6.2f %s\n", rungs[i].name, published, modelled, ratio,
             card ? "H100" : "A6000");
      assert_true(fabs(log(ratio)) < log(card ? 1.4 : 1.25));
      if (!card) logarithms += fabs(log(ratio));
    }
  }
  double mean = exp(logarithms / SGEMMS);
  printf("A6000: geometric mean error x %.3f\n", mean);
  assert_true(mean < 1.12);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(flops_are_exact),
      cmocka_unit_test(transposes_touch_what_is_known),
      cmocka_unit_test(ladder_is_in_order),
      cmocka_unit_test(near_hardware),
  };
  return cmocka_run_group_tests(tests, trace_all, free_all);
}
