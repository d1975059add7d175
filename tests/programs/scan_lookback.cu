// SPDX-License-Identifier: MIT
// Inclusive scan in one pass: each block publishes its sum, then looks back over its predecessors' (decoupled
// look-back).
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <vector>

#include <cuda_runtime.h>

namespace lookback {
constexpr int kThreads = 128, kItems = 4, kTile = kThreads * kItems;
enum Status : uint32_t { kNothing = 0, kSum = 1, kPrefix = 2 };

// Status and value travel together in one 64-bit word, so that no fence is needed between them.
using Word = unsigned long long;
__device__ inline Word pack(Status status, uint32_t value) {
  return (Word)status << 32 | value;
}

__global__ void scan(const uint32_t *in, uint32_t *out, Word *state, unsigned *ticket, int n) {
  __shared__ unsigned tile;
  __shared__ uint32_t warp_sums[kThreads / 32], before;
  if (threadIdx.x == 0) tile = atomicAdd(ticket, 1u);  // in the order blocks start, whatever that is
  __syncthreads();

  const int first = (int)tile * kTile + threadIdx.x * kItems;
  uint32_t item[kItems], sum = 0;
#pragma unroll
  for (int k = 0; k < kItems; k++) item[k] = sum += first + k < n ? in[first + k] : 0;

  uint32_t inclusive = sum;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (int d = 1; d < 32; d *= 2) {
    const uint32_t left = __shfl_up_sync(~0u, inclusive, d);
    if (lane >= d) inclusive += left;
  }
  if (lane == 31) warp_sums[warp] = inclusive;
  __syncthreads();
  uint32_t exclusive = inclusive - sum, total = 0;
  for (int w = 0; w < kThreads / 32; w++) {
    if (w < warp) exclusive += warp_sums[w];
    total += warp_sums[w];
  }

  if (threadIdx.x == 0) {
    atomicExch(&state[tile], pack(tile ? kSum : kPrefix, total));
    uint32_t prefix = 0;
    for (int other = (int)tile - 1; other >= 0;) {
      const Word word = atomicAdd(&state[other], 0ull);
      const auto status = static_cast<Status>(word >> 32);
      if (status == kNothing) continue;
      prefix += static_cast<uint32_t>(word);
      if (status == kPrefix) break;
      other--;
    }
    if (tile) atomicExch(&state[tile], pack(kPrefix, prefix + total));
    before = prefix;
  }
  __syncthreads();
#pragma unroll
  for (int k = 0; k < kItems; k++)
    if (first + k < n) out[first + k] = before + exclusive + item[k];
}
}  // namespace lookback

int main() {
  int wrong = 0;
  for (int n : {1, 127, lookback::kTile, 40 * lookback::kTile + 19, 100003}) {
    std::vector<uint32_t> in(n), out(n, 0xdead), exact(n);
    for (int i = 0; i < n; i++) in[i] = (uint32_t)i * 2654435761u;
    std::partial_sum(in.begin(), in.end(), exact.begin());
    const int tiles = (n + lookback::kTile - 1) / lookback::kTile;
    uint32_t *d_in, *d_out;
    lookback::Word *d_state;
    unsigned *d_ticket;
    cudaMalloc(&d_in, n * sizeof *d_in);
    cudaMalloc(&d_out, n * sizeof *d_out);
    cudaMalloc(&d_state, tiles * sizeof *d_state);
    cudaMalloc(&d_ticket, sizeof *d_ticket);
    cudaMemset(d_state, 0, tiles * sizeof *d_state);
    cudaMemset(d_ticket, 0, sizeof *d_ticket);
    cudaMemcpy(d_in, in.data(), n * sizeof *d_in, cudaMemcpyHostToDevice);
    lookback::scan<<<tiles, lookback::kThreads>>>(d_in, d_out, d_state, d_ticket, n);
    if (cudaMemcpy(out.data(), d_out, n * sizeof *d_out, cudaMemcpyDeviceToHost) != cudaSuccess) wrong++;
    for (int i = 0; i < n; i++) wrong += out[i] != exact[i];
    cudaFree(d_in);
    cudaFree(d_out);
    cudaFree(d_state);
    cudaFree(d_ticket);
  }
  std::printf("scan_lookback: %d wrong: %s\n", wrong, wrong ? "FAIL" : "PASS");
  return wrong ? 1 : 0;
}
