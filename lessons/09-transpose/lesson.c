// SPDX-License-Identifier: MIT
// 09 · Transpose: what is compared. Read cpu.c, direct.cu, tiled.cu, vectorized.cu for how.
#include <stdlib.h>

#include "heddle/bench.h"
#include "heddle/error.h"
#include "heddle/random.h"
#include "transpose.h"

static size_t count_of(const hd_case *c) {
  return (size_t)c->size * (size_t)c->size;
}

static void setup(hd_case *c) {
  transpose_case *t = c->state = hd_alloc(1, sizeof *t);
  *t = (transpose_case){.a = hd_alloc(count_of(c), sizeof(float)), .b = hd_alloc(count_of(c), sizeof(float))};
  hd_fill_normal(t->a, count_of(c), c->seed, 0);
  hd_add_output(c, "B", t->b, count_of(c), HD_F32);
}

static void teardown(hd_case *c) {
  transpose_case *t = c->state;
  free(t->a);
  free(t->b);
  free(t);
}

static void reference(hd_case *c) {
  const transpose_case *t = c->state;
  const long n = c->size;
#pragma omp parallel for
  for (long j = 0; j < n; j++)
    for (long i = 0; i < n; i++) c->outputs[0].expected[j * n + i] = t->a[i * n + j];
}

// Nothing is computed: every element must be exact.
static double tolerance(const hd_case *c) {
  (void)c;
  return 0;
}

// Each element is read once and written once.
static double bytes(const hd_case *c) {
  return 8.0 * (double)c->size * (double)c->size;
}

// Two matrices in single precision and the reference in double.
static double memory(long n) {
  return 16.0 * (double)n * (double)n;
}

static const hd_place on_gpu = {HD_WITH_CUDA(place_matrices), HD_WITH_CUDA(collect_matrices),
                                HD_WITH_CUDA(release_matrices)};
#define ON_GPU(name) HD_GPU, HD_WITH_CUDA(run_##name)
#define NEEDS_CUDA .at = &on_gpu, .needs = "CUDA"

static const hd_variant variants[] = {
    {"serial", HD_SERIAL, run_serial, "one CPU thread, reads rows and writes columns: the baseline"},
    {"omp-blocked", HD_THREADS, run_omp_blocked, "all cores, 32 x 32 blocks that stay in the cache"},
    {"copy", ON_GPU(copy), "no transpose, a plain copy by the same threads: the yardstick", NEEDS_CUDA},
    {"memcpy", ON_GPU(memcpy), "the same copy by the library, cudaMemcpy on the device", NEEDS_CUDA},
    {"naive", ON_GPU(naive), "indices exchanged: loads of 4 sectors, stores of 32", NEEDS_CUDA},
    {"tiled", ON_GPU(tiled), "through a tile in shared memory: 4 and 4 sectors, but 32-way bank conflicts",
     NEEDS_CUDA},
    {"padded", ON_GPU(padded), "one unused word per row of the tile: no conflicts", NEEDS_CUDA},
    {"swizzled", ON_GPU(swizzled), "columns permuted by XOR: no conflicts and no unused words", NEEDS_CUDA},
    {"vectorized", ON_GPU(vectorized), "16 bytes per load and store: a quarter of the requests", NEEDS_CUDA},
    HD_LAB({"yours", ON_GPU(yours), "the lab's", NEEDS_CUDA}, )  //
};

const hd_lesson hd_this_lesson = {
    .number = 9,
    .name = "transpose",
    .title = "Transpose of a matrix",
    .size_name = "n",
    .unit = "GB/s",
    .bytes = bytes,
    .rate = HD_RATE_BYTES,
    .quick = {1024, 4096},
    .full = {1024, 4096, 8192},
    .gpu_quick = {4096, 16384},  // 1 GiB each at 16384: nothing stays in a cache
    .gpu_full = {1024, 4096, 8192, 16384},
    .sim_quick = {1024, 4096},
    .sim_full = {1024, 4096, 8192},
    .verify = {0, 1, 33, 127, 1000, -1},
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
};
