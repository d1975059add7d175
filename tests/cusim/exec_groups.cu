// SPDX-License-Identifier: MIT
// Cooperative groups and lanes that come together: sums, ranks and votes with known answers.
#include <cooperative_groups.h>
#include <cooperative_groups/memcpy_async.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>
#include <cuda_pipeline.h>
#include <cuda/atomic>

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

struct big {
  int part[7];
};

// Tiles of several warps: two of 64 threads in a block of 128, or one of 128 with a ragged tail.
template <int Size>
__global__ void wide_tiles(int *wrong, cuda::atomic<int, cuda::thread_scope_device> *total) {
  __shared__ cg::block_tile_memory<1024> memory;
  const cg::thread_block block = cg::this_thread_block(memory);
  const auto tile = cg::tiled_partition<Size>(block);
  const auto warp = cg::tiled_partition<32>(tile);
  const int rank = (int)tile.thread_rank(), t = (int)threadIdx.x;
  const auto expect = [&](bool right) {
    if (!right) atomicAdd(wrong, 1);
  };
  expect(rank == t % Size && (int)tile.meta_group_rank() == t / Size && (int)tile.size() == Size);
  expect((int)warp.meta_group_rank() == t % Size / 32 && (int)warp.meta_group_size() == Size / 32);
  for (int round = 0; round < 3; round++) {
    expect(cg::reduce(tile, rank + round, cg::plus<int>()) == Size * (Size - 1) / 2 + round * Size);
    expect(cg::reduce(tile, (double)rank, cg::greater<double>()) == Size - 1);
    expect(cg::reduce(tile, rank, [](int a, int b) { return a < b ? a : b; }) == 0);
    expect(cg::inclusive_scan(tile, rank) == rank * (rank + 1) / 2);
    expect(cg::exclusive_scan(tile, rank, cg::plus<int>()) == rank * (rank - 1) / 2);
  }
  expect(tile.shfl(t, 5) == t / Size * Size + 5);
  expect(tile.any(rank == Size - 1) && !tile.any(rank == Size) && tile.all(rank < Size) && !tile.all(rank));
  big value = {{rank, 0, 0, 0, 0, 0, -rank}};
  const big from = warp.shfl(value, 3);
  expect(from.part[0] == rank / 32 * 32 + 3 && from.part[6] == -from.part[0]);
  cg::reduce_update_async(tile, *total, 1, cg::plus<int>());
}

// A shared array that one tile writes and another barrier of that tile makes visible; early ends are no harm.
__global__ void ended_early(int *out) {
  const auto tile = cg::tiled_partition<64>(cg::this_thread_block());
  if (threadIdx.x % 64 >= 40) return;
  out[threadIdx.x] = cg::reduce(tile, 1, cg::plus<int>());
}

// Parts of tiles, of lanes that come together, of labels; ranks and sizes among the parts.
__global__ void parts(int *wrong, cuda::atomic<int, cuda::thread_scope_device> *total) {
  const auto warp = cg::tiled_partition<32>(cg::this_thread_block());
  const int lane = (int)warp.thread_rank();
  const auto expect = [&](bool right) {
    if (!right) atomicAdd(wrong, 1);
  };
  const auto half = cg::tiled_partition<16>(warp);
  const auto quarter = cg::tiled_partition<4>(half);
  expect((int)quarter.meta_group_rank() == lane % 16 / 4 && quarter.meta_group_size() == 4);
  expect(cg::reduce(quarter, 1 << quarter.thread_rank(), cg::bit_or<int>()) == 15);
  const cg::coalesced_group even = cg::binary_partition(warp, lane % 2 == 0);
  expect((int)even.thread_rank() == lane / 2 && even.size() == 16 && even.meta_group_size() == 2);
  expect(even.meta_group_rank() == (lane % 2 == 0));
  const cg::coalesced_group four = cg::tiled_partition(even, 4);
  expect((int)four.thread_rank() == lane / 2 % 4 && (int)four.meta_group_rank() == lane / 8);
  expect(cg::reduce(four, lane, cg::less<int>()) == lane / 8 * 8 + lane % 2);
  const cg::thread_group eight = cg::tiled_partition((const cg::thread_group &)warp, 8);
  expect(eight.size() == 8 && (int)eight.thread_rank() == lane % 8);
  const cg::coalesced_group label = cg::labeled_partition(warp, lane % 3);
  expect((int)label.meta_group_rank() == lane % 3 && label.meta_group_size() == 3);
  expect((int)label.thread_rank() == lane / 3);
  int same;
  expect(label.match_all(7, same) == (1u << label.size()) - 1 && same);
  expect(cg::inclusive_scan(label, 1) == lane / 3 + 1);
  const int place = cg::exclusive_scan_update(label, *total, 2, cg::plus<int>());
  expect(place % 2 == 0 && place >= 2 * (int)label.thread_rank());
  expect(cg::invoke_one_broadcast(label, [&] { return lane; }) == lane % 3);
#if __CUDA_ARCH__ >= 900
  const cg::cluster_group cluster = cg::this_cluster();
  cluster.sync();
  expect(cluster.num_blocks() == 1 && cluster.block_rank() == 0 &&
         *cluster.map_shared_rank(&lane, 0) == lane);
#endif
}

// All threads together copy what does not divide evenly among them.
__global__ void copied_together(const char *in, char *out, int bytes) {
  __shared__ alignas(16) char part[1000];
  const cg::thread_block block = cg::this_thread_block();
  cg::memcpy_async(block, part, in, (size_t)bytes);
  cg::wait(block);
  cg::memcpy_async(block, out, 1000, part, bytes);
}

template <int Size>
static void check_wide(int *device, cuda::atomic<int, cuda::thread_scope_device> *total) {
  int counts[2] = {0, 0};
  CHECK(cudaMemset(device, 0, 8));
  wide_tiles<Size><<<2, 256>>>(device, total);
  CHECK(cudaMemcpy(counts, device, sizeof counts, cudaMemcpyDeviceToHost));
  EXPECT(counts[0] == 0, "tiles of %d: %d", Size, counts[0]);
  EXPECT(counts[1] == 512, "tiles of %d: %d", Size, counts[1]);
}

static void check_parts() {
  int *device, counts[256];
  CHECK(cudaMalloc(&device, sizeof counts));
  cuda::atomic<int, cuda::thread_scope_device> *total =
      (cuda::atomic<int, cuda::thread_scope_device> *)(device + 1);
  check_wide<64>(device, total);
  check_wide<128>(device, total);
  check_wide<256>(device, total);
  CHECK(cudaMemset(device, 0, sizeof counts));
  ended_early<<<1, 128>>>(device);
  CHECK(cudaMemcpy(counts, device, sizeof counts, cudaMemcpyDeviceToHost));
  for (int t = 0; t < 128; t++) EXPECT(counts[t] == (t % 64 < 40 ? 40 : 0), "thread %d: %d", t, counts[t]);
  CHECK(cudaMemset(device, 0, sizeof counts));
  parts<<<1, 64>>>(device, total);
  CHECK(cudaMemcpy(counts, device, sizeof counts, cudaMemcpyDeviceToHost));
  EXPECT(counts[0] == 0, "%d", counts[0]);
  EXPECT(counts[1] == 2 * 64, "%d", counts[1]);
  char *bytes, in[1000], out[1000];
  for (int i = 0; i < 1000; i++) in[i] = (char)(i * 7);
  CHECK(cudaMalloc(&bytes, 2048));
  CHECK(cudaMemcpy(bytes, in, sizeof in, cudaMemcpyHostToDevice));
  CHECK(cudaMemset(bytes + 1024, 0, 1024));
  copied_together<<<1, 96>>>(bytes, bytes + 1024, 999);
  CHECK(cudaMemcpy(out, bytes + 1024, sizeof out, cudaMemcpyDeviceToHost));
  for (int i = 0; i < 999; i++) EXPECT(out[i] == in[i], "byte %d", i);
  EXPECT(out[999] == 0, "copied too much");
  CHECK(cudaFree(device));
  CHECK(cudaFree(bytes));
}

int main() {
  check_parts();
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
