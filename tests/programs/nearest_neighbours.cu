// SPDX-License-Identifier: MIT
// The k nearest of a set for many queries: each thread keeps its best in registers by insertion, k a template
// parameter.
#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

struct Record {
  int x, y, id;
};
template <int K>
struct Best {
  int distance[K], id[K];
};

__host__ __device__ inline int squared(const Record &a, const Record &b) {
  return (a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y);
}

template <int K>
__global__ void nearest(const Record *set, int n, const Record *queries, int m, Best<K> *out) {
  extern __shared__ __align__(16) unsigned char raw[];
  Record *tile = reinterpret_cast<Record *>(raw);
  const int q = blockIdx.x * blockDim.x + threadIdx.x;
  const Record query = q < m ? queries[q] : Record{0, 0, 0};
  Best<K> best;
#pragma unroll
  for (int k = 0; k < K; k++) best.distance[k] = 0x7fffffff, best.id[k] = -1;
  for (int start = 0; start < n; start += (int)blockDim.x) {
    const int mine = start + (int)threadIdx.x;
    if (mine < n) tile[threadIdx.x] = set[mine];
    __syncthreads();
    for (int i = 0; i < min((int)blockDim.x, n - start); i++) {
      int d = squared(query, tile[i]), id = tile[i].id;
#pragma unroll
      for (int k = 0; k < K; k++)
        if (d < best.distance[k]) {
          const int old_d = best.distance[k], old_id = best.id[k];
          best.distance[k] = d, best.id[k] = id;
          d = old_d, id = old_id;
        }
    }
    __syncthreads();
  }
  if (q < m) out[q] = best;
}

int main() {
  constexpr int n = 501, m = 203, K = 4, block = 64;
  std::vector<Record> set(n), queries(m);
  for (int i = 0; i < n; i++) set[i] = {i * 7919 % 1009, i * 104729 % 997, i};
  for (int i = 0; i < m; i++) queries[i] = {i * 31 % 1009, i * 57 % 997, 0};
  Record *d_set, *d_queries;
  Best<K> *d_out;
  cudaMalloc(&d_set, sizeof(Record) * n);
  cudaMalloc(&d_queries, sizeof(Record) * m);
  cudaMalloc(&d_out, sizeof(Best<K>) * m);
  cudaMemcpy(d_set, set.data(), sizeof(Record) * n, cudaMemcpyHostToDevice);
  cudaMemcpy(d_queries, queries.data(), sizeof(Record) * m, cudaMemcpyHostToDevice);
  nearest<K><<<(m + block - 1) / block, block, block * sizeof(Record)>>>(d_set, n, d_queries, m, d_out);
  std::vector<Best<K>> found(m);
  int wrong = cudaMemcpy(found.data(), d_out, sizeof(Best<K>) * m, cudaMemcpyDeviceToHost) != cudaSuccess;
  for (int q = 0; q < m; q++) {
    std::vector<std::pair<int, int>> all;
    for (const Record &r : set) all.emplace_back(squared(queries[q], r), r.id);
    std::sort(all.begin(), all.end());
    for (int k = 0; k < K; k++)
      wrong += found[q].distance[k] != all[k].first || found[q].id[k] != all[k].second;
  }
  cudaFree(d_set);
  cudaFree(d_queries);
  cudaFree(d_out);
  std::printf("nearest_neighbours: %d wrong: %s\n", wrong, wrong ? "FAIL" : "PASS");
  return wrong ? 1 : 0;
}
