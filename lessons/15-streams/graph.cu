// SPDX-License-Identifier: MIT
// Idea: a chain of kernels that are over before the host has launched the next one. A graph is told to the
// driver once and launched with one call, however many kernels it has.
#include "arrays.cuh"
#include "heddle/error.h"

// The first step reads x, the others go on in y.
static void issue_chain(const arrays *a, long steps) {
  for (long i = 0; i < steps; i++) relax_on(a->stream[0], i ? a->y : a->x, a->y, TINY, 1);
}

// A launch is hidden behind the kernel before it, or the other way round.
void run_chain(hd_case *c) {
  const relaxation *r = (const relaxation *)c->state;
  issue_chain((const arrays *)r->gpu, c->size);
  hd_figure(c, "predicted", paper_kernels(&r->cost, (int)c->size, 1), "s");
  hd_figure(c, "empty kernel", r->cost.empty_launch, "s");
}

static void record(arrays *a, long steps) {
  size_t roots = 1;
  HD_CUDA(cudaStreamBeginCapture(a->stream[0], cudaStreamCaptureModeThreadLocal));
  issue_chain(a, steps);
  HD_CUDA(cudaStreamEndCapture(a->stream[0], &a->recorded));
  HD_CUDA(cudaGraphGetRootNodes(a->recorded, &a->first, &roots));
  HD_CUDA(cudaGraphInstantiateWithFlags(&a->graph, a->recorded, 0));
}

// Recording is not timed: a graph is worth it if it is launched many times.
void prepare_graph(hd_case *c) {
  arrays *a = (arrays *)((const relaxation *)c->state)->gpu;
  if (!a->graph) record(a, c->size);
}

void run_graph(hd_case *c) {
  const relaxation *r = (const relaxation *)c->state;
  const arrays *a = (const arrays *)r->gpu;
  HD_CUDA(cudaGraphLaunch(a->graph, a->stream[0]));
  hd_figure(c, "predicted", r->cost.issue + (double)c->size * r->cost.kernel, "s");
  hd_figure(c, "empty kernel", r->cost.empty_node, "s");
}

// A graph keeps the addresses it was recorded with. Where the input lies elsewhere each time, the first
// node's argument is exchanged: one call, no recording. Here twice: away from x, and back.
static void read_from(const arrays *a, const float *x) {
  float *y = a->y;
  long n = TINY;
  int steps = 1;
  void *arguments[] = {(void *)&x, (void *)&y, (void *)&n, (void *)&steps};
  cudaKernelNodeParams node = {};
  node.func = (void *)relax_function();
  node.gridDim = dim3(1);
  node.blockDim = dim3(BLOCK);
  node.kernelParams = arguments;
  HD_CUDA(cudaGraphExecKernelNodeSetParams(a->graph, a->first, &node));
}

void run_updated(hd_case *c) {
  const arrays *a = (const arrays *)((const relaxation *)c->state)->gpu;
  read_from(a, a->scratch);
  read_from(a, a->x);
  HD_CUDA(cudaGraphLaunch(a->graph, a->stream[0]));
}

// The steps of an element need no other element: they fit into one kernel, and its registers.
void run_fused(hd_case *c) {
  const relaxation *r = (const relaxation *)c->state;
  const arrays *a = (const arrays *)r->gpu;
  relax_on(NULL, a->x, a->y, TINY, r->steps);
}
