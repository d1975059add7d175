// SPDX-License-Identifier: MIT
// Kernels whose counters are known; observe_known.sh holds the profile of this program against them. Virtual
// times are checked here.
#include <cuda_runtime.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(call)                                                                   \
  do {                                                                                \
    cudaError_t error_ = (call);                                                      \
    if (error_ != cudaSuccess) {                                                      \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, cudaGetErrorString(error_)); \
      exit(1);                                                                        \
    }                                                                                 \
  } while (0)

enum { WARP = 32, N = 4096, SIDE = 32, GEMM = 64 };

__global__ void load_half(const unsigned short *x, unsigned short *out) {
  out[threadIdx.x] = x[threadIdx.x];
}
__global__ void load_float(const float *x, float *out) {
  out[threadIdx.x] = x[threadIdx.x];
}
__global__ void load_shifted(const float *x, float *out) {
  out[threadIdx.x] = x[threadIdx.x + 1];
}
__global__ void load_double(const double *x, double *out) {
  out[threadIdx.x] = x[threadIdx.x];
}
__global__ void load_float2(const float2 *x, float2 *out) {
  out[threadIdx.x] = x[threadIdx.x];
}
__global__ void load_float4(const float4 *x, float4 *out) {
  out[threadIdx.x] = x[threadIdx.x];
}
struct point {
  float x, y, z;
};
__global__ void load_field(const point *p, float *out) {
  out[threadIdx.x] = p[threadIdx.x].y;
}
__global__ void load_strided(const float *x, float *out) {
  out[threadIdx.x] = x[threadIdx.x * 8];
}
__global__ void load_uniform(const float *x, float *out) {
  out[threadIdx.x] = x[0];
}
__global__ void load_none(const float *x, float *out) {
  if (blockDim.x == 33) out[threadIdx.x] = x[threadIdx.x];
}

__global__ void transpose_double(const double *in, double *out) {
  const int x = blockIdx.x * SIDE + threadIdx.x, y = blockIdx.y * SIDE + threadIdx.y;
  out[(size_t)y * N + x] = in[(size_t)x * N + y];
}

template <int PITCH>
__device__ void column_access(const float *in, float *out) {
  __shared__ float tile[SIDE][PITCH];
  tile[threadIdx.y][threadIdx.x] = in[threadIdx.y * SIDE + threadIdx.x];
  __syncthreads();
  out[threadIdx.y * SIDE + threadIdx.x] = tile[threadIdx.x][threadIdx.y];
}
__global__ void column_plain(const float *in, float *out) {
  column_access<SIDE>(in, out);
}
__global__ void column_padded(const float *in, float *out) {
  column_access<SIDE + 1>(in, out);
}

__global__ void gemm(const float *a, const float *b, float *c) {
  const int row = blockIdx.y * blockDim.y + threadIdx.y, column = blockIdx.x * blockDim.x + threadIdx.x;
  float sum = 0;
  for (int k = 0; k < GEMM; k++) sum += a[row * GEMM + k] * b[k * GEMM + column];
  c[row * GEMM + column] = sum;
}

__global__ void count_all(unsigned *counter) {
  atomicAdd(counter, 1u);
}
__global__ void count_each(float *counters) {
  atomicAdd(&counters[threadIdx.x], 1.0f);
}
__global__ void shuffle_once(float *x) {
  x[threadIdx.x] = __shfl_xor_sync(~0u, x[threadIdx.x], 1);
}
__global__ void spin(float *x, int rounds) {
  float v = x[0];
  for (int i = 0; i < rounds; i++) v = v * 1.5f + 1;
  x[0] = v;
}

__global__ void transcendental(float *x, double *y) {
  x[threadIdx.x] = expf(x[threadIdx.x]);
  y[threadIdx.x] = pow(y[threadIdx.x], 1.5);
}

// Its occupancy is known for a number of registers that the test gives.
__global__ void resident(float *x) {
  x[threadIdx.x] = 1;
}

static float milliseconds(cudaEvent_t from, cudaEvent_t to) {
  float ms;
  CHECK(cudaEventSynchronize(to));
  CHECK(cudaEventElapsedTime(&ms, from, to));
  return ms;
}

// Two streams, each with a kernel on one SM and then a copy: the kernels run side by side, the copies one
// after the other, so the two streams save about one kernel.
static int overlap(void) {
  enum { BYTES = 8 << 20, ROUNDS = 300000 };
  float *host, *device[2];
  cudaStream_t stream[2];
  cudaEvent_t from, to[2];
  CHECK(cudaMallocHost((void **)&host, BYTES));
  CHECK(cudaEventCreate(&from));
  for (int i = 0; i < 2; i++) {
    CHECK(cudaMalloc((void **)&device[i], BYTES));
    CHECK(cudaMemset(device[i], 0, BYTES));
    CHECK(cudaStreamCreateWithFlags(&stream[i], cudaStreamNonBlocking));
    CHECK(cudaEventCreate(&to[i]));
  }
  float ms[2];
  for (int streams = 1; streams <= 2; streams++) {
    CHECK(cudaDeviceSynchronize());
    CHECK(cudaEventRecord(from, stream[0]));
    for (int i = 0; i < 2; i++) {
      cudaStream_t s = stream[i % streams];
      spin<<<1, 1, 0, s>>>(device[i], ROUNDS);
      CHECK(cudaMemcpyAsync(host, device[i], BYTES, cudaMemcpyDeviceToHost, s));
      CHECK(cudaEventRecord(to[i], s));
    }
    ms[streams - 1] = fmaxf(milliseconds(from, to[0]), milliseconds(from, to[1]));
  }
  printf("one stream %.6f ms, two streams %.6f ms\n", ms[0], ms[1]);
  const float saved = (ms[0] - ms[1]) / ms[0];
  return saved > 0.2f && saved < 0.5f ? 0 : 1;
}

int main(void) {
  void *in, *out;
  const size_t bytes = sizeof(double) * N * N;
  CHECK(cudaMalloc(&in, bytes));
  CHECK(cudaMalloc(&out, bytes));
  CHECK(cudaMemset(in, 0, bytes));
  CHECK(cudaMemset(out, 0, bytes));
  const float *x = (const float *)in;
  float *y = (float *)out;
  load_half<<<1, WARP>>>((const unsigned short *)in, (unsigned short *)out);
  load_float<<<1, WARP>>>(x, y);
  load_shifted<<<1, WARP>>>(x, y);
  load_double<<<1, WARP>>>((const double *)in, (double *)out);
  load_float2<<<1, WARP>>>((const float2 *)in, (float2 *)out);
  load_float4<<<1, WARP>>>((const float4 *)in, (float4 *)out);
  load_field<<<1, WARP>>>((const point *)in, y);
  load_strided<<<1, WARP>>>(x, y);
  load_uniform<<<1, WARP>>>(x, y);
  load_none<<<1, WARP>>>(x, y);
  transpose_double<<<dim3(N / SIDE, N / SIDE), dim3(SIDE, SIDE)>>>((const double *)in, (double *)out);
  column_plain<<<1, dim3(SIDE, SIDE)>>>(x, y);
  column_padded<<<1, dim3(SIDE, SIDE)>>>(x, y);
  gemm<<<dim3(GEMM / 16, GEMM / 16), dim3(16, 16)>>>(x, x, y);
  count_all<<<1, 64>>>((unsigned *)out);
  count_each<<<1, 64>>>(y);
  shuffle_once<<<1, 64>>>(y);
  transcendental<<<1, 64>>>(y, (double *)out + 64);
  resident<<<1, 384>>>(y);
  CHECK(cudaGetLastError());
  CHECK(cudaDeviceSynchronize());
  return overlap();
}
