// SPDX-License-Identifier: MIT
// A sum in six stages, each one idea over the one before, chosen from a table of kernels.
#include <cstdio>
#include <cstdlib>
#include <vector>

template <class T>
struct SharedMemory {  // dynamic shared memory of any type, under one name per type
  __device__ inline operator T *() {
    extern __shared__ int raw[];
    return reinterpret_cast<T *>(raw);
  }
};

template <class T>
__global__ void interleaved_divergent(const T *in, T *out, unsigned n) {
  T *s = SharedMemory<T>();
  unsigned t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
  s[t] = i < n ? in[i] : 0;
  __syncthreads();
  for (unsigned step = 1; step < blockDim.x; step *= 2) {
    if (t % (2 * step) == 0) s[t] += s[t + step];
    __syncthreads();
  }
  if (t == 0) out[blockIdx.x] = s[0];
}

template <class T>
__global__ void interleaved_packed(const T *in, T *out, unsigned n) {
  T *s = SharedMemory<T>();
  unsigned t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
  s[t] = i < n ? in[i] : 0;
  __syncthreads();
  for (unsigned step = 1; step < blockDim.x; step *= 2) {
    unsigned index = 2 * step * t;
    if (index < blockDim.x) s[index] += s[index + step];
    __syncthreads();
  }
  if (t == 0) out[blockIdx.x] = s[0];
}

template <class T>
__global__ void sequential(const T *in, T *out, unsigned n) {
  T *s = SharedMemory<T>();
  unsigned t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
  s[t] = i < n ? in[i] : 0;
  __syncthreads();
  for (unsigned step = blockDim.x / 2; step > 0; step >>= 1) {
    if (t < step) s[t] += s[t + step];
    __syncthreads();
  }
  if (t == 0) out[blockIdx.x] = s[0];
}

template <class T>
__global__ void first_add(const T *in, T *out, unsigned n) {
  T *s = SharedMemory<T>();
  unsigned t = threadIdx.x, i = blockIdx.x * blockDim.x * 2 + t;
  T sum = i < n ? in[i] : 0;
  if (i + blockDim.x < n) sum += in[i + blockDim.x];
  s[t] = sum;
  __syncthreads();
  for (unsigned step = blockDim.x / 2; step > 0; step >>= 1) {
    if (t < step) s[t] = sum = sum + s[t + step];
    __syncthreads();
  }
  if (t == 0) out[blockIdx.x] = sum;
}

template <class T, unsigned BLOCK>
__global__ void unrolled(const T *in, T *out, unsigned n) {
  T *s = SharedMemory<T>();
  unsigned t = threadIdx.x;
  T sum = 0;
  for (unsigned i = blockIdx.x * BLOCK * 2 + t; i < n; i += BLOCK * 2 * gridDim.x) {
    sum += in[i];
    if (i + BLOCK < n) sum += in[i + BLOCK];
  }
  s[t] = sum;
  __syncthreads();
  if (BLOCK >= 512 && t < 256) s[t] += s[t + 256];
  __syncthreads();
  if (BLOCK >= 256 && t < 128) s[t] += s[t + 128];
  __syncthreads();
  if (BLOCK >= 128 && t < 64) s[t] += s[t + 64];
  __syncthreads();
  if (t < 32) {
    sum = s[t] + s[t + 32];
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_down_sync(0xffffffffu, sum, offset);
    if (t == 0) out[blockIdx.x] = sum;
  }
}

template <class T>
__global__ void warps_then_one(const T *in, T *out, unsigned n) {
  __shared__ T per_warp[32];
  const unsigned lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  T sum = 0;
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += blockDim.x * gridDim.x) sum += in[i];
  for (int mask = 16; mask; mask >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, mask);
  if (lane == 0) per_warp[warp] = sum;
  __syncthreads();
  if (warp == 0) {
    sum = lane < blockDim.x / 32 ? per_warp[lane] : 0;
    for (int mask = 16; mask; mask >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, mask);
    if (lane == 0) out[blockIdx.x] = sum;
  }
}

template <class T>
using Kernel = void (*)(const T *, T *, unsigned);

template <class T>
static bool test(unsigned n) {
  const Kernel<T> table[] = {interleaved_divergent<T>, interleaved_packed<T>, sequential<T>, first_add<T>,
                             unrolled<T, 256>,         warps_then_one<T>};
  const unsigned threads = 256, blocks = (n + threads - 1) / threads;
  std::vector<T> in(n), out(blocks);
  T exact = 0;
  for (unsigned i = 0; i < n; i++) exact += in[i] = static_cast<T>(i % 11) - 5;
  T *d_in, *d_out;
  cudaMalloc(&d_in, n * sizeof(T));
  cudaMalloc(&d_out, blocks * sizeof(T));
  cudaMemcpy(d_in, in.data(), n * sizeof(T), cudaMemcpyHostToDevice);
  bool good = true;
  for (Kernel<T> kernel : table) {
    const bool halved = kernel == table[3] || kernel == table[4];
    const unsigned grid = halved ? (blocks + 1) / 2 : blocks;
    kernel<<<grid, threads, threads * sizeof(T)>>>(d_in, d_out, n);
    good = good && cudaMemcpy(out.data(), d_out, grid * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess;
    T sum = 0;
    for (unsigned i = 0; i < grid; i++) sum += out[i];
    good = good && sum == exact;
  }
  cudaFree(d_in);
  cudaFree(d_out);
  return good;
}

int main() {
  const bool good = test<int>(10007) && test<float>(513) && test<double>(4099) && test<int>(1);
  std::printf("reduction_stages: sums %s: %s\n", good ? "exact" : "wrong", good ? "PASS" : "FAIL");
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
