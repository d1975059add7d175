// SPDX-License-Identifier: MIT
// 08 · The first kernel: what is compared. Read cpu.c and saxpy.cu for how, then the ways of the data to the
// GPU.
#include <math.h>
#include <stdlib.h>

#include "heddle/bench.h"
#include "heddle/device.h"
#include "heddle/error.h"
#include "heddle/random.h"
#include "saxpy.h"

static void setup(hd_case *c) {
  const size_t n = (size_t)c->size;
  saxpy_case *s = c->state = hd_alloc(1, sizeof *s);
  *s = (saxpy_case){
      .x = hd_alloc(n, sizeof(float)), .y0 = hd_alloc(n, sizeof(float)), .y = hd_alloc(n, sizeof(float))};
#pragma omp parallel for schedule(static)
  for (long i = 0; i < c->size; i++) {
    s->x[i] = hd_random_uniform(c->seed, 0, (uint64_t)i);
    s->y0[i] = hd_random_uniform(c->seed, 1, (uint64_t)i);
  }
  hd_device_host_link(&s->alpha_s, &s->bytes_per_s);
  hd_add_output(c, "y", s->y, n, HD_F32);
}

static void teardown(hd_case *c) {
  saxpy_case *s = c->state;
  free(s->x);
  free(s->y0);
  free(s->y);
  free(s);
}

static void reference(hd_case *c) {
  const saxpy_case *s = c->state;
#pragma omp parallel for schedule(static)
  for (long i = 0; i < c->size; i++) c->outputs[0].expected[i] = (double)SAXPY_A * s->x[i] + s->y0[i];
}

// Both terms are positive, so a product and a sum round by at most 2^-24 each; an FMA rounds once.
static double tolerance(const hd_case *c) {
  (void)c;
  return 0x1p-23;
}

// x and y are read, y is written.
static double bytes(const hd_case *c) {
  return 12.0 * (double)c->size;
}

// Three vectors, two more that are pinned or managed, and the reference in double.
static double memory(long n) {
  return (5 * 4.0 + 8.0) * (double)n;
}

#if HD_HAVE_CUDA
// The least that can be hoped for when the vectors are the host's: x and y over the link, y back meanwhile in
// the other direction.
static double link_s(const hd_case *c, enum hd_where where) {
  const saxpy_case *s = c->state;
  (void)where;
  return c->size > 0 ? s->alpha_s + 8.0 * (double)c->size / s->bytes_per_s : NAN;
}

// Rungs that move their data tell the link's line, and whether the data are on the GPU afterwards: the report
// draws when that pays.
#define MOVES(name, stays)                         \
  static void move_##name(hd_case *c) {            \
    run_##name(c);                                 \
    hd_figure(c, "link", link_s(c, HD_GPU), "s");  \
    hd_figure(c, "stays on the GPU", (stays), ""); \
  }
MOVES(pageable, 1)
MOVES(pinned, 1)
MOVES(mapped, 0)
MOVES(managed, 1)
MOVES(prefetch, 1)
#endif

#define MOVED(name) HD_GPU, HD_WITH_CUDA(move_##name)
#define OVER(place) \
  .at = HD_WITH_CUDA(&place), .needs = "CUDA", .bound_s = HD_WITH_CUDA(link_s), .fits = short_enough
#define RESIDENT(name) HD_GPU, HD_WITH_CUDA(run_##name)
#define THERE .at = HD_WITH_CUDA(&on_gpu), .needs = "CUDA"

// Beyond this the link takes a second and more for what it has shown already; the card's memory wants 1 GiB
// per vector.
static bool short_enough(const hd_case *c) {
  return c->size <= 1 << 26;
}

static const hd_variant variants[] = {
    {"serial", HD_SERIAL, run_serial, "one element at a time: the baseline", &on_host},
    {"simd", HD_SERIAL, run_simd, "a vector of elements per instruction", &on_host},
    {"omp", HD_THREADS, run_omp, "all cores: the memory's bandwidth", &on_host},
    {"pageable", MOVED(pageable), "to the GPU and back by cudaMemcpy, from malloc's memory", OVER(by_copies)},
    {"pinned", MOVED(pinned), "from memory that stays where it is: the copy engine reads it by itself",
     OVER(by_pinned_copies)},
    {"mapped", MOVED(mapped), "no copies: the kernel reads and writes host memory over the link",
     OVER(in_mapped)},
    {"managed", MOVED(managed), "one pointer for both; pages move when they are touched", OVER(in_managed),
     .before = HD_WITH_CUDA(return_pages)},
    {"prefetch", MOVED(prefetch), "the same, told in advance what will be needed where", OVER(in_managed),
     .before = HD_WITH_CUDA(return_pages)},
    {"resident", RESIDENT(resident), "the vectors are on the GPU already: nothing moves", THERE},
    {"vectorized", RESIDENT(vectorized), "16 bytes per access", THERE},
    {"cublas", RESIDENT(cublas), "the vendor's library on resident vectors", THERE},
    {"wrong-no-wait", RESIDENT(no_wait), "managed memory read before the kernel has ended",
     .at = HD_WITH_CUDA(&in_managed_once), .needs = "CUDA", .wrong_on_purpose = true, .fits = short_enough},
    {"wrong-unasked", RESIDENT(unasked), "a launch that is refused, and nobody asks",
     .at = HD_WITH_CUDA(&on_gpu_unasked), .needs = "CUDA", .wrong_on_purpose = true, .fits = short_enough},
};

const hd_lesson hd_this_lesson = {
    .number = 8,
    .name = "first-kernel",
    .title = "The first kernel",
    .size_name = "n",
    .unit = "GB/s",
    .bytes = bytes,
    .rate = HD_RATE_BYTES,
    .quick = {1 << 10, 1 << 14, 1 << 18, 1 << 22, 1 << 24},
    .full = {1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 26},
    .gpu_full = {1 << 10, 1 << 14, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26,
                 1 << 28},  // 1 GiB each at last
    .sim_quick = {1 << 10, 1 << 14, 1 << 18, 1 << 22},
    .sim_full = {1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22},
    .sim_sampled = {1 << 24},
    .verify = {0, 1, 33, 1000, 65537, -1},
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
};
