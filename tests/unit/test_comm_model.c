// SPDX-License-Identifier: MIT
// The communicator on the simulator's virtual clock: all-reduce against 2(N-1)α + 2(N-1)/N·S/B, broadcast and
// a central aggregator against (N-1)(α + S/B), and started operations that hide behind compute.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
// cmocka needs the headers above before it
#include <cmocka.h>
#include <heddle/comm.h>
#include <heddle/device.h>
#include <kernels/nn/ops.h>

#if HD_HAVE_CUDA

enum { COUNT = 1 << 23, MOST_WORLD = 8 };  // 32 MiB: more than stays in L2

// NVLink 4 and the memory of an H200 as the simulator has them: docs/cusim-model.md.
static const double ALPHA_S = 1.9e-6, BYTES_PER_S = 0.82 * 450e9, MEMORY_BYTES_PER_S = 0.896 * 4.8e12,
                    LAUNCH_S = 2.5e-6, KERNEL_S = 1.3e-6;

typedef struct timing {
  int (*call)(hd_comm *c, hd_ops *ops, float *x);
  double seconds[MOST_WORLD];
} timing;

static void body(hd_comm *c, void *arg) {
  timing *t = arg;
  hd_ops *ops = hd_ops_cuda(hd_comm_stream(c));
  float *x = ops->alloc(ops, COUNT * sizeof *x);
  ops->zero(ops, x, COUNT * sizeof *x);
  if (t->call(c, ops, x) == 0 && hd_barrier(c) == 0) {  // once to reserve memory
    ops->synchronize(ops);
    ops->timer_start(ops);
    t->call(c, ops, x);
    t->seconds[hd_comm_rank(c)] = ops->timer_stop(ops);
  }
  ops->free(ops, x, COUNT * sizeof *x);
  ops->close(ops);
}

// The slowest rank's virtual time.
static double modelled(int world, enum hd_order order, int (*call)(hd_comm *, hd_ops *, float *)) {
  timing t = {.call = call};
  if (hd_comm_run(world, HD_COMM_CUDA, order, 1, 0, body, &t)) fail_msg("%s", hd_comm_error_text());
  double most = 0;
  for (int r = 0; r < world; r++)
    if (t.seconds[r] > most) most = t.seconds[r];
  return most;
}

static int all_reduce(hd_comm *c, hd_ops *ops, float *x) {
  (void)ops;
  return hd_all_reduce(c, x, COUNT, HD_F32, HD_SUM);
}

static int broadcast(hd_comm *c, hd_ops *ops, float *x) {
  (void)ops;
  return hd_broadcast(c, x, COUNT, HD_F32, 0);
}

static int aggregate(hd_comm *c, hd_ops *ops, float *x) {
  (void)ops;
  return hd_reduce(c, x, x, COUNT, HD_F32, HD_SUM, 0);
}

static int compute(hd_comm *c, hd_ops *ops, float *x) {
  (void)c;
  for (int i = 0; i < 8; i++) ops->scale(ops, 1, x + COUNT / 2, COUNT / 2);
  return 0;
}

static int started_and_compute(hd_comm *c, hd_ops *ops, float *x) {
  const int handle = hd_all_reduce_start(c, x, COUNT / 2, HD_F32, HD_SUM);
  compute(c, ops, x);
  return handle < 0 ? -1 : hd_wait(c, handle);
}

static int half_all_reduce(hd_comm *c, hd_ops *ops, float *x) {
  (void)ops;
  return hd_all_reduce(c, x, COUNT / 2, HD_F32, HD_SUM);
}

static void assert_between(double value, double low, double high, const char *what, int world) {
  if (!(value >= low && value <= high))
    fail_msg("%s on %d GPUs: %.2f µs, not %.2f to %.2f", what, world, value * 1e6, low * 1e6, high * 1e6);
}

// The host's first launch, links, then additions at the speed of memory. The direct order adds N vectors
// between its two halves, and the aggregator when it has them all: one kernel. The ring adds while the next
// piece is on the link, so nothing is left of it, but it pays α for each of two pieces.
static const double EXACT = 0.02;

static void assert_takes(double seconds, double links_s, double added_bytes, const char *what, int world) {
  const double added_s = added_bytes > 0 ? KERNEL_S + added_bytes / MEMORY_BYTES_PER_S : 0;
  const double expected = LAUNCH_S + links_s + added_s;
  assert_between(seconds, (1 - EXACT) * expected, (1 + EXACT) * expected, what, world);
}

static void all_reduce_takes_the_formulas_time(void **state) {
  (void)state;
  for (int world = 2; world <= MOST_WORLD; world *= 2) {
    const double n = world, bytes = COUNT * sizeof(float);
    const double links_s = 2 * (n - 1) * ALPHA_S + 2 * (n - 1) / n * bytes / BYTES_PER_S;
    assert_takes(modelled(world, HD_ORDER_RANK, all_reduce), links_s, (n + 1) / n * bytes,
                 "direct all_reduce", world);
    assert_takes(modelled(world, HD_ORDER_RING, all_reduce), links_s + 2 * (n - 1) * ALPHA_S, 0,
                 "ring all_reduce", world);
  }
}

static void one_link_serves_the_others_in_turn(void **state) {
  (void)state;
  for (int world = 2; world <= MOST_WORLD; world *= 2) {
    const double bytes = COUNT * sizeof(float), links_s = (world - 1) * (ALPHA_S + bytes / BYTES_PER_S);
    assert_takes(modelled(world, HD_ORDER_RANK, broadcast), links_s, 0, "broadcast", world);
    assert_takes(modelled(world, HD_ORDER_RANK, aggregate), links_s, (world + 1) * bytes, "reduce", world);
  }
}

static void started_all_reduces_hide_behind_compute(void **state) {
  (void)state;
  const double alone = modelled(4, HD_ORDER_RANK, half_all_reduce),
               work = modelled(4, HD_ORDER_RANK, compute);
  const double both = modelled(4, HD_ORDER_RANK, started_and_compute), longer = alone > work ? alone : work;
  assert_between(both, longer, longer + 0.2 * (alone + work - longer), "overlap", 4);
}

static int only_on_the_default_machine(void **state) {
  (void)state;
  return hd_device_simulated() && hd_device_count() >= MOST_WORLD ? 0 : -1;
}

int main(void) {
  setenv("CUSIM_DEVICES", "8", 1);
  setenv("CUSIM_CARD", "h200", 1);
  setenv("CUSIM_EXECUTE", "sampled", 1);  // only the times count
  unsetenv("CUSIM_LINK");
  if (!hd_device_simulated()) return 0;  // real GPUs keep their own time
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_reduce_takes_the_formulas_time),
      cmocka_unit_test(one_link_serves_the_others_in_turn),
      cmocka_unit_test(started_all_reduces_hide_behind_compute),
  };
  return cmocka_run_group_tests(tests, only_on_the_default_machine, NULL);
}

#else
int main(void) {
  return 0;
}
#endif
