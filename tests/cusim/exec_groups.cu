// SPDX-License-Identifier: MIT
// Cooperative groups and lanes that come together: sums, ranks and votes with known answers.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>
#include <cuda_pipeline.h>

#include "exec_check.h"

namespace cg = cooperative_groups;

// Any group may be passed on.
__device__ int sum_of_ranks(const cg::thread_group &group) {
  __shared__ int sums[1024];
  const int first = (int)(threadIdx.x - group.thread_rank());
  sums[threadIdx.x] = (int)group.thread_rank();
  group.sync();
  int sum = 0;
  for (int i = 0; i < (int)group.size(); i++) sum += sums[first + i];
  group.sync();
  return sum;
}

template <int Size>
__global__ void tiles(int *out) {
  const cg::thread_block block = cg::this_thread_block();
  const auto tile = cg::tiled_partition<Size>(block);
  const int rank = (int)tile.thread_rank();
  int *mine = out + 8 * block.thread_rank();
  mine[0] = cg::reduce(tile, rank, cg::plus<int>());
  mine[1] = tile.shfl(rank, 0);
  mine[2] = tile.shfl_down(rank, 1);
  mine[3] = (int)tile.ballot(rank % 2 == 0);
  mine[4] = cg::reduce(tile, rank, cg::greater<int>());
  mine[5] = sum_of_ranks(tile);
  mine[6] = cg::inclusive_scan(tile, rank, cg::plus<int>());
  mine[7] = (int)tile.meta_group_rank();
}

static void check_tiles(int size, const int *out, int threads) {
  unsigned even = 0;
  for (int i = 0; i < size; i += 2) even |= 1u << i;
  for (int t = 0; t < threads; t++) {
    const int rank = t % size, *mine = out + 8 * t;
    EXPECT(mine[0] == size * (size - 1) / 2, "thread %d of tiles of %d: %d", t, size, mine[0]);
    EXPECT(mine[1] == 0, "wrong");
    EXPECT(mine[2] == (rank + 1 < size ? rank + 1 : rank), "wrong");
    EXPECT((unsigned)mine[3] == even, "wrong");
    EXPECT(mine[4] == size - 1, "wrong");
    EXPECT(mine[5] == size * (size - 1) / 2, "wrong");
    EXPECT(mine[6] == rank * (rank + 1) / 2, "wrong");
    EXPECT(mine[7] == t / size, "wrong");
  }
}

// One atomic per group of lanes that take the same branch: the group's size, its ranks and its leader's
// ticket.
__global__ void compact(const int *in, int n, int *counter, int *out) {
  const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n && in[i] % 3 == 0) {
    const cg::coalesced_group together = cg::coalesced_threads();
    int base = 0;
    if (together.thread_rank() == 0) base = atomicAdd(counter, (int)together.size());
    base = together.shfl(base, 0);
    out[base + (int)together.thread_rank()] = in[i];
  }
}

__global__ void divergent(unsigned *masks) {
  unsigned mask;
  if (threadIdx.x % 32 < 10)
    mask = __activemask();
  else
    mask = __activemask();
  masks[threadIdx.x] = mask;
}

// Many different groups of lanes, one after the other: the largest value of each.
__global__ void many_labels(int *wrong) {
  const int lane = threadIdx.x;
  for (int round = 1; round < 200; round++) {
    const int label = lane * round % 31 % 7;
    const cg::coalesced_group active = cg::coalesced_threads();
    const cg::coalesced_group group = cg::labeled_partition(active, label);
    const int most = cg::reduce(group, lane, cg::greater<int>());
    int wanted = 0;
    for (int other = 0; other < 32; other++)
      if (other * round % 31 % 7 == label) wanted = other;
    if (most != wanted) atomicAdd(wrong, 1);
  }
}

__global__ void copies(const int *in, int *out) {
  __shared__ int part[64];
  const cg::thread_block block = cg::this_thread_block();
  __pipeline_memcpy_async(&part[threadIdx.x], &in[threadIdx.x], sizeof *part);
  __pipeline_commit();
  __pipeline_wait_prior(0);
  block.sync();
  int first = 0;
  cg::invoke_one(block, [&] { first = 1; });
  out[threadIdx.x] = part[63 - threadIdx.x] + first * 1000;
}

int main() {
  enum { THREADS = 128, COUNT = 1000 };
  int *out, host[8 * THREADS];
  CHECK(cudaMalloc(&out, sizeof host));
  tiles<32><<<1, THREADS>>>(out);
  CHECK(cudaMemcpy(host, out, sizeof host, cudaMemcpyDeviceToHost));
  check_tiles(32, host, THREADS);
  tiles<8><<<1, THREADS>>>(out);
  CHECK(cudaMemcpy(host, out, sizeof host, cudaMemcpyDeviceToHost));
  check_tiles(8, host, THREADS);

  int in[COUNT], *device_in, *counter, found = 0, count = 0, wanted = 0;
  for (int i = 0; i < COUNT; i++)
    in[i] = i * 7 % 1001, count += in[i] % 3 == 0, wanted += in[i] % 3 == 0 ? in[i] : 0;
  CHECK(cudaMalloc(&device_in, sizeof in));
  CHECK(cudaMalloc(&counter, sizeof *counter));
  CHECK(cudaMemcpy(device_in, in, sizeof in, cudaMemcpyHostToDevice));
  CHECK(cudaMemset(counter, 0, sizeof *counter));
  compact<<<(COUNT + 255) / 256, 256>>>(device_in, COUNT, counter, out);
  CHECK(cudaMemcpy(&found, counter, sizeof found, cudaMemcpyDeviceToHost));
  CHECK(cudaMemcpy(host, out, sizeof host, cudaMemcpyDeviceToHost));
  for (int i = 0; i < found; i++) wanted -= host[i];
  EXPECT(found == count, "%d, not %d", found, count);
  EXPECT(wanted == 0, "wrong");

  unsigned masks[64], *device_masks;
  CHECK(cudaMalloc(&device_masks, sizeof masks));
  divergent<<<1, 64>>>(device_masks);
  CHECK(cudaMemcpy(masks, device_masks, sizeof masks, cudaMemcpyDeviceToHost));
  for (int t = 0; t < 64; t++)
    EXPECT(masks[t] == (t % 32 < 10 ? 0x3ffu : ~0x3ffu), "thread %d: %x", t, masks[t]);

  int results[64], *device_results;
  CHECK(cudaMalloc(&device_results, sizeof results));
  CHECK(cudaMemset(device_results, 0, sizeof results));
  many_labels<<<1, 32>>>(device_results);
  CHECK(cudaMemcpy(results, device_results, sizeof results, cudaMemcpyDeviceToHost));
  EXPECT(results[0] == 0, "%d lanes", results[0]);
  for (int i = 0; i < 64; i++) results[i] = i;
  CHECK(cudaMemcpy(device_results, results, sizeof results, cudaMemcpyHostToDevice));
  copies<<<1, 64>>>(device_results, device_results);
  CHECK(cudaMemcpy(results, device_results, sizeof results, cudaMemcpyDeviceToHost));
  for (int i = 0; i < 64; i++) EXPECT(results[i] == 63 - i + 1000 * (i == 0), "%d: %d", i, results[i]);
  FINISH();
}
