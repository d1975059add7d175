// SPDX-License-Identifier: MIT
// PageRank by pulling over incoming edges; the change of a step is summed in a device variable.
#include <cuda_runtime.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define DAMPING 0.85
enum { NODES = 1003, DEGREE = 4, EDGES = NODES * DEGREE };

typedef struct {
  int begin[NODES + 1];
  int from[EDGES];
} csr;

__device__ double change;

__global__ void shares(const double *rank, const int *out_degree, double *share) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < NODES) share[i] = rank[i] / out_degree[i];
}

__global__ void pull(const csr *graph, const double *share, double *rank) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  double difference = 0;
  if (i < NODES) {
    double sum = 0;
    for (int e = graph->begin[i]; e < graph->begin[i + 1]; e++) sum += share[graph->from[e]];
    double next = (1 - DAMPING) / NODES + DAMPING * sum;
    difference = fabs(next - rank[i]);
    rank[i] = next;
  }
  for (int offset = 16; offset; offset >>= 1) difference += __shfl_down_sync(0xffffffff, difference, offset);
  if (threadIdx.x % 32 == 0) atomicAdd(&change, difference);
}

int main(void) {
  static csr graph;
  static int degree[NODES], fill[NODES], target[EDGES];
  static double rank[NODES], next[NODES], found[NODES];
  for (int e = 0; e < EDGES; e++) {
    target[e] = (int)(((unsigned)e * 2654435761u >> 5) % (e % 3 ? NODES : 40));  // forty nodes are popular
    degree[e / DEGREE]++;
    graph.begin[target[e] + 1]++;
  }
  for (int i = 0; i < NODES; i++) graph.begin[i + 1] += graph.begin[i];
  for (int e = 0; e < EDGES; e++) graph.from[graph.begin[target[e]] + fill[target[e]]++] = e / DEGREE;
  for (int i = 0; i < NODES; i++) rank[i] = 1.0 / NODES;

  csr *d_graph;
  double *d_rank, *d_share;
  int *d_degree;
  cudaMalloc((void **)&d_graph, sizeof(csr));
  cudaMalloc((void **)&d_rank, sizeof rank);
  cudaMalloc((void **)&d_share, sizeof rank);
  cudaMalloc((void **)&d_degree, sizeof degree);
  cudaMemcpy(d_graph, &graph, sizeof graph, cudaMemcpyHostToDevice);
  cudaMemcpy(d_rank, rank, sizeof rank, cudaMemcpyHostToDevice);
  cudaMemcpy(d_degree, degree, sizeof degree, cudaMemcpyHostToDevice);
  int steps = 0;
  double delta = 1;
  for (; steps < 100 && !(delta < 1e-10); steps++) {
    const double zero = 0;
    cudaMemcpyToSymbol(change, &zero, sizeof zero);
    shares<<<(NODES + 127) / 128, 128>>>(d_rank, d_degree, d_share);
    pull<<<(NODES + 127) / 128, 128>>>(d_graph, d_share, d_rank);
    cudaMemcpyFromSymbol(&delta, change, sizeof delta);
  }
  cudaMemcpy(found, d_rank, sizeof found, cudaMemcpyDeviceToHost);
  for (int s = 0; s < steps; s++) {
    for (int i = 0; i < NODES; i++) next[i] = (1 - DAMPING) / NODES;
    for (int e = 0; e < EDGES; e++) next[target[e]] += DAMPING * rank[e / DEGREE] / degree[e / DEGREE];
    for (int i = 0; i < NODES; i++) rank[i] = next[i];
  }
  double worst = 0, sum = 0;
  for (int i = 0; i < NODES; i++) {
    double error = fabs(found[i] - rank[i]);
    if (!(error <= worst)) worst = error;
    sum += found[i];
  }
  cudaFree(d_graph);
  cudaFree(d_rank);
  cudaFree(d_share);
  cudaFree(d_degree);
  int good = worst < 1e-12 && fabs(sum - 1) < 1e-6 && steps < 100;
  printf("pagerank: %d steps, max error %g: %s\n", steps, worst, good ? "PASS" : "FAIL");
  return good ? 0 : 1;
}
