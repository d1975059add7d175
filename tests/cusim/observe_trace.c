// SPDX-License-Identifier: MIT
// Known answers for the warp requests rebuilt from a block's log: accesses are fed by hand, thread after
// thread.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
// cmocka needs the four above
#include <cmocka.h>

#include "observe.h"
#include "observe_memory.h"

static const uintptr_t global = 0x10000000, other = 0x20000000, shared = 0x30000000;
enum { SHARED_BYTES = 48 << 10, PC = 0x1000 };

// The tracer reads what loads read, so there must be something.
static int map_memory(void **state) {
  (void)state;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  const uintptr_t at[] = {global, other};
  for (int i = 0; i < 2; i++) {
    void *want = (void *)at[i];
    if (mmap(want, 1 << 26, PROT_READ | PROT_WRITE, flags, -1, 0) != want) return -1;
  }
  return 0;
}

static sim_counters begin(unsigned threads) {
  test_memory[0] = (sim_allocation){.base = global, .bytes = 1 << 26};
  test_memory[1] = (sim_allocation){.base = other, .bytes = 1 << 12};
  sim_launch launch = {.kernel = "test", .grid = {4, 1, 1}, .block = {threads, 1, 1}};
  sim_trace_open(&launch, 0, (void *)shared, SHARED_BYTES);
  return (sim_counters){0};
}

static void feed(int thread, uintptr_t pc, uintptr_t address, size_t bytes, enum sim_access access) {
  sim_trace_switch(thread);
  sim_trace_access(pc, (const void *)address, bytes, access);
}

// One request of a full warp, lane i at base + i · stride.
static sim_counters one_request(uintptr_t base, size_t stride, size_t bytes, enum sim_access access) {
  sim_counters c = begin(32);
  for (int i = 0; i < 32; i++) feed(i, PC, base + (size_t)i * stride, bytes, access);
  sim_trace_close(&c);
  return c;
}

static void sectors_of_a_full_warp(void **state) {
  (void)state;
  static const struct {
    size_t base, stride, bytes;
    unsigned sectors;
  } known[] = {
      {0, 2, 2, 2},   {0, 4, 4, 4},   {4, 4, 4, 5},     {0, 8, 8, 8},  {0, 16, 16, 16},
      {0, 12, 4, 12}, {0, 32, 4, 32}, {0, 4096, 4, 32}, {64, 0, 4, 1}, {0, 16, 4, 16},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    sim_counters c = one_request(global + known[i].base, known[i].stride, known[i].bytes, SIM_LOAD);
    assert_int_equal(c.ld_requests, 1);
    assert_int_equal(c.ld_sectors, known[i].sectors);
    assert_int_equal(c.ld_bytes, 32 * known[i].bytes);
    c = one_request(global + known[i].base, known[i].stride, known[i].bytes, SIM_STORE);
    assert_int_equal(c.st_requests, 1);
    assert_int_equal(c.st_sectors, known[i].sectors);
  }
  assert_int_equal(one_request(global, 4, 4, SIM_STORE).st_lines, 1);
  assert_int_equal(one_request(global, 128, 4, SIM_STORE).st_lines, 32);
}

static void nothing_outside_memory_counts(void **state) {
  (void)state;
  sim_counters c = one_request(0x500, 4, 4, SIM_LOAD);
  assert_int_equal(c.ld_requests + c.shld_requests + c.active_slots, 0);
  assert_int_equal(c.blocks, 1);
}

static void shared_wavefronts(void **state) {
  (void)state;
  static const struct {
    size_t stride, bytes;
    unsigned wavefronts, ideal;
  } known[] = {
      {4, 4, 1, 1},     // side by side
      {0, 4, 1, 1},     // one word for all
      {128, 4, 32, 1},  // a column of a 32 x 32 tile
      {132, 4, 1, 1},   // the same, padded by one
      {8, 4, 2, 1},     // every other word
      {2, 2, 1, 1},     // halves, two in a word
      {8, 8, 2, 2},     // doubles: two half-warps
      {16, 16, 4, 4},   // float4: four quarters
      {256, 8, 32, 2},  // column of doubles
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    sim_counters c = one_request(shared, known[i].stride, known[i].bytes, SIM_LOAD);
    assert_int_equal(c.shld_requests, 1);
    assert_int_equal(c.shld_wavefronts, known[i].wavefronts);
    assert_int_equal(c.shld_ideal, known[i].ideal);
    c = one_request(shared, known[i].stride, known[i].bytes, SIM_STORE);
    assert_int_equal(c.shst_wavefronts, known[i].wavefronts);
  }
}

// One crowded bank decides, wherever among the lanes it is.
static void the_worst_bank_counts(void **state) {
  (void)state;
  sim_counters c = begin(32);
  for (int i = 0; i < 32; i++) feed(i, PC, shared + (i < 3 ? 128 : 4) * (unsigned)i, 4, SIM_LOAD);
  sim_trace_close(&c);
  assert_int_equal(c.shld_wavefronts, 3);
}

static void atomics_degree(void **state) {
  (void)state;
  sim_counters c = one_request(global, 0, 4, SIM_ATOMIC);
  assert_int_equal(c.atom_requests, 1);
  assert_int_equal(c.atom_degree, 32);
  assert_int_equal(c.atom_sectors, 1);
  assert_int_equal(c.atom_hottest, 32);
  // A sector is served in one turn per lane on the same address; neighbouring sectors wait for each other.
  c = one_request(global, 4, 4, SIM_ATOMIC);
  assert_int_equal(c.atom_degree, 1);
  assert_int_equal(c.atom_hottest, 4);
  c = one_request(global, 32, 4, SIM_ATOMIC);
  assert_int_equal(c.atom_hottest, 32);
  c = one_request(global, 1024, 4, SIM_ATOMIC);
  assert_int_equal(c.atom_hottest, 1);
  c = one_request(shared, 0, 4, SIM_ATOMIC);
  assert_int_equal(c.shatom_requests, 1);
  assert_int_equal(c.shatom_degree, 32);
}

// Lanes on one word of shared memory wait for each other, also for increments; but of those a card saves all
// turns but the first if it joins them. Different words of one bank take a turn each on any card.
static void contended_shared_atomics(void **state) {
  (void)state;
  static const struct {
    unsigned stride, turns, joined;
  } known[] = {{0, 32, 31}, {4, 1, 0}, {128, 32, 0}, {64, 16, 0}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    sim_counters c = one_request(shared, known[i].stride, 4, SIM_ATOMIC);
    assert_int_equal(c.model_lsu32, known[i].turns);
    assert_int_equal(c.model_joined32, 0);
    c = one_request(shared, known[i].stride, 4, SIM_INCREMENT);
    assert_int_equal(c.model_lsu32, known[i].turns);
    assert_int_equal(c.model_joined32, known[i].joined);
    assert_int_equal(c.model_joined16, known[i].joined ? known[i].joined - 1 : 0);
  }
}

// An atomic announced by the executor is one request, whether it calls no hook, one, or many in a retry loop.
static void announced_atomics(void **state) {
  (void)state;
  for (int hooks_called = 0; hooks_called < 3; hooks_called++) {
    sim_counters c = begin(32);
    for (int i = 0; i < 32; i++) {
      uintptr_t address = global + 4 * (unsigned)(i % 4);
      sim_trace_switch(i);
      sim_trace_atomic(i, PC, (const void *)address, 4, hooks_called == 1);
      if (hooks_called > 0) feed(i, PC, address, 4, SIM_LOAD);
      for (int h = 0; h < hooks_called; h++) feed(i, PC + 4, address, 4, SIM_ATOMIC);
      if (hooks_called == 2) feed(i, PC + 12, address, 4, SIM_LOAD);
      feed(i, PC + 8, global + 1024 + 4 * (unsigned)i, 4, SIM_STORE);
    }
    sim_trace_close(&c);
    assert_int_equal(c.atom_requests, 1);
    assert_int_equal(c.atom_degree, 8);
    assert_int_equal(c.ld_requests, hooks_called == 2);  // a load after the atomic is the kernel's own
    assert_int_equal(c.st_requests, 1);
  }
}

static void warp_operations(void **state) {
  (void)state;
  sim_counters c = begin(64);
  for (int i = 0; i < 3; i++) sim_trace_warp_op();
  sim_trace_close(&c);
  assert_int_equal(c.warp_ops, 3);
}

// Naive transpose of one 32 x 32 tile of floats: the row side 4 sectors a request, the column side 32.
static void transpose_tile(void **state) {
  (void)state;
  enum { N = 1024 };
  sim_counters c = begin(1024);
  for (int i = 0; i < 1024; i++) {
    unsigned x = (unsigned)i % 32, y = (unsigned)i / 32;
    feed(i, PC, global + 4 * (y * N + x), 4, SIM_LOAD);
    feed(i, PC + 8, global + (1 << 22) + 4 * (x * N + y), 4, SIM_STORE);
  }
  sim_trace_close(&c);
  assert_int_equal(c.ld_requests, 32);
  assert_int_equal(c.ld_sectors, 32 * 4);
  assert_int_equal(c.st_requests, 32);
  assert_int_equal(c.st_sectors, 32 * 32);
  assert_int_equal(c.unique_ld_sectors, 128);
  assert_int_equal(c.unique_st_sectors, 128);
}

// The k-th executions belong together, also when the lanes make different numbers of them.
static void divergent_lanes(void **state) {
  (void)state;
  sim_counters c = begin(40);  // a full warp and one of 8 threads
  for (int i = 0; i < 40; i++) {
    for (int k = 0; k <= i % 2; k++) feed(i, PC, global + 4 * (unsigned)i, 4, SIM_LOAD);
  }
  sim_trace_close(&c);
  assert_int_equal(c.warps, 2);
  assert_int_equal(c.ld_requests, 4);
  assert_int_equal(c.active_lanes, 32 + 16 + 8 + 4);
  assert_int_equal(c.active_slots, 4 * 32);
}

// Executions on two sides of a barrier are different requests; lanes may be traced in any order of fibers.
static void barriers_cut_requests(void **state) {
  (void)state;
  sim_counters c = begin(64);
  for (int i = 0; i < 64; i++) {
    if (i % 32 < 16) feed(i, PC, global + 4 * (unsigned)i, 4, SIM_LOAD);
    sim_trace_barrier(i);
  }
  for (int i = 63; i >= 0; i--) {
    if (i % 32 >= 16) feed(i, PC, global + 4 * (unsigned)i, 4, SIM_LOAD);
    feed(i, PC + 4, shared + 4 * (unsigned)i, 4, SIM_STORE);
    sim_trace_exit(i);
  }
  sim_trace_close(&c);
  assert_int_equal(c.ld_requests, 4);  // half-filled: joined across the barrier it would be 2
  assert_int_equal(c.shst_requests, 2);
  assert_int_equal(c.barriers, 2);  // warps x barriers
  assert_int_equal(c.epochs, 2);
  assert_int_equal(c.epochs_global, 2);
  assert_int_equal(c.epochs_shared, 1);
  assert_int_equal(c.load_rounds, 2);
}

// For the model, loads of neighbouring words by the same thread are the wide loads nvcc makes of them; the
// counters that a profiler knows stay as written.
static void adjacent_shared_loads_merge(void **state) {
  (void)state;
  sim_counters c = begin(32);
  for (int i = 0; i < 32; i++) {
    for (unsigned k = 0; k < 8; k++) feed(i, PC, shared + 4 * k, 4, SIM_LOAD);  // all lanes read one row
  }
  sim_trace_close(&c);
  assert_int_equal(c.shld_requests, 8);
  assert_int_equal(c.model_requests, 2);
  assert_int_equal(c.model_lsu32, 4);  // 4 quarters, in pairs since lanes repeat each other
  c = begin(32);
  for (int i = 0; i < 32; i++) {
    for (unsigned k = 0; k < 3; k++) feed(i, PC, shared + 64 * (unsigned)i + 4 * k, 4, SIM_LOAD);
  }
  sim_trace_close(&c);
  assert_int_equal(c.model_requests, 2);  // 8 and 4 bytes
  c = begin(32);
  for (int i = 0; i < 32; i++) {  // offsets differ from lane to lane: nvcc cannot know the alignment
    for (unsigned k = 0; k < 4; k++) feed(i, PC, shared + 20 * (unsigned)i + 4 * k, 4, SIM_LOAD);
  }
  sim_trace_close(&c);
  assert_int_equal(c.model_requests, 4);
  c = begin(32);
  for (int i = 0; i < 32; i++) {  // too far apart to be held in registers
    feed(i, PC, shared, 4, SIM_LOAD);
    for (unsigned k = 0; k < 100; k++) feed(i, PC + 4, shared + 1024 + 64 * k, 4, SIM_LOAD);
    feed(i, PC + 8, shared + 4, 4, SIM_LOAD);
  }
  sim_trace_close(&c);
  assert_int_equal(c.model_requests, 102);
}

static void load_loops(void **state) {
  (void)state;
  sim_counters c = begin(32);
  for (int i = 0; i < 32; i++) {
    for (unsigned k = 0; k < 100; k++) feed(i, PC, global + 128 * k + 4 * (unsigned)i, 4, SIM_LOAD);
  }
  sim_trace_close(&c);
  assert_int_equal(c.ld_requests, 100);
  assert_int_equal(c.load_chain, 100);
  assert_int_equal(c.load_rounds, 0);
}

// A walk along a linked list waits for every load; so does one that reads the index of its next element.
// Reading in order, or elements that an index array names, does not.
static void chains_of_loads(void **state) {
  (void)state;
  enum { STEPS = 100 };
  for (int kind = 0; kind < 4; kind++) {
    sim_counters c = begin(32);
    uintptr_t at = global;
    unsigned element = 0;
    for (unsigned k = 0; k < STEPS; k++) {
      const unsigned next = (element * 5 + 17) % 4096;
      if (kind == 0) {  // pointers
        const uintptr_t target = global + 64 * next;
        *(uintptr_t *)at = target;
        for (int lane = 0; lane < 32; lane++) feed(lane, PC, at, 8, SIM_LOAD);
        at = target;
      } else if (kind == 1) {  // indices
        *(unsigned *)(global + 4 * element) = next;
        for (int lane = 0; lane < 32; lane++) feed(lane, PC, global + 4 * element, 4, SIM_LOAD);
      } else if (kind == 2) {  // numbered elements in order
        *(unsigned *)(global + 4 * k) = k;
        for (int lane = 0; lane < 32; lane++) feed(lane, PC, global + 4 * k, 4, SIM_LOAD);
      } else {  // an index array in order, and what it names
        *(unsigned *)(global + 4 * k) = next;
        for (int lane = 0; lane < 32; lane++) {
          feed(lane, PC, global + 4 * k, 4, SIM_LOAD);
          feed(lane, PC + 4, global + (1 << 20) + 4 * next, 4, SIM_LOAD);
        }
      }
      element = next;
    }
    sim_trace_close(&c);
    assert_int_equal(c.load_serial, kind < 2 ? STEPS - 1 : 0);
    assert_int_equal(c.load_chain, kind < 2 ? 0 : STEPS);
  }
}

// The footprint is capped by what is allocated: blocks that all read one small array read it from DRAM once.
static void footprint(void **state) {
  (void)state;
  sim_counters c = begin(32);
  for (int i = 0; i < 32; i++) {
    for (unsigned k = 0; k < 32; k++)
      feed(i, PC, other + 128 * k + 4 * (unsigned)i, 4, SIM_LOAD);  // all 4 KiB
    feed(i, PC + 4, global + 4 * (unsigned)i, 4, SIM_STORE);
  }
  sim_trace_close(&c);
  assert_int_equal(c.unique_ld_sectors, 128);
  assert_int_equal(c.dram_ld_bytes, 4096 / 4);  // a grid of 4 blocks
  assert_int_equal(c.dram_st_bytes, 128);
}

void __tsan_read4(void *);
void __tsan_write8(void *);
void __tsan_unaligned_read4(void *);
void __tsan_read_range(void *, long);
unsigned __tsan_atomic32_fetch_add(volatile void *, unsigned, int);
bool __tsan_atomic32_compare_exchange_strong(volatile void *, void *, unsigned, int, int);

// The compiler's calls: one call site is one access, found by its return address.
static void hooks(void **state) {
  (void)state;
  static unsigned cell;
  __tsan_read4((void *)global);  // outside a traced block: nothing
  sim_counters c = begin(32);
  test_memory[2] = (sim_allocation){.base = (uintptr_t)&cell, .bytes = sizeof cell};
  for (int i = 0; i < 32; i++) {
    sim_trace_switch(i);
    __tsan_read4((void *)(global + 4 * (unsigned)i));
    __tsan_write8((void *)(global + 8 * (unsigned)i));
    __tsan_unaligned_read4((void *)(global + 4 + 4 * (unsigned)i));
    __tsan_read_range((void *)(global + 12 * (unsigned)i), 12);
    __tsan_atomic32_fetch_add(&cell, 1, 0);
  }
  sim_trace_switch(-1);
  __tsan_read4((void *)global);  // between fibers
  sim_trace_close(&c);
  test_memory[2].bytes = 0;
  assert_int_equal(cell, 32);
  assert_int_equal(c.ld_requests, 1 + 1 + 3);  // a structure of 12 bytes moves as three floats
  assert_int_equal(c.ld_sectors, 4 + 5 + 3 * 12);
  assert_int_equal(c.st_requests, 1);
  assert_int_equal(c.st_sectors, 8);
  assert_int_equal(c.atom_requests, 1);
  assert_int_equal(c.atom_degree, 32);
  unsigned expected = 31;
  assert_false(__tsan_atomic32_compare_exchange_strong(&cell, &expected, 7, 0, 0));
  assert_int_equal(expected, 32);
  assert_true(__tsan_atomic32_compare_exchange_strong(&cell, &expected, 7, 0, 0));
  assert_int_equal(cell, 7);
}

// A large block leaves nothing behind: the next one starts from zero, and sums add up.
static void blocks_add_up(void **state) {
  (void)state;
  sim_counters twice = {0};
  for (int block = 0; block < 2; block++) {
    begin(1024);
    for (int i = 0; i < 1024; i++) {
      for (unsigned k = 0; k < 200; k++) feed(i, PC + 4 * (k % 100), global + 4 * (unsigned)i, 4, SIM_LOAD);
    }
    sim_trace_close(&twice);
  }
  assert_int_equal(twice.blocks, 2);
  assert_int_equal(twice.ld_requests, 2 * 32 * 200);
  assert_int_equal(twice.ld_sectors, 2 * 32 * 200 * 4);
  assert_int_equal(twice.unique_ld_sectors, 2 * 128);
}

// The middle block stands for all but the first and the last, which may be partly filled.
static void the_sample_is_weighted(void **state) {
  (void)state;
  test_memory[0] = (sim_allocation){.base = global, .bytes = 1 << 26};
  sim_launch launch = {.kernel = "test", .function = &launch, .grid = {100, 10, 1}, .block = {32, 1, 1}};
  uint64_t blocks[4];
  assert_int_equal(sim_trace_plan(&launch, blocks, 4), 3);
  sim_counters c = {0};
  for (int b = 0; b < 3; b++) {
    sim_trace_open(&launch, blocks[b], NULL, 0);
    for (int i = 0; i < (b < 2 ? 32 : 5); i++) feed(i, PC, global + 4 * (unsigned)i, 4, SIM_LOAD);
    sim_trace_close(&c);
  }
  assert_int_equal(c.traced, 3);
  assert_int_equal(c.blocks, 1000);
  assert_int_equal(c.ld_requests, 1000);
  assert_int_equal(c.ld_sectors, 999 * 4 + 1);
  assert_int_equal(c.active_lanes, 999 * 32 + 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sectors_of_a_full_warp),
      cmocka_unit_test(nothing_outside_memory_counts),
      cmocka_unit_test(shared_wavefronts),
      cmocka_unit_test(the_worst_bank_counts),
      cmocka_unit_test(atomics_degree),
      cmocka_unit_test(contended_shared_atomics),
      cmocka_unit_test(announced_atomics),
      cmocka_unit_test(warp_operations),
      cmocka_unit_test(transpose_tile),
      cmocka_unit_test(divergent_lanes),
      cmocka_unit_test(barriers_cut_requests),
      cmocka_unit_test(adjacent_shared_loads_merge),
      cmocka_unit_test(load_loops),
      cmocka_unit_test(chains_of_loads),
      cmocka_unit_test(footprint),
      cmocka_unit_test(hooks),
      cmocka_unit_test(blocks_add_up),
      cmocka_unit_test(the_sample_is_weighted),
  };
  return cmocka_run_group_tests(tests, map_memory, NULL);
}
