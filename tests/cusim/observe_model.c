// SPDX-License-Identifier: MIT
// Occupancy against known and against NVIDIA's own calculator; the time model's limits where they can be
// derived.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs the last four
#include <cmocka.h>

#ifdef HD_HAVE_CUDA_OCCUPANCY
#include <string.h>
// The calculator uses these two itself.
#include <limits.h>
#define __OCC_INLINE static inline
#include <cuda_occupancy.h>
#endif

#include "observe_memory.h"
#include "sim.h"

static void occupancy_known(void **state) {
  (void)state;
  static const struct {
    int threads, registers, blocks;
    const char *limiter;
  } known[] = {
      {256, 32, 8, "threads"},    {256, 33, 6, "registers"}, {1024, 33, 1, "registers"},
      {384, 168, 1, "registers"}, {32, 16, 32, "blocks"},
  };
  const sim_card *h200 = sim_card_find("h200");
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    const char *limiter;
    assert_int_equal(sim_occupancy_blocks(h200, known[i].threads, known[i].registers, 0, &limiter),
                     known[i].blocks);
    assert_string_equal(limiter, known[i].limiter);
  }
  const char *limiter;
  assert_int_equal(sim_occupancy_blocks(h200, 128, 32, 99 << 10, &limiter),
                   2);  // 228 KiB, 1 KiB a block reserved
  assert_string_equal(limiter, "shared");
  assert_int_equal(sim_occupancy_blocks(h200, 128, 32, 228 << 10, &limiter), 0);
}

#ifdef HD_HAVE_CUDA_OCCUPANCY
static int nvidia_blocks(const sim_card *card, int threads, int registers, size_t shared) {
  struct cudaOccDeviceProp device;
  memset(&device, 0, sizeof device);
  device.computeMajor = card->major;
  device.computeMinor = card->minor;
  device.maxThreadsPerBlock = 1024;
  device.maxThreadsPerMultiprocessor = card->max_threads_sm;
  device.regsPerBlock = device.regsPerMultiprocessor = (int)card->registers_sm;
  device.warpSize = 32;
  device.sharedMemPerBlock = 48 << 10;
  device.sharedMemPerMultiprocessor = card->shared_sm;
  device.numSms = card->sm_count;
  device.sharedMemPerBlockOptin = card->shared_block_optin;
  device.reservedSharedMemPerBlock = card->major >= 8 ? 1024 : 0;
  struct cudaOccFuncAttributes function;
  memset(&function, 0, sizeof function);
  function.maxThreadsPerBlock = 1024;
  function.numRegs = registers;
  function.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
  function.maxDynamicSharedSizeBytes = card->shared_block_optin;
  struct cudaOccDeviceState carve_out = {.carveoutConfig = SHAREDMEM_CARVEOUT_MAX_SHARED};
  struct cudaOccResult result;
  assert_int_equal(
      cudaOccMaxActiveBlocksPerMultiprocessor(&result, &device, &function, &carve_out, threads, shared),
      CUDA_OCC_SUCCESS);
  return result.activeBlocksPerMultiprocessor;
}

static void occupancy_as_nvidia_computes_it(void **state) {
  (void)state;
  static const char *const cards[] = {"t4", "v100", "a100", "rtx4090", "h100", "h200", "a6000"};
  for (size_t c = 0; c < sizeof cards / sizeof *cards; c++) {
    const sim_card *card = sim_card_find(cards[c]);
    for (int threads = 32; threads <= 1024; threads += 96) {
      for (int registers = 16; registers <= 255; registers += 13) {
        for (size_t shared = 0; shared <= card->shared_block_optin; shared += 5000) {
          int ours = sim_occupancy_blocks(card, threads, registers, shared, NULL);
          int theirs = nvidia_blocks(card, threads, registers, shared);
          if (ours != theirs) {
            fail_msg("%s, %d threads, %d registers, %zu bytes: %d blocks, not %d", cards[c], threads,
                     registers, shared, ours, theirs);
          }
        }
      }
    }
  }
}
#endif

// Counters of one block of a streaming kernel, 256 threads, 12 bytes each: triad.
static sim_counters triad_block(void) {
  sim_counters c = {.blocks = 1, .warps = 8, .threads = 256};
  c.flop_sp_fma = 256;
  c.fp_warp_inst = c.fp_sp_warp_inst = 8;
  c.ld_requests = 16;
  c.ld_sectors = c.l1_miss_sectors = 64;
  c.st_requests = c.st_lines = 8;
  c.st_sectors = 32;
  c.model_requests = c.model_lsu32 = 24;
  c.model_lsu16 = 48;
  c.epochs = c.epochs_global = c.load_rounds = 1;
  c.dram_ld_bytes = 2048;
  c.dram_st_bytes = 1024;
  return c;
}

static void streaming_reaches_the_memory_roof(void **state) {
  (void)state;
  static const char *const cards[] = {"t4", "v100", "a100", "rtx4090", "h100", "h200", "a6000"};
  for (size_t i = 0; i < sizeof cards / sizeof *cards; i++) {
    const sim_card *card = sim_card_find(cards[i]);
    sim_launch l = {.kernel = "triad", .grid = {1u << 20, 1, 1}, .block = {256, 1, 1}};
    sim_counters c = triad_block();
    sim_estimate e = sim_model_kernel(card, &l, &c);
    double rate = 3072.0 * (1u << 20) / e.seconds, roof = card->dram_bytes_per_s * card->dram_efficiency;
    assert_true(rate > 0.95 * roof && rate <= roof);
    assert_string_equal(e.limiter, "DRAM");
    assert_true(e.low_s <= e.seconds && e.seconds <= e.high_s);
    assert_int_equal(e.sms_used, card->sm_count);
  }
}

static void arithmetic_reaches_the_peak(void **state) {
  (void)state;
  const sim_card *card = sim_card_find("h200");
  sim_counters c = {.blocks = 1, .warps = 8, .threads = 256, .epochs = 1};
  c.fp_warp_inst = c.fp_sp_warp_inst = 8u * 100000;
  c.flop_sp_fma = 32 * c.fp_warp_inst;
  sim_launch l = {.kernel = "fma", .grid = {132 * 8, 1, 1}, .block = {256, 1, 1}, .registers = 32};
  sim_estimate e = sim_model_kernel(card, &l, &c);
  double flops = 2.0 * (double)c.flop_sp_fma * 132 * 8 / e.seconds, peak = 2.0 * 132 * 128 * card->base_hz;
  assert_true(flops > 0.97 * peak && flops <= 1.001 * peak);  // at full use the clock is the base clock
  assert_string_equal(e.limiter, "issue");
  assert_true(fabs(e.occupancy - 1) < 1e-12);
}

// One warp uses one of an SM's four schedulers.
static void a_lone_warp_is_slow(void **state) {
  (void)state;
  const sim_card *card = sim_card_find("h200");
  sim_counters c = {.blocks = 1, .warps = 1, .threads = 32, .epochs = 1};
  c.fp_warp_inst = c.fp_sp_warp_inst = 1000000;
  sim_launch l = {.kernel = "fma", .grid = {1, 1, 1}, .block = {32, 1, 1}, .registers = 32};
  double alone = sim_model_kernel(card, &l, &c).seconds, cycles = 1e6;
  assert_true(alone > cycles / card->boost_hz && alone < 1.05 * cycles / card->boost_hz);
  l.grid.x = 132 * 4;
  // Four fit side by side; with all units busy the clock is the base clock.
  assert_true(sim_model_kernel(card, &l, &c).seconds < 1.05 * cycles / card->base_hz);
}

// A warp's increments of one word of shared memory: 32 turns each up to compute capability 7.5, one from 8.0
// on.
static void joined_increments(void **state) {
  (void)state;
  sim_launch l = {.kernel = "count", .grid = {1000, 1, 1}, .block = {256, 1, 1}, .registers = 32};
  sim_counters joined = {.blocks = 1, .warps = 8, .threads = 256, .epochs = 1, .model_requests = 10000};
  joined.model_lsu32 = joined.model_lsu16 = 320000;
  sim_counters apart = joined;
  joined.model_joined32 = 310000;
  joined.model_joined16 = 300000;  // with 16 load and store lanes a request takes two cycles at least
  for (const char *const *id = (const char *const[]){"t4", "v100", "a100", "h200", "a6000", NULL}; *id;
       id++) {
    const sim_card *card = sim_card_find(*id);
    const double gain =
        sim_model_kernel(card, &l, &apart).seconds / sim_model_kernel(card, &l, &joined).seconds;
    if (card->major < 8)
      assert_true(gain == 1);
    else
      assert_true(gain > (card->lsu_lanes < 32 ? 12 : 20));
  }
}

// Atomics on one KiB of memory: a grid is not faster than one turn per cycle, however many SMs send them.
static void hot_memory(void **state) {
  (void)state;
  const sim_card *card = sim_card_find("h200");
  sim_launch l = {.kernel = "count", .grid = {1320, 1, 1}, .block = {256, 1, 1}, .registers = 32};
  sim_counters c = {.blocks = 1, .warps = 8, .threads = 256, .epochs = 1, .atom_hottest = 1000};
  c.atom_requests = c.atom_sectors = c.atom_degree = 100;
  const sim_estimate e = sim_model_kernel(card, &l, &c);
  assert_string_equal(e.limiter, "atomics");
  assert_true(fabs(e.seconds - card->kernel_overhead_s - 1320e3 / card->boost_hz) < 1e-12);
}

static void small_launches_cost_their_overhead(void **state) {
  (void)state;
  const sim_card *card = sim_card_find("h200");
  sim_launch l = {.kernel = "one", .grid = {1, 1, 1}, .block = {256, 1, 1}};
  sim_counters c = triad_block();
  sim_estimate e = sim_model_kernel(card, &l, &c);
  assert_true(e.seconds > card->kernel_overhead_s && e.seconds < 3 * card->kernel_overhead_s);
  assert_int_equal(e.sms_used, 1);
  l.grid.x = 0;
  assert_true(sim_model_kernel(card, &l, &c).seconds == card->kernel_overhead_s);
}

// More of any counted event never makes a kernel faster, nor does a larger grid.
static void more_work_is_never_faster(void **state) {
  (void)state;
  sim_launch l = {.kernel = "k", .grid = {1000, 1, 1}, .block = {256, 1, 1}, .registers = 32};
  const sim_counters c = triad_block();
  for (const char *const *id = (const char *const[]){"t4", "a100", "h200", "a6000", NULL}; *id; id++) {
    const sim_card *card = sim_card_find(*id);
    const double rounding = 1 - 1e-12, before = rounding * sim_model_kernel(card, &l, &c).seconds;
    for (unsigned power = 1; power < 14; power++) {
      sim_counters more = c;
      more.fp_warp_inst = more.fp_sp_warp_inst = c.fp_warp_inst << power;
      double after = sim_model_kernel(card, &l, &more).seconds;
      assert_true(after >= before);
      more = c;
      more.l1_miss_sectors <<= power;
      more.dram_ld_bytes <<= power;
      assert_true(sim_model_kernel(card, &l, &more).seconds >= before);
      more = c;
      more.load_chain = 1u << power;
      assert_true(sim_model_kernel(card, &l, &more).seconds >= before);
      sim_launch larger = l;
      larger.grid.x <<= power;
      assert_true(sim_model_kernel(card, &larger, &c).seconds >= before);
    }
  }
}

// An asynchronous copy that is waited for at once is a load; the earlier it was issued, the less is waited
// for, down to what the block takes without it.
static void copies_ahead_cost_less(void **state) {
  (void)state;
  const sim_card *card = sim_card_find("h200");
  sim_launch l = {.kernel = "copies", .grid = {132, 1, 1}, .block = {128, 1, 1}, .registers = 128};
  sim_counters c = {.blocks = 1, .warps = 4, .threads = 128, .epochs = 101, .barriers = 400};
  c.fp_warp_inst = c.fp_sp_warp_inst = 40000;
  const double without = sim_model_kernel(card, &l, &c).seconds;
  c.load_rounds = 100;
  const double loads = sim_model_kernel(card, &l, &c).seconds;
  c.load_rounds = 0;
  c.async_waits = 100;
  double before = sim_model_kernel(card, &l, &c).seconds;
  assert_true(fabs(before - loads) < 1e-12 * loads);
  for (uint64_t span = 1; span < 16; span++) {
    c.async_span = 100 * span;
    const double now = sim_model_kernel(card, &l, &c).seconds;
    assert_true(now <= before && now >= without);
    before = now;
  }
  assert_true(before == without && loads > 2 * without);
}

// A product of warps reaches mma_fraction of the peak; tf32 half of that.
static void tensor_cores_reach_their_share(void **state) {
  (void)state;
  const sim_card *card = sim_card_find("h200");
  sim_counters c = {.blocks = 1, .warps = 4, .threads = 128, .epochs = 1, .flop_tensor = 1000000000};
  sim_launch l = {.kernel = "mma", .grid = {132 * 8, 1, 1}, .block = {128, 1, 1}, .registers = 128};
  const double half = sim_model_kernel(card, &l, &c).seconds;
  const double rate = 1e9 * 132 * 8 / half, most = 0.63 * 989e12 * card->base_hz / card->boost_hz;
  assert_true(rate > 0.98 * most && rate <= 1.001 * most);
  c.flop_tensor_tf32 = c.flop_tensor;
  assert_true(fabs(sim_model_kernel(card, &l, &c).seconds / half - 2) < 0.01);
  const double tf32 = sim_model_gemm(card, 8192, 8192, 8192, 4, true).seconds;
  assert_true(fabs(tf32 / sim_model_gemm(card, 8192, 8192, 8192, 2, true).seconds - 2) < 0.01);
}

static void library_products(void **state) {
  (void)state;
  const sim_card *card = sim_card_find("h200");
  double flops = 2.0 * 8192 * 8192 * 8192;
  double fp32 = flops / sim_model_gemm(card, 8192, 8192, 8192, 4, false).seconds;
  assert_true(fp32 > 45e12 && fp32 < 52e12);  // as measured: 45-52 TFLOP/s
  double bf16 = flops / sim_model_gemm(card, 8192, 8192, 8192, 2, true).seconds;
  assert_true(bf16 > 700e12 && bf16 < 800e12);
  assert_string_equal(sim_model_gemm(card, 8192, 1, 8192, 4, false).limiter, "DRAM");
  assert_true(sim_model_gemm(card, 0, 5, 5, 4, false).seconds == card->kernel_overhead_s);
  // 64 tiles of 32 × 32 leave room for another kernel; a product that fills the card or its memory does not.
  assert_true(sim_model_gemm(card, 256, 256, 256, 4, false).share == 64.0 / 132);
  assert_true(sim_model_gemm(card, 8192, 8192, 8192, 4, false).share == 1);
  assert_true(sim_model_gemm(card, 8192, 1, 8192, 4, false).share == 1);
}

static void cards_and_links(void **state) {
  (void)state;
  assert_null(sim_card_find("gtx"));
  assert_null(sim_card_find(NULL));
  assert_null(sim_link_find("usb"));
  assert_int_equal(sim_card_find("h200")->sm_count, 132);
  const sim_link *link = sim_link_find("nvlink4");
  double seconds = sim_copy_seconds(link, 1000000);
  assert_true(fabs(seconds - (link->alpha_s + 1e6 / link->bytes_per_s)) < 1e-15);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(occupancy_known),
#ifdef HD_HAVE_CUDA_OCCUPANCY
      cmocka_unit_test(occupancy_as_nvidia_computes_it),
#endif
      cmocka_unit_test(streaming_reaches_the_memory_roof),
      cmocka_unit_test(arithmetic_reaches_the_peak),
      cmocka_unit_test(a_lone_warp_is_slow),
      cmocka_unit_test(joined_increments),
      cmocka_unit_test(hot_memory),
      cmocka_unit_test(small_launches_cost_their_overhead),
      cmocka_unit_test(more_work_is_never_faster),
      cmocka_unit_test(copies_ahead_cost_less),
      cmocka_unit_test(tensor_cores_reach_their_share),
      cmocka_unit_test(library_products),
      cmocka_unit_test(cards_and_links),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
