// SPDX-License-Identifier: MIT
// CUB: functions of warps, blocks and the device, against sums and sorts on the host.
#include <algorithm>
#include <cub/cub.cuh>
#include <vector>

#include "exec_check.h"

enum { THREADS = 160, ITEMS = 3, COUNT = THREADS * ITEMS };

// Per thread: sums and the largest value of warps and blocks, scans, a sorted tile.
struct results {
  int warp_sum, warp_scan, block_sum, block_most, partial, inclusive, exclusive, total;
  double wide;
  int scanned[ITEMS], sorted[ITEMS], order[ITEMS];
};

struct running {
  int before;
  __device__ int operator()(int total) {
    const int old = before;
    before += total;
    return old;
  }
};
struct largest {
  __device__ int operator()(int a, int b) const { return a > b ? a : b; }
};

__global__ void blocks(const int *in, results *out) {
  using warp_reduce = cub::WarpReduce<int>;
  using warp_scan = cub::WarpScan<int>;
  using reduce = cub::BlockReduce<int, THREADS>;
  using wide_reduce = cub::BlockReduce<double, THREADS, cub::BLOCK_REDUCE_WARP_REDUCTIONS>;
  using scan = cub::BlockScan<int, THREADS>;
  using load = cub::BlockLoad<int, THREADS, ITEMS, cub::BLOCK_LOAD_TRANSPOSE>;
  using sort = cub::BlockRadixSort<int, THREADS, ITEMS, int>;
  __shared__ union {
    typename warp_reduce::TempStorage warp[THREADS / 32];
    typename warp_scan::TempStorage warp_scan_[THREADS / 32];
    typename reduce::TempStorage reduce_;
    typename wide_reduce::TempStorage wide;
    typename scan::TempStorage scan_;
    typename load::TempStorage load_;
    typename sort::TempStorage sort_;
  } memory;
  const int t = (int)threadIdx.x;
  results r;
  r.warp_sum = warp_reduce(memory.warp[t / 32]).Sum(in[t]);
  __syncthreads();
  warp_scan(memory.warp_scan_[t / 32]).ExclusiveSum(in[t], r.warp_scan);
  __syncthreads();
  r.block_sum = reduce(memory.reduce_).Sum(in[t]);
  __syncthreads();
  r.block_most = reduce(memory.reduce_).Reduce(in[t], largest());
  __syncthreads();
  r.partial = reduce(memory.reduce_).Sum(in[t], 77);
  __syncthreads();
  r.wide = wide_reduce(memory.wide).Sum(in[t] * 0.5);
  __syncthreads();
  scan(memory.scan_).InclusiveSum(in[t], r.inclusive, r.total);
  __syncthreads();
  running prefix = {1000};
  scan(memory.scan_).ExclusiveSum(in[t], r.exclusive, prefix);
  __syncthreads();
  int items[ITEMS];
  load(memory.load_).Load(in, items);
  __syncthreads();
  scan(memory.scan_).ExclusiveSum(items, r.scanned);
  __syncthreads();
  for (int i = 0; i < ITEMS; i++) {
    r.sorted[i] = items[i];
    r.order[i] = t * ITEMS + i;
  }
  sort(memory.sort_).Sort(r.sorted, r.order);
  out[t] = r;
}

static void check_blocks(const std::vector<int> &in, const int *device_in) {
  results *device, *host = new results[THREADS];
  CHECK(cudaMalloc(&device, THREADS * sizeof *device));
  blocks<<<1, THREADS>>>(device_in, device);
  CHECK(cudaMemcpy(host, device, THREADS * sizeof *device, cudaMemcpyDeviceToHost));
  std::vector<int> order(COUNT);
  for (int i = 0; i < COUNT; i++) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return in[a] < in[b]; });
  int sum = 0, partial = 0, warp = 0, upto = 0, most = in[0];
  for (int t = 0; t < THREADS; t++) {
    const results &r = host[t];
    if (t % 32 == 0) warp = 0;
    EXPECT(r.warp_scan == warp, "thread %d: %d", t, r.warp_scan);
    EXPECT(r.exclusive == 1000 + sum, "thread %d: %d", t, r.exclusive);
    warp += in[t], sum += in[t], partial += t < 77 ? in[t] : 0, most = std::max(most, in[t]);
    EXPECT(r.inclusive == sum, "thread %d: %d", t, r.inclusive);
    if (t % 32 == 31) EXPECT(host[t - 31].warp_sum == warp, "warp %d: %d", t / 32, host[t - 31].warp_sum);
    for (int i = 0; i < ITEMS; upto += in[t * ITEMS + i++]) {
      EXPECT(r.scanned[i] == upto, "thread %d, %d: %d", t, i, r.scanned[i]);
      EXPECT(r.order[i] == order[t * ITEMS + i] && r.sorted[i] == in[r.order[i]], "thread %d, %d", t, i);
    }
  }
  for (int t = 0; t < THREADS; t++) EXPECT(host[t].total == sum, "%d", host[t].total);
  EXPECT(host->block_sum == sum && host->partial == partial && host->block_most == most, "%d %d %d",
         host->block_sum, host->partial, host->block_most);
  EXPECT(host->wide == sum * 0.5, "%g", host->wide);
  delete[] host;
  CHECK(cudaFree(device));
}

// Asks for the storage, gets it, does the work.
template <class Call>
static void with_storage(Call call) {
  void *storage = nullptr;
  size_t bytes = 0;
  CHECK(call(storage, bytes));
  CHECK(cudaMalloc(&storage, bytes));
  CHECK(call(storage, bytes));
  CHECK(cudaFree(storage));
}

static std::vector<int> fetched(const int *p, size_t n) {
  std::vector<int> v(n);
  CHECK(cudaMemcpy(v.data(), p, n * sizeof *p, cudaMemcpyDeviceToHost));
  return v;
}

struct is_even {
  __host__ __device__ bool operator()(int x) const { return x % 2 == 0; }
};

static void check_device(const std::vector<int> &in, int *device_in) {
  int *out, *count;
  CHECK(cudaMalloc(&out, 2 * COUNT * sizeof *out));
  CHECK(cudaMalloc(&count, sizeof *count));
  with_storage([&](void *s, size_t &b) { return cub::DeviceReduce::Sum(s, b, device_in, out, (int)COUNT); });
  int sum = 0;
  for (int x : in) sum += x;
  EXPECT(fetched(out, 1)[0] == sum, "%d", fetched(out, 1)[0]);
  with_storage([&](void *s, size_t &b) { return cub::DeviceReduce::Max(s, b, device_in, out, (int)COUNT); });
  EXPECT(fetched(out, 1)[0] == *std::max_element(in.begin(), in.end()), "max");
  with_storage([&](void *s, size_t &b) {
    return cub::DeviceReduce::Reduce(s, b, device_in, out, (int)COUNT, largest(), 5000);
  });
  EXPECT(fetched(out, 1)[0] == 5000, "reduce with a start");
  with_storage(
      [&](void *s, size_t &b) { return cub::DeviceScan::ExclusiveSum(s, b, device_in, out, (int)COUNT); });
  std::vector<int> got = fetched(out, (int)COUNT);
  for (int i = 0, upto = 0; i < COUNT; upto += in[i++]) EXPECT(got[i] == upto, "%d: %d", i, got[i]);
  with_storage(
      [&](void *s, size_t &b) { return cub::DeviceRadixSort::SortKeys(s, b, device_in, out, (int)COUNT); });
  std::vector<int> sorted = in;
  std::sort(sorted.begin(), sorted.end());
  EXPECT(fetched(out, (int)COUNT) == sorted, "sorted");
  with_storage([&](void *s, size_t &b) {
    return cub::DeviceSelect::If(s, b, device_in, out, count, (int)COUNT, is_even());
  });
  std::vector<int> even;
  for (int x : in)
    if (x % 2 == 0) even.push_back(x);
  EXPECT(fetched(count, 1)[0] == (int)even.size() && fetched(out, even.size()) == even, "selected");
  with_storage([&](void *s, size_t &b) {
    return cub::DeviceHistogram::HistogramEven(s, b, device_in, out, 5, 0, 400, (int)COUNT);
  });
  got = fetched(out, 4);
  for (int bin = 0; bin < 4; bin++) {
    const int wanted = (int)std::count_if(in.begin(), in.end(),
                                          [&](int x) { return x >= bin * 100 && x < bin * 100 + 100; });
    EXPECT(got[bin] == wanted, "bin %d: %d, not %d", bin, got[bin], wanted);
  }
  CHECK(cudaFree(out));
  CHECK(cudaFree(count));
}

int main() {
  std::vector<int> in(COUNT);
  for (int i = 0; i < COUNT; i++) in[i] = i * 7919 % 613 - 40;
  int *device_in;
  CHECK(cudaMalloc(&device_in, COUNT * sizeof *device_in));
  CHECK(cudaMemcpy(device_in, in.data(), COUNT * sizeof *device_in, cudaMemcpyHostToDevice));
  check_blocks(in, device_in);
  check_device(in, device_in);
  CHECK(cudaFree(device_in));
  FINISH();
}
