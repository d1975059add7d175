// SPDX-License-Identifier: MIT
// Keeps the elements a predicate likes: in order by ballots and block offsets, and unordered by
// warp-aggregated atomics.
#include <algorithm>
#include <cstdio>
#include <vector>

struct Odd {
  __host__ __device__ bool operator()(int x) const { return x & 1; }
};
struct Multiple {
  int of;
  __host__ __device__ bool operator()(int x) const { return x % of == 0; }
};

constexpr int BLOCK = 128;

template <class Predicate>
__global__ void count_kept(const int *in, int n, int *counts, Predicate keep) {
  const int i = blockIdx.x * BLOCK + threadIdx.x;
  const int kept = __syncthreads_count(i < n && keep(in[i]));
  if (threadIdx.x == 0) counts[blockIdx.x] = kept;
}

template <class Predicate>
__global__ void write_kept(const int *in, int n, const int *offsets, int *out, Predicate keep) {
  __shared__ int warp_counts[BLOCK / 32];
  const int i = blockIdx.x * BLOCK + threadIdx.x, lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const bool kept = i < n && keep(in[i]);
  const unsigned votes = __ballot_sync(0xffffffffu, kept);
  if (lane == 0) warp_counts[warp] = __popc(votes);
  __syncthreads();
  if (!kept) return;
  int at = offsets[blockIdx.x] + __popc(votes & ((1u << lane) - 1));
  for (int w = 0; w < warp; w++) at += warp_counts[w];
  out[at] = in[i];
}

template <class Predicate>
__global__ void any_order(const int *in, int n, int *size, int *out, Predicate keep) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n || !keep(in[i])) return;
  const unsigned active = __activemask(), lane = threadIdx.x & 31;
  const int leader = __ffs((int)active) - 1;
  int first = 0;
  if ((int)lane == leader) first = atomicAdd(size, __popc(active));
  first = __shfl_sync(active, first, leader);
  out[first + __popc(active & ((1u << lane) - 1))] = in[i];
}

template <class Predicate>
static int test(int n, Predicate keep) {
  const int blocks = (n + BLOCK - 1) / BLOCK;
  std::vector<int> in(n), exact, found(n), counts(blocks);
  for (int i = 0; i < n; i++) in[i] = (int)((unsigned)i * 2654435761u >> 8);
  for (int x : in)
    if (keep(x)) exact.push_back(x);
  int *d_in, *d_out, *d_counts, *d_size, size = 0, wrong = 0;
  cudaMalloc(&d_in, n * sizeof(int));
  cudaMalloc(&d_out, n * sizeof(int));
  cudaMalloc(&d_counts, blocks * sizeof(int));
  cudaMalloc(&d_size, sizeof(int));
  cudaMemcpy(d_in, in.data(), n * sizeof(int), cudaMemcpyHostToDevice);
  count_kept<<<blocks, BLOCK>>>(d_in, n, d_counts, keep);
  cudaMemcpy(counts.data(), d_counts, blocks * sizeof(int), cudaMemcpyDeviceToHost);
  for (int &count : counts) {
    const int own = count;
    count = size;
    size += own;
  }
  wrong += size != (int)exact.size();
  cudaMemcpy(d_counts, counts.data(), blocks * sizeof(int), cudaMemcpyHostToDevice);
  write_kept<<<blocks, BLOCK>>>(d_in, n, d_counts, d_out, keep);
  cudaMemcpy(found.data(), d_out, exact.size() * sizeof(int), cudaMemcpyDeviceToHost);
  for (size_t i = 0; i < exact.size(); i++) wrong += found[i] != exact[i];
  cudaMemset(d_size, 0, sizeof(int));
  any_order<<<blocks, BLOCK>>>(d_in, n, d_size, d_out, keep);
  cudaMemcpy(&size, d_size, sizeof(int), cudaMemcpyDeviceToHost);
  wrong += size != (int)exact.size();
  cudaMemcpy(found.data(), d_out, exact.size() * sizeof(int), cudaMemcpyDeviceToHost);
  std::sort(exact.begin(), exact.end());
  std::sort(found.begin(), found.begin() + (long)exact.size());
  for (size_t i = 0; i < exact.size(); i++) wrong += found[i] != exact[i];
  for (int *p : {d_in, d_out, d_counts, d_size}) cudaFree(p);
  return wrong;
}

int main() {
  const int wrong =
      test(1, Odd{}) + test(1000, Odd()) + test(4097, Multiple{7}) + test(300, Multiple{1000003});
  std::printf("compaction: %d wrong: %s\n", wrong, wrong ? "FAIL" : "PASS");
  return wrong ? 1 : 0;
}
