// SPDX-License-Identifier: MIT
// Radix sort, four bits a pass: digits counted per block, counts scanned by one block, keys scattered in
// order.
#include <algorithm>
#include <cstdio>
#include <vector>

using std::vector;

namespace radix {
const int Bits = 4, Digits = 1 << Bits, Block = 128;

__global__ void count(const unsigned *keys, unsigned *counts, int n, int shift) {
  __shared__ unsigned bins[Digits];
  if (threadIdx.x < Digits) bins[threadIdx.x] = 0;
  __syncthreads();
  const int i = blockIdx.x * Block + threadIdx.x;
  if (i < n) atomicAdd(&bins[keys[i] >> shift & (Digits - 1)], 1u);
  __syncthreads();
  if (threadIdx.x < Digits) counts[threadIdx.x * gridDim.x + blockIdx.x] = bins[threadIdx.x];
}

__global__ void exclusive_scan(unsigned *values, int n) {  // one block, Hillis and Steele in two buffers
  __shared__ unsigned buffer[2][Block];
  unsigned carry = 0;
  for (int start = 0; start < n; start += Block) {
    const int i = start + threadIdx.x;
    const unsigned own = i < n ? values[i] : 0;
    int from = 0;
    buffer[0][threadIdx.x] = own;
    __syncthreads();
    for (int d = 1; d < Block; d *= 2, from ^= 1) {
      unsigned sum = buffer[from][threadIdx.x];
      if ((int)threadIdx.x >= d) sum += buffer[from][threadIdx.x - d];
      buffer[from ^ 1][threadIdx.x] = sum;
      __syncthreads();
    }
    const unsigned inclusive = buffer[from][threadIdx.x], total = buffer[from][Block - 1];
    if (i < n) values[i] = carry + inclusive - own;
    carry += total;
    __syncthreads();
  }
}

__global__ void scatter(const unsigned *keys, unsigned *out, const unsigned *offsets, int n, int shift) {
  __shared__ unsigned char digit_of[Block];
  const int i = blockIdx.x * Block + threadIdx.x;
  const unsigned key = i < n ? keys[i] : 0, digit = key >> shift & (Digits - 1);
  digit_of[threadIdx.x] = i < n ? (unsigned char)digit : (unsigned char)Digits;
  __syncthreads();
  if (i >= n) return;
  unsigned rank = 0;  // equal digits before mine: the sort stays stable
  for (unsigned t = 0; t < threadIdx.x; t++) rank += digit_of[t] == digit;
  out[offsets[digit * gridDim.x + blockIdx.x] + rank] = key;
}

cudaError_t sort(unsigned *d_keys, unsigned *d_other, int n) {
  const int blocks = (n + Block - 1) / Block;
  unsigned *d_counts;
  cudaError_t status = cudaMalloc(&d_counts, sizeof(unsigned) * Digits * blocks);
  if (status != cudaSuccess) return status;
  for (int shift = 0; shift < 32; shift += Bits) {
    count<<<blocks, Block>>>(d_keys, d_counts, n, shift);
    exclusive_scan<<<1, Block>>>(d_counts, Digits * blocks);
    scatter<<<blocks, Block>>>(d_keys, d_other, d_counts, n, shift);
    std::swap(d_keys, d_other);
  }
  cudaFree(d_counts);
  return cudaGetLastError();
}
}  // namespace radix

int main() {
  int wrong = 0;
  for (int n : {1, 127, 129, 3001}) {
    vector<unsigned> keys(n), sorted(n);
    for (int i = 0; i < n; i++) keys[i] = (unsigned)i * 2246822519u ^ (unsigned)i << 9;
    unsigned *d[2];
    for (unsigned *&p : d) cudaMalloc(&p, n * sizeof(unsigned));
    cudaMemcpy(d[0], keys.data(), n * sizeof(unsigned), cudaMemcpyHostToDevice);
    if (radix::sort(d[0], d[1], n) != cudaSuccess) wrong++;
    cudaMemcpy(sorted.data(), d[0], n * sizeof(unsigned), cudaMemcpyDeviceToHost);
    std::sort(keys.begin(), keys.end());
    for (int i = 0; i < n; i++) wrong += keys[i] != sorted[i];
    for (unsigned *p : d) cudaFree(p);
  }
  std::printf("radix_sort: %d out of place: %s\n", wrong, wrong ? "FAIL" : "PASS");
  return wrong ? 1 : 0;
}
