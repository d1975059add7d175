// SPDX-License-Identifier: MIT
// 13 · Tensor cores: what is compared. Read wmma.cu first, then in the order of tensor.h.
#include <stdlib.h>

#include "heddle/device.h"
#include "heddle/error.h"
#include "heddle/random.h"
#include "kernels/gemm/gemm.h"
#include "tensor.h"

static size_t count_of(const hd_case *c) {
  return (size_t)c->size * (size_t)c->size;
}

static void setup(hd_case *c) {
  tensor_case *t = c->state = hd_alloc(1, sizeof *t);
  *t = (tensor_case){.full = {.a = hd_alloc(count_of(c), sizeof(float)),
                              .b = hd_alloc(count_of(c), sizeof(float)),
                              .c = hd_alloc(count_of(c), sizeof(float))}};
  hd_fill_normal(t->full.a, count_of(c), c->seed, 0);
  hd_fill_normal(t->full.b, count_of(c), c->seed, 1);
  hd_add_output(c, "C", t->full.c, count_of(c), HD_F32);
}

static void teardown(hd_case *c) {
  tensor_case *t = c->state;
  free(t->full.a);
  free(t->full.b);
  free(t->full.c);
  free(t);
}

// Of the unrounded matrices: rounding is a part of the error.
static void reference(hd_case *c) {
  const gemm_case *m = c->state;
  const long n = c->size;
  hd_gemm_reference(false, false, n, n, n, 1, m->a, n, m->b, n, 0, c->outputs[0].expected, n);
}

static double tolerance(const hd_case *c) {
  return hd_gemm_tolerance(c->size);
}

// Rounding both operands gives each element of C an error of standard deviation OPERAND_ERROR · u, relative
// to C's; 8 of them cover the largest of n² elements, as in hd_gemm_tolerance. Tensor cores may also cut off
// what does not fit when they add: up to 2^-23 of a partial sum for each 8 products.
static double rough(const hd_case *c, enum hd_type format) {
  return 8 * OPERAND_ERROR * unit_roundoff(format) + (double)c->size / 8 * 0x1p-23 + tolerance(c);
}
static double bf16_tolerance(const hd_case *c) {
  return rough(c, HD_BF16);
}
static double fp16_tolerance(const hd_case *c) {
  return rough(c, HD_F16);
}
static double tf32_tolerance(const hd_case *c) {
  return rough(c, HD_TF32);
}

static double flops(const hd_case *c) {
  return 2.0 * (double)c->size * (double)c->size * (double)c->size;
}
// Operands of 16 bits, C in fp32.
static double bytes(const hd_case *c) {
  return 8.0 * (double)c->size * (double)c->size;
}

// Three matrices in single precision, the reference in double, a padded operand.
static double memory(long n) {
  return 20.0 * (double)n * (double)n + 4.0 * (double)(n + TILE) * (double)(n + TILE);
}

// Beyond this one thread takes seconds a run and shows nothing new.
static bool short_enough(const hd_case *c) {
  return c->size <= 1024;
}

static bool multiplies(enum hd_type format) {
  return hd_device_product_peak(format) > hd_device_product_peak(HD_F32);
}
static bool has_fp16(const hd_case *c) {
  (void)c;
  return multiplies(HD_F16);
}
// mma.sync as it is used here, bf16 and tf32 all came with compute capability 8.0.
static bool has_bf16(const hd_case *c) {
  (void)c;
  return multiplies(HD_BF16);
}

#define PLACE(place, collect, release) \
  { HD_WITH_CUDA(place), HD_WITH_CUDA(collect), HD_WITH_CUDA(release) }
static const hd_place in_fp32 = PLACE(place_matrices, collect_full, release_matrices),
                      in_bf16 = PLACE(place_bf16, collect_product, release_operands),
                      in_fp16 = PLACE(place_fp16, collect_product, release_operands),
                      in_tf32 = PLACE(place_tf32, collect_product, release_operands),
                      too_large = PLACE(place_fp16_large, collect_large, release_operands);
#define ON_GPU(name) HD_GPU, HD_WITH_CUDA(run_##name)
#define FP32 .at = &in_fp32, .needs = "CUDA"
#define BF16 \
  .at = &in_bf16, .needs = "CUDA", .fits = has_bf16, .operands = HD_BF16, .tolerance = bf16_tolerance
#define TF32 \
  .at = &in_tf32, .needs = "CUDA", .fits = has_bf16, .operands = HD_TF32, .tolerance = tf32_tolerance
#define FP16 .needs = "CUDA", .operands = HD_F16, .tolerance = fp16_tolerance

static const hd_variant variants[] = {
    {"serial", HD_SERIAL, run_serial, "one CPU thread in fp32: the baseline", .fits = short_enough},
    {"omp-micro", HD_THREADS, run_omp_micro, "all cores in fp32: lesson 07's last rung"},
    {"omp-bf16", HD_THREADS, run_omp_bf16, "operands kept in bf16, widened panel by panel",
     .tolerance = bf16_tolerance},
    {"omp-fp16", HD_THREADS, run_omp_fp16, "operands kept in fp16, widened panel by panel",
     .tolerance = fp16_tolerance},
    {"gpu-fp32", ON_GPU(warptile), "CUDA cores: lesson 12's best kernel", FP32},
    {"wmma", ON_GPU(wmma), "a warp multiplies 16 x 16 matrices, from global memory", BF16},
    {"wmma-shared", ON_GPU(wmma_shared), "128 x 128 tiles in shared memory, 64 x 64 of C per warp", BF16},
    {"mma", ON_GPU(mma), "the instruction itself; ldmatrix fetches its operands, with bank conflicts", BF16},
    {"mma-swizzle", ON_GPU(mma_swizzle), "chunks exchanged: eight rows lie in all 32 banks", BF16},
    {"mma-async", ON_GPU(async_bf16), "cp.async: two pairs of tiles under way while one is multiplied", BF16},
    {"mma-fp16", ON_GPU(async_fp16), "the same kernel in fp16: three bits more, five of exponent less",
     .at = &in_fp16, .fits = has_bf16, FP16},
    {"mma-tf32", ON_GPU(async_tf32), "the same kernel in tf32: fp32's exponents, fp16's bits, half the rate",
     TF32},
    {"fp16-overflow", ON_GPU(async_fp16), "wrong: numbers beyond 65504 in fp16", .at = &too_large,
     .fits = has_bf16, .wrong_on_purpose = true, FP16},
    {"tf32-silent", ON_GPU(silent_tf32), "wrong: SGEMM with TF32 switched on, judged as fp32",
     .fits = has_bf16, .wrong_on_purpose = true, FP32},
    {"cublas-fp32", ON_GPU(cublas), "the library, true fp32", FP32},
    {"cublas-tf32", ON_GPU(library), "the library in tf32", TF32},
    {"cublas-fp16", ON_GPU(library), "the library in fp16, sums in fp32", .at = &in_fp16, .fits = has_fp16,
     FP16},
    {"cublas-bf16", ON_GPU(library), "the library in bf16, sums in fp32", BF16},
};

const hd_lesson hd_this_lesson = {
    .number = 13,
    .name = "tensor-cores",
    .title = "Tensor cores",
    .size_name = "n",
    .unit = "GFLOP/s",
    .flops = flops,
    .bytes = bytes,
    .rate = HD_RATE_FLOPS,
    .quick = {512},
    .full = {512, 1024, 2048, 4096},
    .gpu_quick = {1024, 4096},
    .gpu_full = {1024, 2048, 4096, 8192},
    .sim_quick = {256},
    .sim_full = {256, 512},
    .sim_sampled = {1024, 4096},
    .verify = {0, 1, 33, 127, 257, -1},
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
};
