// SPDX-License-Identifier: MIT
// Kernels of many blocks with known counters; exec_known.sh holds the sampled counts against those of every
// block.
#include "exec_check.h"

enum { SIDE = 32, N = 512, GEMM = 64 };

__global__ void transpose_naive(const float *in, float *out) {
  const int x = blockIdx.x * SIDE + threadIdx.x, y = blockIdx.y * SIDE + threadIdx.y;
  out[x * N + y] = in[y * N + x];
}

template <int PITCH>
__device__ void transpose_tile(const float *in, float *out) {
  __shared__ float tile[SIDE][PITCH];
  const int x = blockIdx.x * SIDE, y = blockIdx.y * SIDE;
  tile[threadIdx.y][threadIdx.x] = in[(y + threadIdx.y) * N + x + threadIdx.x];
  __syncthreads();
  out[(x + threadIdx.y) * N + y + threadIdx.x] = tile[threadIdx.x][threadIdx.y];
}
__global__ void transpose_conflicts(const float *in, float *out) {
  transpose_tile<SIDE>(in, out);
}
__global__ void transpose_padded(const float *in, float *out) {
  transpose_tile<SIDE + 1>(in, out);
}

__global__ void gemm(const float *a, const float *b, float *c) {
  enum { TILE = 16 };
  __shared__ float a_tile[TILE][TILE], b_tile[TILE][TILE];
  const int x = threadIdx.x, y = threadIdx.y, row = blockIdx.y * TILE + y, column = blockIdx.x * TILE + x;
  float sum = 0;
  for (int k = 0; k < GEMM; k += TILE) {
    a_tile[y][x] = a[row * GEMM + k + x];
    b_tile[y][x] = b[(k + y) * GEMM + column];
    __syncthreads();
    for (int i = 0; i < TILE; i++) sum += a_tile[y][i] * b_tile[i][x];
    __syncthreads();
  }
  c[row * GEMM + column] = sum;
}

int main(void) {
  float *in, *out;
  const size_t bytes = sizeof(float) * N * N;
  CHECK(cudaMalloc(&in, bytes));
  CHECK(cudaMalloc(&out, bytes));
  CHECK(cudaMemset(in, 0, bytes));
  const dim3 grid(N / SIDE, N / SIDE), block(SIDE, SIDE);
  transpose_naive<<<grid, block>>>(in, out);
  transpose_conflicts<<<grid, block>>>(in, out);
  transpose_padded<<<grid, block>>>(in, out);
  gemm<<<dim3(GEMM / 16, GEMM / 16), dim3(16, 16)>>>(in, in, out);
  CHECK(cudaGetLastError());
  CHECK(cudaDeviceSynchronize());
  FINISH();
}
