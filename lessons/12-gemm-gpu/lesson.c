// SPDX-License-Identifier: MIT
// 12 · SGEMM on a GPU: what is compared. Read naive.cu first, then in the order of gemm_gpu.h.
#include <stdlib.h>

#include "gemm_gpu.h"
#include "heddle/bench.h"
#include "heddle/error.h"
#include "heddle/random.h"
#include "kernels/gemm/gemm.h"

static size_t count_of(const hd_case *c) {
  return (size_t)c->size * (size_t)c->size;
}

static void setup(hd_case *c) {
  gemm_case *m = c->state = hd_alloc(1, sizeof *m);
  *m = (gemm_case){.a = hd_alloc(count_of(c), sizeof(float)),
                   .b = hd_alloc(count_of(c), sizeof(float)),
                   .c = hd_alloc(count_of(c), sizeof(float))};
  hd_fill_normal(m->a, count_of(c), c->seed, 0);
  hd_fill_normal(m->b, count_of(c), c->seed, 1);
  hd_add_output(c, "C", m->c, count_of(c), HD_F32);
}

static void teardown(hd_case *c) {
  gemm_case *m = c->state;
  free(m->a);
  free(m->b);
  free(m->c);
  free(m);
}

static void reference(hd_case *c) {
  const gemm_case *m = c->state;
  const long n = c->size;
  hd_gemm_reference(false, false, n, n, n, 1, m->a, n, m->b, n, 0, c->outputs[0].expected, n);
}

static double tolerance(const hd_case *c) {
  return hd_gemm_tolerance(c->size);
}

static double flops(const hd_case *c) {
  return 2.0 * (double)c->size * (double)c->size * (double)c->size;
}
static double bytes(const hd_case *c) {
  return 12.0 * (double)c->size * (double)c->size;
}

// Three matrices in single precision and the reference in double.
static double memory(long n) {
  return 20.0 * (double)n * (double)n;
}

// Beyond this one thread takes seconds a run and shows nothing new.
static bool short_enough(const hd_case *c) {
  return c->size <= 2048;
}

static const hd_place on_gpu = {HD_WITH_CUDA(place_matrices), HD_WITH_CUDA(collect_matrices),
                                HD_WITH_CUDA(release_matrices)};
#define ON_GPU(name) HD_GPU, HD_WITH_CUDA(run_##name)
#define NEEDS_CUDA .at = &on_gpu, .needs = "CUDA"

static const hd_variant variants[] = {
    {"serial", HD_SERIAL, run_serial, "one CPU thread, loops in the order of memory: the baseline",
     .fits = short_enough},
    {"omp-micro", HD_THREADS, run_omp_micro,
     "what the CPU can do: packed, register-tiled, all cores (lesson 07)"},
    {"naive", ON_GPU(naive), "a thread per element of C; a warp reads 32 rows of A at once", NEEDS_CUDA},
    {"coalesced", ON_GPU(coalesced), "neighbouring threads take neighbouring columns: whole sectors",
     NEEDS_CUDA},
    {"shared", ON_GPU(shared), "32 x 32 tiles in shared memory: each element fetched once per block",
     NEEDS_CUDA},
    {"tile1d", ON_GPU(tile1d), "8 results of a column per thread: an element of B serves 8 FMAs", NEEDS_CUDA},
    {"tile2d", ON_GPU(tile2d), "8 x 8 results per thread: 16 loads for 64 FMAs", NEEDS_CUDA},
    {"vector", ON_GPU(vector), "16 bytes per load, A transposed in shared memory", NEEDS_CUDA},
    {"warptile", ON_GPU(warptile), "a tile per warp: no bank conflicts, 128 results per thread", NEEDS_CUDA},
    {"cublas", ON_GPU(cublas), "the vendor's library, true fp32", NEEDS_CUDA},
    HD_LAB({"yours", ON_GPU(yours), "the lab's", NEEDS_CUDA}, )  //
};

const hd_lesson hd_this_lesson = {
    .number = 12,
    .name = "gemm-gpu",
    .title = "SGEMM on a GPU",
    .size_name = "n",
    .unit = "GFLOP/s",
    .flops = flops,
    .bytes = bytes,
    .rate = HD_RATE_FLOPS,
    .quick = {512, 1024},
    .full = {512, 1024, 2048, 4096},
    .gpu_quick = {1024, 2048, 4096},
    .gpu_full = {512, 1024, 2048, 4096, 8192},
    .sim_quick = {512},
    .sim_full = {512, 1024},
    .sim_sampled = {1024, 2048, 4096},
    .verify = {0, 1, 33, 127, 1000, -1},
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
};
