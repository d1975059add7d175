// SPDX-License-Identifier: MIT
// The arrays of parts KERNELS and GRAPH: on the GPU before the clock starts, and read from there behind it.
#include "arrays.cuh"

#include "heddle/error.h"
#include "probe.h"

typedef struct probed {
  const relaxation *r;
  const arrays *a;
} probed;

static void joined(const void *what, void *stream) {
  const probed *w = (const probed *)what;
  relax_on(stream, w->a->x, w->a->y, w->r->elements, w->r->steps);
}

static void piece(const void *what, void *stream) {
  const probed *w = (const probed *)what;
  const bool chain = w->r->part == GRAPH;
  relax_on(stream, w->a->x, w->a->y, chain ? TINY : ARRAY, chain ? 1 : w->r->steps);
}

// ---------------------------------------------------------------- kernels that do nothing

enum { EMPTY = 256, LAUNCHES = 4 };

static __global__ void nothing(void) {}

static void launch_empty(const void *unused, void *stream) {
  (void)unused;
  for (int i = 0; i < EMPTY; i++) nothing<<<1, 32, 0, (cudaStream_t)stream>>>();
  HD_LAUNCHED();
}

// Several, so that what the host needs for one is hidden behind the one before it.
static void launch_graph(const void *graph, void *stream) {
  for (int i = 0; i < LAUNCHES; i++) HD_CUDA(cudaGraphLaunch((cudaGraphExec_t)graph, (cudaStream_t)stream));
}

static void probe_empty(const arrays *a, piece_costs *c) {
  cudaGraph_t graph;
  cudaGraphExec_t ready;
  HD_CUDA(cudaStreamBeginCapture(a->stream[0], cudaStreamCaptureModeThreadLocal));
  launch_empty(NULL, a->stream[0]);
  HD_CUDA(cudaStreamEndCapture(a->stream[0], &graph));
  HD_CUDA(cudaGraphInstantiateWithFlags(&ready, graph, 0));
  HD_CUDA(cudaGraphLaunch(ready, a->stream[0]));  // the first one also brings it to the GPU
  HD_CUDA(cudaDeviceSynchronize());
  c->empty_launch = probe_device(a->scratch, launch_empty, NULL) / EMPTY;
  c->empty_node = probe_device(a->scratch, launch_graph, ready) / EMPTY / LAUNCHES;
  HD_CUDA(cudaGraphExecDestroy(ready));
  HD_CUDA(cudaGraphDestroy(graph));
}

// ---------------------------------------------------------------- place, collect, release

void arrays_place(hd_case *c) {
  relaxation *r = (relaxation *)c->state;
  arrays *a = (arrays *)hd_alloc(1, sizeof *a);
  *a = (arrays){};
  r->gpu = a;
  const size_t bytes = (size_t)r->elements * sizeof(float);
  HD_CUDA(cudaMalloc((void **)&a->x, bytes));
  HD_CUDA(cudaMalloc((void **)&a->y, bytes));
  HD_CUDA(cudaMalloc((void **)&a->scratch, TINY * sizeof(float)));
  HD_CUDA(cudaMemcpy(a->x, r->x, bytes, cudaMemcpyHostToDevice));
  HD_CUDA(cudaMemset(a->scratch, 0, TINY * sizeof(float)));
  for (int i = 0; i < MOST_LANES; i++) HD_CUDA(cudaStreamCreate(&a->stream[i]));
  HD_CUDA(cudaDeviceSynchronize());
  const probed all = {r, a};
  r->cost = (piece_costs){};
  r->cost.issue = probe_issue(a->scratch);
  r->cost.joined = probe_device(a->scratch, joined, &all);
  r->cost.kernel = probe_device(a->scratch, piece, &all);
  if (r->part == GRAPH) probe_empty(a, &r->cost);
  HD_CUDA(cudaMemcpy(a->y, r->y, bytes, cudaMemcpyHostToDevice));  // the harness's poison
}

void arrays_collect(hd_case *c) {
  const relaxation *r = (const relaxation *)c->state;
  const arrays *a = (const arrays *)r->gpu;
  HD_CUDA(cudaMemcpy(r->y, a->y, (size_t)r->elements * sizeof(float), cudaMemcpyDeviceToHost));
}

void arrays_release(hd_case *c) {
  relaxation *r = (relaxation *)c->state;
  arrays *a = (arrays *)r->gpu;
  HD_CUDA(cudaDeviceSynchronize());
  if (a->graph) HD_CUDA(cudaGraphExecDestroy(a->graph));
  if (a->recorded) HD_CUDA(cudaGraphDestroy(a->recorded));
  for (int i = 0; i < MOST_LANES; i++) HD_CUDA(cudaStreamDestroy(a->stream[i]));
  HD_CUDA(cudaFree(a->x));
  HD_CUDA(cudaFree(a->y));
  HD_CUDA(cudaFree(a->scratch));
  free(a);
  r->gpu = NULL;
}
