// SPDX-License-Identifier: MIT
// Executable graphs: a chain of nodes runs on a stream of its own, chains wait for each other by events. The
// host pays for one launch; between two kernels of a chain lies only the device's own overhead.
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "handles.h"

struct CUgraphExec_st {
  cudaGraph_t graph;     // a clone
  int *order;            // node numbers, those before a node first
  cudaStream_t *stream;  // per node: of its chain
  cudaEvent_t *done;     // per node
  cudaStream_t *chains;
  int chain_count, device;
  cudaEvent_t start;
};

// Nodes in an order in which each comes behind all it depends on. False: a cycle.
static bool sort(cudaGraph_t g, int *order) {
  bool *placed = calloc((size_t)g->count + 1, sizeof *placed);
  int count = 0;
  for (bool moved = placed != NULL; moved && count < g->count;) {
    moved = false;
    for (int i = 0; i < g->count; i++) {
      bool ready = !placed[i];
      for (int k = 0; ready && k < g->nodes[i]->before_count; k++)
        ready = placed[g->nodes[i]->before[k]->number];
      if (!ready) continue;
      placed[i] = moved = true;
      order[count++] = i;
    }
  }
  free(placed);
  return count == g->count;
}

// A node goes on with the chain of the first node it depends on, unless another one has.
static cudaError_t make_chains(cudaGraphExec_t e) {
  cudaGraph_t g = e->graph;
  bool *continued = calloc((size_t)g->count + 1, sizeof *continued);
  cudaError_t error = continued ? cudaSuccess : cudaErrorMemoryAllocation;
  for (int i = 0; i < g->count && !error; i++) {
    const struct CUgraphNode_st *n = g->nodes[e->order[i]];
    for (int k = 0; k < n->before_count && !e->stream[n->number]; k++) {
      const int before = n->before[k]->number;
      if (continued[before]) continue;
      continued[before] = true;
      e->stream[n->number] = e->stream[before];
    }
    if (!e->stream[n->number]) {
      error = cudaStreamCreateWithFlags(&e->chains[e->chain_count], cudaStreamNonBlocking);
      if (!error) e->stream[n->number] = e->chains[e->chain_count++];
    }
    if (!error) error = cudaEventCreateWithFlags(&e->done[n->number], cudaEventDisableTiming);
  }
  free(continued);
  return error;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t e) {
  if (!sim_handle_remove(e)) return sim_error(cudaErrorInvalidValue);
  for (int i = 0; e->chains && i < e->chain_count; i++) cudaStreamDestroy(e->chains[i]);
  for (int i = 0; e->done && i < e->graph->count; i++)
    if (e->done[i]) cudaEventDestroy(e->done[i]);
  if (e->start) cudaEventDestroy(e->start);
  cudaGraphDestroy(e->graph);
  free(e->order);
  free(e->stream);
  free(e->done);
  free(e->chains);
  free(e);
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *exec, cudaGraph_t graph,
                                          unsigned long long flags) {
  (void)flags;
  if (!exec || !sim_handle_known(graph)) return sim_error(cudaErrorInvalidValue);
  cudaGraphExec_t e = calloc(1, sizeof *e);
  if (!e) return sim_error(cudaErrorMemoryAllocation);
  cudaError_t error = cudaGraphClone(&e->graph, graph);
  if (!error && !sim_handle_add(e)) {
    cudaGraphDestroy(e->graph);
    error = sim_error(cudaErrorMemoryAllocation);
  }
  if (error) {
    free(e);
    return error;
  }
  const size_t n = (size_t)graph->count + 1;
  e->order = calloc(n, sizeof *e->order);
  e->stream = calloc(n, sizeof *e->stream);
  e->done = calloc(n, sizeof *e->done);
  e->chains = calloc(n, sizeof *e->chains);
  e->device = sim_current_device();
  if (!e->order || !e->stream || !e->done || !e->chains) error = cudaErrorMemoryAllocation;
  if (!error && !sort(e->graph, e->order)) error = cudaErrorInvalidValue;  // a cycle
  if (!error) error = make_chains(e);
  if (!error) error = cudaEventCreateWithFlags(&e->start, cudaEventDisableTiming);
  if (error) {
    cudaGraphExecDestroy(e);
    return sim_error(error);
  }
  *exec = e;
  return cudaSuccess;
}

static cudaError_t run_graph(cudaGraph_t g, const int *order, cudaStream_t stream);

static cudaError_t run_node(const struct CUgraphNode_st *n, cudaStream_t stream) {
  switch (n->type) {
    case cudaGraphNodeTypeKernel: {
      if (n->of_library) return sim_library_launch(&n->does.library, stream);
      const sim_kernel_call *k = &n->does.kernel;
      return (cudaError_t)sim_launch_kernel(k->kernel, k->grid, k->block, k->dynamic_shared, stream,
                                            k->kernel->copy(k->packet), k->cooperative);
    }
    case cudaGraphNodeTypeMemcpy:
      return sim_copy(&n->does.copy, stream, false);
    case cudaGraphNodeTypeMemset: {
      const sim_set_call *s = &n->does.set;
      return cudaMemset2DAsync(s->to, s->pitch, s->value, s->width, s->height, stream);
    }
    case cudaGraphNodeTypeHost:
      return cudaLaunchHostFunc(stream, n->does.host.function, n->does.host.data);
    case cudaGraphNodeTypeGraph: {
      int *order = calloc((size_t)n->does.child->count + 1, sizeof *order);
      cudaError_t error = order ? cudaSuccess : cudaErrorMemoryAllocation;
      if (!error && !sort(n->does.child, order)) error = cudaErrorInvalidValue;
      if (!error) error = run_graph(n->does.child, order, stream);
      free(order);
      return error;
    }
    case cudaGraphNodeTypeEventRecord:
      return cudaEventRecord(n->does.event, stream);
    case cudaGraphNodeTypeWaitEvent:
      return cudaStreamWaitEvent(stream, n->does.event, 0);
    default:
      return cudaSuccess;
  }
}

// One after the other: what a child graph does within its parent's chain.
static cudaError_t run_graph(cudaGraph_t g, const int *order, cudaStream_t stream) {
  cudaError_t error = cudaSuccess;
  for (int i = 0; i < g->count && !error; i++) error = run_node(g->nodes[order[i]], stream);
  return error;
}

static cudaError_t run_chains(cudaGraphExec_t e, cudaStream_t stream) {
  cudaGraph_t g = e->graph;
  cudaError_t error = cudaEventRecord(e->start, stream);
  for (int i = 0; i < e->chain_count && !error; i++) error = cudaStreamWaitEvent(e->chains[i], e->start, 0);
  for (int i = 0; i < g->count && !error; i++) {
    const struct CUgraphNode_st *n = g->nodes[e->order[i]];
    cudaStream_t own = e->stream[n->number];
    for (int k = 0; k < n->before_count && !error; k++)
      if (e->stream[n->before[k]->number] != own)
        error = cudaStreamWaitEvent(own, e->done[n->before[k]->number], 0);
    if (!error) error = run_node(n, own);
    if (!error) error = cudaEventRecord(e->done[n->number], own);
  }
  for (int i = 0; i < g->count && !error; i++) error = cudaStreamWaitEvent(stream, e->done[i], 0);
  return error;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t e, cudaStream_t stream) {
  if (!sim_handle_known(e)) return sim_error(cudaErrorInvalidValue);
  if (!sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  if (sim_stream_device(stream) != e->device) return sim_error(cudaErrorInvalidResourceHandle);
  const cudaError_t forbidden = sim_capture_forbids(stream);
  if (forbidden) return sim_error(forbidden);
  const int current = sim_current_device();
  cudaSetDevice(e->device);
  sim_host_spend(sim_machine_get()->card->launch_s);
  sim_host_calls_are_free(true);
  const cudaError_t error = run_chains(e, stream);
  sim_host_calls_are_free(false);
  cudaSetDevice(current);
  return error ? sim_error(error) : cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t e, cudaStream_t stream) {
  (void)stream;
  return e ? cudaSuccess : sim_error(cudaErrorInvalidValue);
}

cudaGraphNode_t sim_graph_twin(cudaGraphExec_t e, cudaGraphNode_t node) {
  if (!sim_handle_known(e) || !node || node->number >= e->graph->count) return NULL;
  cudaGraphNode_t own = e->graph->nodes[node->number];
  return own->type == node->type ? own : NULL;
}

static bool same_shape(cudaGraph_t a, cudaGraph_t b) {
  if (a->count != b->count) return false;
  for (int i = 0; i < a->count; i++) {
    if (a->nodes[i]->type != b->nodes[i]->type || a->nodes[i]->before_count != b->nodes[i]->before_count)
      return false;
    for (int k = 0; k < a->nodes[i]->before_count; k++)
      if (a->nodes[i]->before[k]->number != b->nodes[i]->before[k]->number) return false;
  }
  return true;
}

cudaError_t cudaGraphExecUpdate(cudaGraphExec_t e, cudaGraph_t graph, cudaGraphExecUpdateResultInfo *result) {
  if (!sim_handle_known(e) || !sim_handle_known(graph) || !result) return sim_error(cudaErrorInvalidValue);
  *result = (cudaGraphExecUpdateResultInfo){.result = cudaGraphExecUpdateSuccess};
  if (!same_shape(e->graph, graph)) {
    result->result = cudaGraphExecUpdateErrorTopologyChanged;
    return sim_error(cudaErrorGraphExecUpdateFailure);
  }
  cudaGraph_t fresh;
  const cudaError_t error = cudaGraphClone(&fresh, graph);
  if (error) return error;
  cudaGraphDestroy(e->graph);
  e->graph = fresh;
  return cudaSuccess;
}
