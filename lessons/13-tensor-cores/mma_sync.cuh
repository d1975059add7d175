// SPDX-License-Identifier: MIT
// Two instructions of a warp: ldmatrix fetches operands from shared memory, mma.sync multiplies them. Lesson
// 14's attention uses them, too.
#ifndef MMA_SYNC_CUH
#define MMA_SYNC_CUH
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

struct tf32_bits {  // an fp32 that has been rounded to tf32
  float value;
};

// Four 8 × 8 matrices of 16-bit pairs: lane i gives the address of a row of 16 bytes, matrix i / 8, row i %
// 8; lane 4g + t receives word t of row g of each. A word is two 16-bit numbers or one tf32.
static __device__ __forceinline__ void load_matrices(unsigned to[4], const uint4 *row) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 750
  const unsigned address = (unsigned)__cvta_generic_to_shared(row);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(address));
#endif
}

// sum += a · b: 16 rows of A times 8 columns of B, by one warp. Compute capability 8.0.
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
#define MULTIPLY(shape_and_types)                                                 \
  asm volatile("mma.sync.aligned." shape_and_types                                \
               " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
               : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])           \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
#else
#define MULTIPLY(shape_and_types) (void)0
#endif
static __device__ __forceinline__ void multiply(float sum[4], const unsigned a[4], const unsigned b[2],
                                                __nv_bfloat16) {
  MULTIPLY("m16n8k16.row.col.f32.bf16.bf16.f32");
}
static __device__ __forceinline__ void multiply(float sum[4], const unsigned a[4], const unsigned b[2],
                                                __half) {
  MULTIPLY("m16n8k16.row.col.f32.f16.f16.f32");
}
static __device__ __forceinline__ void multiply(float sum[4], const unsigned a[4], const unsigned b[2],
                                                tf32_bits) {
  MULTIPLY("m16n8k8.row.col.f32.tf32.tf32.f32");
}
#undef MULTIPLY
#endif
