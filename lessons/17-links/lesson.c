// SPDX-License-Identifier: MIT
// What is compared: a message from one rank to another, on different ways and in many sizes, and the line
// α + S/B through the times of each way.
#include <heddle/bench.h>
#include <heddle/device.h>
#include <heddle/error.h>
#include <heddle/machine.h>
#include <heddle/roof.h>
#include <heddle/stats.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "links.h"

typedef struct state {
  unsigned char *data, *returned;
} state;

static unsigned char byte_at(size_t i) {
  return (unsigned char)(i * 2654435761u >> 13);
}

// Words, and what is left of the last one.
static void setup(hd_case *c) {
  if (c->size < 1) hd_fail(HD_EXIT_USAGE, "bytes = %ld: a message has at least one byte", c->size);
  const size_t bytes = (size_t)c->size;
  state *s = c->state = hd_alloc(1, sizeof *s);
  s->data = hd_alloc(bytes, 1);
  s->returned = hd_alloc(bytes, 1);
  for (size_t i = 0; i < bytes; i++) s->data[i] = byte_at(i);
  hd_add_output(c, "words", s->returned, bytes / 4, HD_I32);
  hd_add_output(c, "rest", s->returned + bytes / 4 * 4, bytes % 4, HD_U8);
}

static void teardown(hd_case *c) {
  state *s = c->state;
  free(s->data);
  free(s->returned);
  free(s);
}

// Every bit of the data turned over.
static void reference(hd_case *c) {
  const size_t words = (size_t)c->size / 4;
  for (size_t i = 0; i < words; i++) {
    unsigned char turned[4];
    int32_t word;
    for (size_t k = 0; k < 4; k++) turned[k] = (unsigned char)~byte_at(4 * i + k);
    memcpy(&word, turned, sizeof word);
    c->outputs[0].expected[i] = word;
  }
  for (size_t i = 4 * words; i < (size_t)c->size; i++)
    c->outputs[1].expected[i - 4 * words] = (unsigned char)~byte_at(i);
}

static double tolerance(const hd_case *c) {
  (void)c;
  return 0;
}

static double bytes(const hd_case *c) {
  return (double)c->size;
}

static double memory(long size) {
  return 16.0 * (double)size;
}

// GPUs: the link between them. CPU ranks: beyond the caches, memory read and written.
static double bound(const hd_case *c, enum hd_where where) {
  double alpha_s, bytes_per_s;
  if (where == HD_RANKS)
    return c->size > 2 * hd_machine_get()->l3 ? 2.0 * (double)c->size / hd_roof_bytes(1) : NAN;
  hd_device_link(&alpha_s, &bytes_per_s);
  return alpha_s + (double)c->size / bytes_per_s;
}

// ---------------------------------------------------------------- the line through the sizes

enum way { MESSAGES, STAGED, PEER, MANAGED, WAYS };

static struct {
  double bytes[HD_MAX_SIZES], seconds[HD_MAX_SIZES];
  int count;
} times[WAYS];

static const char *const names[WAYS] = {"send-recv", "staged", "peer", "managed"};

// The best time of each size: a neighbour on the machine can only make it longer.
static void remember(enum way way, double size, double seconds) {
  int i = 0;
  while (i < times[way].count && times[way].bytes[i] != size) i++;
  if (i == HD_MAX_SIZES) return;
  if (i == times[way].count) {
    times[way].bytes[i] = size;
    times[way].seconds[i] = seconds;
    times[way].count++;
  }
  times[way].seconds[i] = fmin(times[way].seconds[i], seconds);
}

static void print_fits(void) {
  for (int way = 0; way < WAYS; way++) {
    double alpha, rate;
    hd_fit_alpha_beta(times[way].bytes, times[way].seconds, times[way].count, &alpha, &rate);
    if (isnan(alpha)) continue;
    fprintf(stderr, "%-9s α = %.3f µs, B = %.2f GB/s, half of B at n½ = %.0f bytes (%d sizes, clock: %s)\n",
            names[way], alpha * 1e6, rate * 1e-9, alpha * rate, times[way].count,
            way == MESSAGES         ? "wall"
            : hd_device_simulated() ? "model"
                                    : "device");
  }
}

static void run_case(hd_case *c, void (*go)(trip *), enum way way) {
  const bool modelled = way != MESSAGES && hd_device_simulated(), timed = modelled || !c->verifying;
  const state *s = c->state;
  trip t = {.data = s->data, .returned = s->returned, .bytes = (size_t)c->size};
  if (timed) t.timed = modelled ? 2 : c->size < 1 << 16 ? 200 : 4;
  go(&t);
  if (!timed) return;
  static bool registered;
  if (!registered) atexit(print_fits);
  registered = true;
  hd_report_time(c, t.seconds);
  remember(way, (double)c->size, t.seconds);
  double alpha, rate;
  hd_fit_alpha_beta(times[way].bytes, times[way].seconds, times[way].count, &alpha, &rate);
  if (isnan(alpha)) return;
  hd_figure(c, "alpha", alpha, "s");
  hd_figure(c, "bandwidth", rate, "B/s");
  hd_figure(c, "half of it at", alpha * rate, "B");
}

static void run_messages(hd_case *c) {
  run_case(c, trip_messages, MESSAGES);
}
#if HD_HAVE_CUDA
static void run_staged(hd_case *c) {
  run_case(c, trip_staged, STAGED);
}
static void run_peer(hd_case *c) {
  run_case(c, trip_peer, PEER);
}
static void run_managed(hd_case *c) {
  run_case(c, trip_managed, MANAGED);
}
static void run_no_wait(hd_case *c) {
  const state *s = c->state;
  trip t = {.data = s->data, .returned = s->returned, .bytes = (size_t)c->size};
  trip_no_wait(&t);
}
#endif

static bool two_ranks(const hd_case *c) {
  return c->threads == 2;
}
static bool two_gpus(const hd_case *c) {
  return c->devices == 2;
}

static const hd_variant variants[] = {
    {.name = "send-recv",
     .where = HD_RANKS,
     .run = run_messages,
     .why = "two CPU ranks: one copy in shared memory",
     .fits = two_ranks},
    {.name = "staged",
     .where = HD_GPUS,
     .run = HD_WITH_CUDA(run_staged),
     .needs = "CUDA",
     .why = "from one GPU to the host, from there to the other: two copies, one after the other",
     .fits = two_gpus},
    {.name = "peer",
     .where = HD_GPUS,
     .run = HD_WITH_CUDA(run_peer),
     .needs = "CUDA",
     .why = "one copy over the link between the GPUs",
     .fits = two_gpus},
    {.name = "managed",
     .where = HD_GPUS,
     .run = HD_WITH_CUDA(run_managed),
     .needs = "CUDA",
     .why = "memory that moves to the GPU that is about to use it",
     .fits = two_gpus},
    {.name = "wrong-no-wait",
     .where = HD_GPUS,
     .run = HD_WITH_CUDA(run_no_wait),
     .needs = "CUDA",
     .why = "the second GPU works on what the copy has not brought yet",
     .wrong_on_purpose = true,
     .fits = two_gpus},
};

const hd_lesson hd_this_lesson = {
    .number = 17,
    .name = "links",
    .title = "A message between two ranks",
    .size_name = "bytes",
    .unit = "GB/s",
    .bytes = bytes,
    .rate = HD_RATE_BYTES,
    .quick = {4, 1 << 10, 1 << 16, 1 << 20, 1 << 26},
    .full = {4, 1 << 8, 1 << 12, 1 << 16, 1 << 18, 1 << 20, 1 << 23, 1 << 26},
    .verify = {1, 3, 4, 33, 1000, 1009, -1},
    .sweep_ranks = {2},
    .sweep_devices = {2},
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .bound_s = bound,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
};
