// SPDX-License-Identifier: MIT
// What the rungs over rows share: maxima and sums over a warp or a block, and a row in registers.
#ifndef ROWS_CUH
#define ROWS_CUH
#include <cuda_runtime.h>
#include <float.h>

static __device__ __forceinline__ float warp_max(float x) {
#pragma unroll
  for (int offset = 16; offset; offset /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, offset));
  return x;
}

static __device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
  for (int offset = 16; offset; offset /= 2) x += __shfl_xor_sync(0xffffffffu, x, offset);
  return x;
}

// The same over WARPS warps of a block with 32 · WARPS threads along x; every thread gets the result. Two
// barriers: one until all have written, one until all have read, so that the next call may write.
template <int WARPS>
static __device__ __forceinline__ float rows_max(float x) {
  x = warp_max(x);
  if (WARPS == 1) return x;
  __shared__ float of_warp[WARPS];
  const int lane = (int)threadIdx.x % 32;
  if (lane == 0) of_warp[threadIdx.x / 32] = x;
  __syncthreads();
  x = warp_max(lane < WARPS ? of_warp[lane] : -FLT_MAX);
  __syncthreads();
  return x;
}

template <int WARPS>
static __device__ __forceinline__ float rows_sum(float x) {
  x = warp_sum(x);
  if (WARPS == 1) return x;
  __shared__ float of_warp[WARPS];
  const int lane = (int)threadIdx.x % 32;
  if (lane == 0) of_warp[threadIdx.x / 32] = x;
  __syncthreads();
  x = warp_sum(lane < WARPS ? of_warp[lane] : 0);
  __syncthreads();
  return x;
}

// A row of at most 4 · QUADS · THREADS numbers in the registers of THREADS threads: number j of a thread's
// k-th four is number place_in_row of the row. WIDE: neighbours, loaded by 16 bytes, where each row starts at
// a multiple of 16 bytes; else one of each of four pieces. Either way a warp's request is one piece of
// memory.
template <int THREADS, bool WIDE>
static __device__ __forceinline__ int place_in_row(int k, int j) {
  return WIDE ? 4 * (k * THREADS + (int)threadIdx.x) + j : (4 * k + j) * THREADS + (int)threadIdx.x;
}

// `beyond` where the row has ended. ONCE: nobody will ask for it again.
template <int THREADS, bool WIDE, bool ONCE>
static __device__ __forceinline__ void load_four(float (&four)[4], const float *x, int n, int k,
                                                 float beyond) {
  if (WIDE) {
    const int i = place_in_row<THREADS, WIDE>(k, 0);
    float4 all = make_float4(beyond, beyond, beyond, beyond);
    if (i < n) all = ONCE ? __ldcs((const float4 *)(x + i)) : *(const float4 *)(x + i);
    four[0] = all.x;
    four[1] = all.y;
    four[2] = all.z;
    four[3] = all.w;
  } else {
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const int i = place_in_row<THREADS, WIDE>(k, j);
      four[j] = i >= n ? beyond : ONCE ? __ldcs(x + i) : x[i];
    }
  }
}

template <int THREADS, bool WIDE>
static __device__ __forceinline__ void store_four(const float (&four)[4], float *y, int n, int k) {
  if (WIDE) {
    const int i = place_in_row<THREADS, WIDE>(k, 0);
    if (i < n) __stcs((float4 *)(y + i), make_float4(four[0], four[1], four[2], four[3]));
  } else {
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const int i = place_in_row<THREADS, WIDE>(k, j);
      if (i < n) __stcs(y + i, four[j]);
    }
  }
}

// Calls run<WARPS, QUADS, WIDE> with few enough threads for a row of n that each has some 16 to 32 numbers
// under way.
enum { MOST_HELD = 32 * 1024 };
#define FOR_ROWS_OF(n, run, ...)              \
  do {                                        \
    if ((n) % 4 == 0)                         \
      FOR_LENGTH(n, run, true, __VA_ARGS__);  \
    else                                      \
      FOR_LENGTH(n, run, false, __VA_ARGS__); \
  } while (0)
#define FOR_LENGTH(n, run, wide, ...)             \
  ((n) <= 256     ? run<1, 2, wide>(__VA_ARGS__)  \
   : (n) <= 1024  ? run<1, 8, wide>(__VA_ARGS__)  \
   : (n) <= 4096  ? run<4, 8, wide>(__VA_ARGS__)  \
   : (n) <= 16384 ? run<16, 8, wide>(__VA_ARGS__) \
                  : run<32, 8, wide>(__VA_ARGS__))
#endif
