// SPDX-License-Identifier: MIT
// Graphs: captured from streams that fork and join, built by hand, launched again with other parameters,
// cheaper than launches one by one; and what cannot be captured.
#include <cuda_runtime.h>
#include <stdlib.h>

#include "exec_check.h"

enum { N = 1000, BLOCK = 128, BLOCKS = (N + BLOCK - 1) / BLOCK };

__global__ static void add(float *x, float value, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) x[i] += value;
}
__global__ static void sum(const float *a, const float *b, float *c, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) c[i] = a[i] + b[i];
}

static float *a, *b, *c, *host;

static void count_up(void *data) {
  ++*(int *)data;
}

static bool all_are(float value) {
  CHECK(cudaMemcpy(host, c, N * sizeof *host, cudaMemcpyDeviceToHost));
  for (int i = 0; i < N; i++)
    if (host[i] != value) return false;
  return true;
}

static void captured(void) {
  cudaStream_t s, t;
  cudaEvent_t fork, join;
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  cudaStreamCaptureStatus status;
  int calls = 0;
  CHECK(cudaStreamCreate(&s));
  CHECK(cudaStreamCreate(&t));
  CHECK(cudaEventCreate(&fork));
  CHECK(cudaEventCreate(&join));
  CHECK(cudaMemset(c, 0, N * sizeof *c));
  CHECK(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
  CHECK(cudaStreamIsCapturing(s, &status));
  EXPECT(status == cudaStreamCaptureStatusActive, "see above");
  CHECK(cudaMemsetAsync(a, 0, N * sizeof *a, s));
  CHECK(cudaEventRecord(fork, s));
  CHECK(cudaStreamWaitEvent(t, fork, 0));
  CHECK(cudaMemsetAsync(b, 0, N * sizeof *b, t));
  add<<<BLOCKS, BLOCK, 0, t>>>(b, 5, N);
  add<<<BLOCKS, BLOCK, 0, s>>>(a, 2, N);
  CHECK(cudaEventRecord(join, t));
  CHECK(cudaStreamWaitEvent(s, join, 0));
  sum<<<BLOCKS, BLOCK, 0, s>>>(a, b, c, N);
  CHECK(cudaLaunchHostFunc(s, count_up, &calls));
  CHECK(cudaStreamEndCapture(s, &graph));
  EXPECT(calls == 0 && all_are(0), "see above");  // nothing was done yet
  size_t nodes = 0, roots = 0;
  CHECK(cudaGraphGetNodes(graph, NULL, &nodes));
  CHECK(cudaGraphGetRootNodes(graph, NULL, &roots));
  EXPECT(nodes == 6 && roots == 1, "see above");
  CHECK(cudaGraphInstantiate(&exec, graph, 0));
  for (int i = 1; i <= 3; i++) {
    CHECK(cudaGraphLaunch(exec, s));
    CHECK(cudaStreamSynchronize(s));
    EXPECT(calls == i && all_are(7), "see above");
  }
  CHECK(cudaGraphExecDestroy(exec));
  CHECK(cudaGraphDestroy(graph));
  CHECK(cudaEventDestroy(fork));
  CHECK(cudaEventDestroy(join));
  CHECK(cudaStreamDestroy(s));
  CHECK(cudaStreamDestroy(t));
}

static void built(void) {
  cudaGraph_t graph, child;
  cudaGraphExec_t exec;
  cudaGraphNode_t clear, first, second, both, copy, call, sub;
  int n = N, calls = 0;
  float two = 2, five = 5, *out = c;
  const float *left = a, *right = b;
  void *first_args[] = {&a, &two, &n}, *second_args[] = {&b, &five, &n};
  void *both_args[] = {&left, &right, &out, &n};
  CHECK(cudaGraphCreate(&graph, 0));
  CHECK(cudaGraphCreate(&child, 0));
  cudaMemsetParams zero = {};
  zero.dst = a;
  zero.elementSize = sizeof(float);
  zero.width = N;
  zero.height = 1;
  CHECK(cudaGraphAddMemsetNode(&clear, child, NULL, 0, &zero));
  CHECK(cudaGraphAddChildGraphNode(&sub, graph, NULL, 0, child));
  cudaKernelNodeParams p = {};
  p.func = (void *)add;
  p.gridDim = dim3(BLOCKS);
  p.blockDim = dim3(BLOCK);
  p.kernelParams = first_args;
  CHECK(cudaGraphAddKernelNode(&first, graph, &sub, 1, &p));
  CHECK(cudaGraphAddMemcpyNode1D(&copy, graph, &sub, 1, b, a, N * sizeof *a, cudaMemcpyDeviceToDevice));
  p.kernelParams = second_args;
  CHECK(cudaGraphAddKernelNode(&second, graph, &copy, 1, &p));
  // The copy reads what the first kernel writes: without this edge the order would be open.
  CHECK(cudaGraphAddDependencies(graph, &copy, &first, NULL, 1));
  const cudaGraphNode_t two_nodes[] = {first, second};
  p.func = (void *)sum;
  p.kernelParams = both_args;
  CHECK(cudaGraphAddKernelNode(&both, graph, two_nodes, 2, &p));
  cudaHostNodeParams h = {};
  h.fn = count_up;
  h.userData = &calls;
  CHECK(cudaGraphAddHostNode(&call, graph, &both, 1, &h));
  CHECK(cudaGraphInstantiate(&exec, graph, 0));
  CHECK(cudaGraphLaunch(exec, 0));
  CHECK(cudaDeviceSynchronize());
  EXPECT(calls == 1 && all_are(7), "see above");
  five = 10;  // the graph keeps the value it was given
  CHECK(cudaGraphLaunch(exec, 0));
  EXPECT(all_are(7), "see above");
  p.func = (void *)add;
  p.kernelParams = second_args;
  CHECK(cudaGraphExecKernelNodeSetParams(exec, second, &p));
  CHECK(cudaGraphLaunch(exec, 0));
  EXPECT(all_are(12), "see above");
  EXPECT(cudaGraphAddDependencies(graph, &both, &first, NULL, 1) == cudaSuccess, "see above");
  cudaGraphExec_t never;
  EXPECT(cudaGraphInstantiate(&never, graph, 0) == cudaErrorInvalidValue, "see above");  // a cycle
  EXPECT(cudaGetLastError() == cudaErrorInvalidValue, "see above");
  CHECK(cudaGraphExecDestroy(exec));
  CHECK(cudaGraphDestroy(child));
  CHECK(cudaGraphDestroy(graph));
}

// Twenty tiny kernels: a graph's launch pays the host once.
static void cheaper(void) {
  cudaStream_t s;
  cudaEvent_t start, stop;
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  float by_stream, by_graph;
  CHECK(cudaStreamCreate(&s));
  CHECK(cudaEventCreate(&start));
  CHECK(cudaEventCreate(&stop));
  CHECK(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
  for (int i = 0; i < 20; i++) add<<<1, 32, 0, s>>>(a, 1, 32);
  CHECK(cudaStreamEndCapture(s, &graph));
  CHECK(cudaGraphInstantiate(&exec, graph, NULL, NULL, 0));
  for (int round = 0; round < 2; round++) {
    CHECK(cudaEventRecord(start, s));
    for (int i = 0; i < 20; i++) add<<<1, 32, 0, s>>>(a, 1, 32);
    CHECK(cudaEventRecord(stop, s));
    CHECK(cudaEventSynchronize(stop));
    CHECK(cudaEventElapsedTime(&by_stream, start, stop));
    CHECK(cudaEventRecord(start, s));
    CHECK(cudaGraphLaunch(exec, s));
    CHECK(cudaEventRecord(stop, s));
    CHECK(cudaEventSynchronize(stop));
    CHECK(cudaEventElapsedTime(&by_graph, start, stop));
  }
  EXPECT(by_graph > 0 && by_graph < by_stream, "see above");
  CHECK(cudaEventDestroy(start));
  CHECK(cudaEventDestroy(stop));
  CHECK(cudaGraphExecDestroy(exec));
  CHECK(cudaGraphDestroy(graph));
  CHECK(cudaStreamDestroy(s));
}

static void refused(void) {
  cudaStream_t s, t;
  cudaEvent_t e;
  cudaGraph_t graph;
  CHECK(cudaStreamCreate(&s));
  CHECK(cudaStreamCreate(&t));
  CHECK(cudaEventCreate(&e));
  EXPECT(cudaStreamBeginCapture(0, cudaStreamCaptureModeGlobal) == cudaErrorStreamCaptureUnsupported,
         "see above");
  EXPECT(cudaStreamEndCapture(s, &graph) == cudaErrorIllegalState, "see above");
  CHECK(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
  EXPECT(cudaStreamSynchronize(s) == cudaErrorStreamCaptureUnsupported, "see above");
  EXPECT(cudaStreamEndCapture(s, &graph) == cudaErrorStreamCaptureInvalidated && graph == NULL, "see above");
  CHECK(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
  CHECK(cudaEventRecord(e, s));
  CHECK(cudaStreamWaitEvent(t, e, 0));
  add<<<1, 32, 0, t>>>(a, 1, 32);  // and nobody waits for it
  EXPECT(cudaStreamEndCapture(t, &graph) == cudaErrorStreamCaptureUnmatched, "see above");
  EXPECT(cudaStreamEndCapture(s, &graph) == cudaErrorStreamCaptureUnjoined, "see above");
  EXPECT(cudaGetLastError() == cudaErrorStreamCaptureUnjoined, "see above");
  CHECK(cudaStreamSynchronize(t));
  CHECK(cudaStreamDestroy(s));
  CHECK(cudaStreamDestroy(t));
  CHECK(cudaEventDestroy(e));
}

int main(void) {
  CHECK(cudaMalloc((void **)&a, N * sizeof *a));
  CHECK(cudaMalloc((void **)&b, N * sizeof *b));
  CHECK(cudaMalloc((void **)&c, N * sizeof *c));
  host = (float *)malloc(N * sizeof *host);
  captured();
  built();
  cheaper();
  refused();
  free(host);
  CHECK(cudaFree(a));
  CHECK(cudaFree(b));
  CHECK(cudaFree(c));
  FINISH();
}
