// SPDX-License-Identifier: MIT
// Pi by random points: a counter-based generator, the same on both sides, so that the counts agree exactly.
#include <math.h>
#include <stdint.h>
#include <stdio.h>

typedef struct {
  uint32_t x, y;
} pair;

// Sample number i: a hash of the counter, not a state that has to be carried along.
__host__ __device__ static pair draw(uint32_t seed, uint32_t i) {
  uint32_t h[2];
  for (uint32_t k = 0; k < 2; k++) {
    uint32_t z = (i * 2 + k) * 0x9e3779b9u + seed;
    z = (z ^ (z >> 16)) * 0x85ebca6bu;
    z = (z ^ (z >> 13)) * 0xc2b2ae35u;
    h[k] = (z ^ (z >> 16)) >> 8;
  }
  pair result = {h[0], h[1]};
  return result;
}

__host__ __device__ static int inside(pair p) {
  return (uint64_t)p.x * p.x + (uint64_t)p.y * p.y <= (uint64_t)0xffffff * 0xffffff;
}

__device__ static unsigned int warp_sum(unsigned int value) {
  for (int offset = warpSize / 2; offset > 0; offset /= 2)
    value += __shfl_down_sync(0xffffffffu, value, offset);
  return value;
}

__global__ void count_inside(uint32_t seed, uint32_t n, unsigned long long *total) {
  __shared__ unsigned int block_total;
  if (threadIdx.x == 0) block_total = 0;
  __syncthreads();
  unsigned int mine = 0;
  for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    mine += inside(draw(seed, i));
  mine = warp_sum(mine);
  if ((threadIdx.x & (warpSize - 1)) == 0) atomicAdd(&block_total, mine);
  __syncthreads();
  if (threadIdx.x == 0) atomicAdd(total, (unsigned long long)block_total);
}

int main(void) {
  const uint32_t n = 200003;
  unsigned long long *d_total, found = 0, exact = 0;
  cudaMalloc((void **)&d_total, sizeof *d_total);
  cudaMemset(d_total, 0, sizeof *d_total);
  count_inside<<<24, 96>>>(42u, n, d_total);
  cudaError_t status = cudaMemcpy(&found, d_total, sizeof found, cudaMemcpyDeviceToHost);
  cudaFree(d_total);
  for (uint32_t i = 0; i < n; i++) exact += inside(draw(42u, i));
  double pi = 4.0 * (double)found / n;
  int good = status == cudaSuccess && found == exact && fabs(pi - 3.14159265) < 0.02;
  printf("monte_carlo_pi: %.5f, counts differ by %lld: %s\n", pi, (long long)(found - exact),
         good ? "PASS" : "FAIL");
  return good ? 0 : 1;
}
