// SPDX-License-Identifier: MIT
// Breadth-first search over a CSR graph with a frontier queue, in managed memory.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <queue>
#include <vector>

struct Graph {
  int nodes;
  int *first, *edge;
};

__global__ void expand(Graph g, const int *frontier, int size, int *next, int *next_size, int *level,
                       int depth) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  const int node = frontier[i];
  for (int e = g.first[node]; e < g.first[node + 1]; e++) {
    const int other = g.edge[e];
    if (atomicCAS(&level[other], -1, depth) == -1) next[atomicAdd(next_size, 1)] = other;
  }
}

template <typename T>
static T *managed(size_t count) {
  T *p = nullptr;
  if (cudaMallocManaged(&p, count * sizeof(T)) != cudaSuccess) std::exit(2);
  return p;
}

int main() {
  const int nodes = 3001;
  std::vector<std::vector<int>> neighbours(nodes);
  for (int i = 0; i < nodes; i++)
    for (int k = 0; k < i % 5; k++) neighbours[i].push_back((i * 97 + k * 1031 + 13) % nodes);
  Graph g = {nodes, managed<int>(nodes + 1), nullptr};
  g.first[0] = 0;
  for (int i = 0; i < nodes; i++) g.first[i + 1] = g.first[i] + (int)neighbours[i].size();
  g.edge = managed<int>(g.first[nodes]);
  for (int i = 0; i < nodes; i++) std::copy(neighbours[i].begin(), neighbours[i].end(), g.edge + g.first[i]);

  int *frontier = managed<int>(nodes), *next = managed<int>(nodes), *size = managed<int>(1),
      *level = managed<int>(nodes);
  std::fill(level, level + nodes, -1);
  const int source = 4;
  frontier[0] = source;
  level[source] = 0;
  int count = 1;
  for (int depth = 1; count > 0; depth++) {
    *size = 0;
    expand<<<(count + 127) / 128, 128>>>(g, frontier, count, next, size, level, depth);
    if (cudaDeviceSynchronize() != cudaSuccess) return 3;
    count = *size;
    std::swap(frontier, next);
  }

  std::vector<int> exact(nodes, -1);
  std::queue<int> queue({source});
  exact[source] = 0;
  int reached = 0, wrong = 0;
  for (; !queue.empty(); queue.pop(), reached++)
    for (int other : neighbours[queue.front()])
      if (exact[other] < 0) exact[other] = exact[queue.front()] + 1, queue.push(other);
  for (int i = 0; i < nodes; i++) wrong += exact[i] != level[i];
  for (int *p : {g.first, g.edge, frontier, next, size, level}) cudaFree(p);
  std::printf("bfs: %d reached, %d levels wrong: %s\n", reached, wrong, wrong ? "FAIL" : "PASS");
  return wrong || reached < 2;
}
