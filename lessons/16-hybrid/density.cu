// SPDX-License-Identifier: MIT
// The densities by the GPU: a block per tile, a thread per row. What is near is brought into shared memory, a
// block's width at a time, and all threads read the same of it at once: one load serves a warp.
#include "gpu.cuh"

static __global__ void __launch_bounds__(TILE)
    density_kernel(const float4 *near, int base, const window *windows, long first, long n, float *density) {
  __shared__ float4 tile[TILE];
  const int thread = (int)threadIdx.x;
  const window all = windows[first + blockIdx.x];
  const long row = (first + blockIdx.x) * TILE + thread;
  const float4 p = near[(row < n ? row : n - 1) - base];
  float sum = 0;
  for (int from = all.low; from < all.high; from += TILE) {
    const int count = all.high - from < TILE ? all.high - from : TILE;
    if (thread < count) tile[thread] = near[from + thread - base];
    __syncthreads();
    for (int j = 0; j < count; j++) {
      const float4 q = tile[j];
      const float dx = p.x - q.x, dy = p.y - q.y, dz = p.z - q.z;
      const float w = __saturatef(1 - fmaf(dx, dx, fmaf(dy, dy, dz * dz)));  // max(0, ·): it is 1 at most
      sum = fmaf(q.w * w, w * w, sum);
    }
    __syncthreads();
  }
  if (row < n) density[row] = sum;
}

void density_on(cudaStream_t stream, const float4 *near, int base, const window *windows, long first,
                long tiles, long n, float *density) {
  density_kernel<<<(unsigned)tiles, TILE, 0, stream>>>(near, base, windows, first, n, density);
  HD_LAUNCHED();
}
