// SPDX-License-Identifier: MIT
// Launches every kernel whose speed on hardware is published, once, at the published size;
// observe_validation.sh holds the modelled times against those. Only the sampled blocks run
// (CUSIM_EXECUTE=sampled): the matrices are never filled, and memory that no block touches is never made.
// usage: observe_validation sgemm|transpose
#include <cublas_v2.h>
#include <string.h>

#include "exec_check.h"
#include "gemm_gpu.h"
#include "tiles.cuh"

// The shape that the published auto-tuning chose for the A6000: lesson 12's vector rung with 16 k per step.
enum { SIDE = 128, DEPTH = 16, PATCH = 8, THREADS = (SIDE / PATCH) * (SIDE / PATCH) };

static __global__ void __launch_bounds__(THREADS, 2)
    gemm_tuned(int n, const float *a, const float *b, float *c) {
  __shared__ __align__(16) float tile_a[DEPTH][SIDE], tile_b[DEPTH][SIDE];
  const int me = (int)threadIdx.x, row0 = (int)blockIdx.y * SIDE, column0 = (int)blockIdx.x * SIDE;
  const int my_row = me / (SIDE / PATCH) * PATCH, my_column = me % (SIDE / PATCH) * PATCH;
  const int a_row = me / (DEPTH / 4), a_k = me % (DEPTH / 4) * 4;
  const int b_k = me / (SIDE / 4), b_column = me % (SIDE / 4) * 4;
  float sum[PATCH][PATCH] = {{0}};
  for (int k0 = 0; k0 < n; k0 += DEPTH) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = a_row + half * SIDE / 2, k = b_k + half * DEPTH / 2;
      const float4 v = load_quad(a, n, row0 + row, k0 + a_k);
      tile_a[a_k + 0][row] = v.x;
      tile_a[a_k + 1][row] = v.y;
      tile_a[a_k + 2][row] = v.z;
      tile_a[a_k + 3][row] = v.w;
      *(float4 *)&tile_b[k][b_column] = load_quad(b, n, k0 + k, column0 + b_column);
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < DEPTH; k++) {
      float from_a[PATCH], from_b[PATCH];
#pragma unroll
      for (int i = 0; i < PATCH; i += 4) fetch_quad(from_a + i, &tile_a[k][my_row + i]);
#pragma unroll
      for (int j = 0; j < PATCH; j += 4) fetch_quad(from_b + j, &tile_b[k][my_column + j]);
#pragma unroll
      for (int i = 0; i < PATCH; i++)
#pragma unroll
        for (int j = 0; j < PATCH; j++) sum[i][j] += from_a[i] * from_b[j];
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < PATCH; i++)
#pragma unroll
    for (int j = 0; j < PATCH; j += 4)
      store_quad(c, n, row0 + my_row + i, column0 + my_column + j, &sum[i][j]);
}

// One element a thread in blocks of 32 x 32 threads, as in the published transposes.
enum { EDGE = 32 };

static __global__ void transpose_naive(int n, const float *in, float *out) {
  const int x = (int)(blockIdx.x * EDGE + threadIdx.x), y = (int)(blockIdx.y * EDGE + threadIdx.y);
  out[(size_t)x * n + y] = in[(size_t)y * n + x];
}

template <int PITCH>
static __device__ __forceinline__ void by_tile(int n, const float *in, float *out) {
  __shared__ float tile[EDGE][PITCH];
  const int x = (int)(blockIdx.x * EDGE), y = (int)(blockIdx.y * EDGE);
  tile[threadIdx.y][threadIdx.x] = in[(size_t)(y + threadIdx.y) * n + x + threadIdx.x];
  __syncthreads();
  out[(size_t)(x + threadIdx.y) * n + y + threadIdx.x] = tile[threadIdx.x][threadIdx.y];
}
static __global__ void transpose_tiled(int n, const float *in, float *out) {
  by_tile<EDGE>(n, in, out);
}
static __global__ void transpose_padded(int n, const float *in, float *out) {
  by_tile<EDGE + 1>(n, in, out);
}

static void sgemm(int n, float *const matrix[3]) {
  gemm_case m = {};
  m.device_a = matrix[0];
  m.device_b = matrix[1];
  m.device_c = matrix[2];
  hd_case c = {};
  c.size = n;
  c.state = &m;
  hd_run *const rungs[] = {run_naive,  run_coalesced, run_shared,  run_tile1d,
                           run_tile2d, run_vector,    run_warptile};
  for (size_t i = 0; i < sizeof rungs / sizeof *rungs; i++) rungs[i](&c);
  gemm_tuned<<<dim3(n / SIDE, n / SIDE), THREADS>>>(n, m.device_a, m.device_b, m.device_c);
  cublasHandle_t library;
  const float one = 1, zero = 0;
  EXPECT(cublasCreate(&library) == CUBLAS_STATUS_SUCCESS, "no cuBLAS");
  EXPECT(cublasSgemm(library, CUBLAS_OP_N, CUBLAS_OP_N, n, n, n, &one, m.device_b, n, m.device_a, n, &zero,
                     m.device_c, n) == CUBLAS_STATUS_SUCCESS,
         "cublasSgemm failed");
  EXPECT(cublasDestroy(library) == CUBLAS_STATUS_SUCCESS, "cublasDestroy failed");
  CHECK(cudaGetLastError());
}

static void transposes(int n, float *const matrix[3]) {
  const dim3 grid(n / EDGE, n / EDGE), block(EDGE, EDGE);
  transpose_naive<<<grid, block>>>(n, matrix[0], matrix[1]);
  transpose_tiled<<<grid, block>>>(n, matrix[0], matrix[1]);
  transpose_padded<<<grid, block>>>(n, matrix[0], matrix[1]);
  CHECK(cudaGetLastError());
}

int main(int count, char **arguments) {
  const bool products = count > 1 && strcmp(arguments[1], "sgemm") == 0;
  const int n = products ? 4096 : 32768;
  float *matrix[3];
  for (int i = 0; i < (products ? 3 : 2); i++)
    CHECK(cudaMalloc((void **)&matrix[i], sizeof(float) * (size_t)n * (size_t)n));
  if (products)
    sgemm(n, matrix);
  else
    transposes(n, matrix);
  CHECK(cudaDeviceSynchronize());
  FINISH();
}
