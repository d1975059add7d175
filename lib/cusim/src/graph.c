// SPDX-License-Identifier: MIT
// Graphs built by hand: nodes, edges, questions about them.
#include "graph.h"

#include <stdlib.h>
#include <string.h>

#include "handles.h"

static bool has(const cudaGraphNode_t *nodes, int count, cudaGraphNode_t node) {
  for (int i = 0; i < count; i++)
    if (nodes[i] == node) return true;
  return false;
}

// The array with one more entry, or NULL.
static cudaGraphNode_t *longer(cudaGraphNode_t *nodes, int count, cudaGraphNode_t last) {
  cudaGraphNode_t *more = realloc(nodes, ((size_t)count + 1) * sizeof(cudaGraphNode_t));
  if (more) more[count] = last;
  return more;
}

cudaError_t sim_graph_depend(cudaGraphNode_t before, cudaGraphNode_t node) {
  if (!before || !node || before == node || before->graph != node->graph) return cudaErrorInvalidValue;
  if (has(node->before, node->before_count, before)) return cudaSuccess;
  cudaGraphNode_t *more = longer(node->before, node->before_count, before);
  if (!more) return cudaErrorMemoryAllocation;
  node->before = more;
  node->before_count++;
  return cudaSuccess;
}

void sim_graph_free_node(cudaGraphNode_t n) {
  if (n->of_library)
    free(n->does.library.argument);
  else if (n->type == cudaGraphNodeTypeKernel && n->does.kernel.packet)
    n->does.kernel.kernel->release(n->does.kernel.packet);
  if (n->type == cudaGraphNodeTypeGraph && n->does.child) cudaGraphDestroy(n->does.child);
  free(n->before);
  free(n);
}

cudaGraphNode_t sim_graph_add(cudaGraph_t graph, cudaGraphNodeType type, const cudaGraphNode_t *before,
                              size_t count) {
  if (!sim_handle_known(graph) || (count && !before)) return NULL;
  cudaGraphNode_t n = calloc(1, sizeof *n);
  cudaGraphNode_t *more = n ? longer(graph->nodes, graph->count, n) : NULL;
  if (!more) {
    free(n);
    return NULL;
  }
  graph->nodes = more;
  n->type = type;
  n->graph = graph;
  n->number = graph->count++;
  for (size_t i = 0; i < count; i++)
    if (sim_graph_depend(before[i], n)) {
      graph->count--;
      sim_graph_free_node(n);
      return NULL;
    }
  return n;
}

cudaError_t cudaGraphCreate(cudaGraph_t *graph, unsigned flags) {
  if (!graph || flags) return sim_error(cudaErrorInvalidValue);
  cudaGraph_t made = calloc(1, sizeof *made);
  if (!made || !sim_handle_add(made)) {
    free(made);
    return sim_error(cudaErrorMemoryAllocation);
  }
  *graph = made;
  return cudaSuccess;
}

static void release(cudaGraph_t graph) {
  sim_handle_remove(graph);
  for (int i = 0; i < graph->count; i++) sim_graph_free_node(graph->nodes[i]);
  free(graph->nodes);
  free(graph);
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  if (!sim_handle_known(graph)) return sim_error(cudaErrorInvalidValue);
  release(graph);
  return cudaSuccess;
}

static cudaError_t added(cudaGraphNode_t *out, cudaGraphNode_t node) {
  if (!out || !node) return sim_error(cudaErrorInvalidValue);
  *out = node;
  return cudaSuccess;
}

static cudaError_t kernel_call(sim_kernel_call *call, const cudaKernelNodeParams *p) {
  sim_kernel *kernel = p && p->func ? sim_kernel_find(p->func) : NULL;
  if (!kernel) return cudaErrorInvalidDeviceFunction;
  void *packet = p->kernelParams || kernel->parameter_bytes <= 1 ? kernel->pack(p->kernelParams) : NULL;
  if (!packet) return cudaErrorInvalidValue;
  *call = (sim_kernel_call){.kernel = kernel,
                            .grid = {p->gridDim.x, p->gridDim.y, p->gridDim.z},
                            .block = {p->blockDim.x, p->blockDim.y, p->blockDim.z},
                            .dynamic_shared = p->sharedMemBytes,
                            .packet = packet};
  return cudaSuccess;
}

cudaError_t cudaGraphAddKernelNode(cudaGraphNode_t *node, cudaGraph_t graph, const cudaGraphNode_t *before,
                                   size_t count, const cudaKernelNodeParams *p) {
  sim_kernel_call call;
  const cudaError_t error = kernel_call(&call, p);
  if (error) return sim_error(error);
  cudaGraphNode_t n = sim_graph_add(graph, cudaGraphNodeTypeKernel, before, count);
  if (n)
    n->does.kernel = call;
  else
    call.kernel->release(call.packet);
  return added(node, n);
}

cudaError_t cudaGraphKernelNodeSetParams(cudaGraphNode_t node, const cudaKernelNodeParams *p) {
  sim_kernel_call call;
  if (!node || node->type != cudaGraphNodeTypeKernel || node->of_library)
    return sim_error(cudaErrorInvalidValue);
  const cudaError_t error = kernel_call(&call, p);
  if (error) return sim_error(error);
  node->does.kernel.kernel->release(node->does.kernel.packet);
  node->does.kernel = call;
  return cudaSuccess;
}

sim_copy_call sim_copy_of_bytes(void *to, const void *from, size_t bytes, cudaMemcpyKind kind) {
  return (sim_copy_call){.to = to,
                         .from = from,
                         .to_pitch = bytes,
                         .from_pitch = bytes,
                         .width = bytes,
                         .height = 1,
                         .depth = 1,
                         .kind = kind};
}

cudaError_t cudaGraphAddMemcpyNode1D(cudaGraphNode_t *node, cudaGraph_t graph, const cudaGraphNode_t *before,
                                     size_t count, void *to, const void *from, size_t bytes,
                                     cudaMemcpyKind kind) {
  cudaGraphNode_t n = sim_graph_add(graph, cudaGraphNodeTypeMemcpy, before, count);
  if (n) n->does.copy = sim_copy_of_bytes(to, from, bytes, kind);
  return added(node, n);
}

cudaError_t cudaGraphAddMemcpyNode(cudaGraphNode_t *node, cudaGraph_t graph, const cudaGraphNode_t *before,
                                   size_t count, const cudaMemcpy3DParms *p) {
  sim_copy_call call;
  if (!sim_copy_call_of(p, &call)) return sim_error(cudaErrorInvalidValue);
  cudaGraphNode_t n = sim_graph_add(graph, cudaGraphNodeTypeMemcpy, before, count);
  if (n) n->does.copy = call;
  return added(node, n);
}

// Elements of several bytes could be filled with one value only if its bytes were equal.
bool sim_set_call_of(const cudaMemsetParams *p, sim_set_call *call) {
  const unsigned value = p ? p->value : 0, first = value & 255;
  const bool even = p && (p->elementSize == 1 || (p->elementSize == 2 && value == first * 0x101u) ||
                          (p->elementSize == 4 && value == first * 0x1010101u));
  if (!even) return false;
  const size_t width = p->width * p->elementSize;
  *call = (sim_set_call){p->dst, p->height > 1 ? p->pitch : width, width, p->height, (int)first};
  return true;
}

cudaError_t cudaGraphAddMemsetNode(cudaGraphNode_t *node, cudaGraph_t graph, const cudaGraphNode_t *before,
                                   size_t count, const cudaMemsetParams *p) {
  sim_set_call call;
  if (!sim_set_call_of(p, &call)) return sim_error(cudaErrorInvalidValue);
  cudaGraphNode_t n = sim_graph_add(graph, cudaGraphNodeTypeMemset, before, count);
  if (n) n->does.set = call;
  return added(node, n);
}

cudaError_t cudaGraphAddHostNode(cudaGraphNode_t *node, cudaGraph_t graph, const cudaGraphNode_t *before,
                                 size_t count, const cudaHostNodeParams *p) {
  if (!p || !p->fn) return sim_error(cudaErrorInvalidValue);
  cudaGraphNode_t n = sim_graph_add(graph, cudaGraphNodeTypeHost, before, count);
  if (n) n->does.host = (sim_host_call){p->fn, p->userData};
  return added(node, n);
}

cudaError_t cudaGraphAddEmptyNode(cudaGraphNode_t *node, cudaGraph_t graph, const cudaGraphNode_t *before,
                                  size_t count) {
  return added(node, sim_graph_add(graph, cudaGraphNodeTypeEmpty, before, count));
}

cudaError_t cudaGraphAddChildGraphNode(cudaGraphNode_t *node, cudaGraph_t graph,
                                       const cudaGraphNode_t *before, size_t count, cudaGraph_t child) {
  cudaGraph_t own;
  const cudaError_t error = cudaGraphClone(&own, child);
  if (error) return error;
  cudaGraphNode_t n = sim_graph_add(graph, cudaGraphNodeTypeGraph, before, count);
  if (n)
    n->does.child = own;
  else
    release(own);
  return added(node, n);
}

cudaError_t cudaGraphAddEventRecordNode(cudaGraphNode_t *node, cudaGraph_t graph,
                                        const cudaGraphNode_t *before, size_t count, cudaEvent_t event) {
  if (!event) return sim_error(cudaErrorInvalidResourceHandle);
  cudaGraphNode_t n = sim_graph_add(graph, cudaGraphNodeTypeEventRecord, before, count);
  if (n) n->does.event = event;
  return added(node, n);
}

cudaError_t cudaGraphAddEventWaitNode(cudaGraphNode_t *node, cudaGraph_t graph, const cudaGraphNode_t *before,
                                      size_t count, cudaEvent_t event) {
  if (!event) return sim_error(cudaErrorInvalidResourceHandle);
  cudaGraphNode_t n = sim_graph_add(graph, cudaGraphNodeTypeWaitEvent, before, count);
  if (n) n->does.event = event;
  return added(node, n);
}

cudaError_t cudaGraphAddDependencies(cudaGraph_t graph, const cudaGraphNode_t *from,
                                     const cudaGraphNode_t *to, size_t count) {
  if (!sim_handle_known(graph) || (count && (!from || !to))) return sim_error(cudaErrorInvalidValue);
  for (size_t i = 0; i < count; i++) {
    const cudaError_t error = sim_graph_depend(from[i], to[i]);
    if (error) return sim_error(error);
  }
  return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count) {
  if (!sim_handle_known(graph) || !count) return sim_error(cudaErrorInvalidValue);
  for (size_t i = 0; nodes && i < *count; i++) nodes[i] = i < (size_t)graph->count ? graph->nodes[i] : NULL;
  if (!nodes || *count > (size_t)graph->count) *count = (size_t)graph->count;
  return cudaSuccess;
}

cudaError_t cudaGraphGetRootNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count) {
  if (!sim_handle_known(graph) || !count) return sim_error(cudaErrorInvalidValue);
  size_t found = 0;
  for (int i = 0; i < graph->count; i++) {
    if (graph->nodes[i]->before_count) continue;
    if (nodes && found < *count) nodes[found] = graph->nodes[i];
    found++;
  }
  *count = found;
  return cudaSuccess;
}

cudaError_t cudaGraphNodeGetType(cudaGraphNode_t node, cudaGraphNodeType *type) {
  if (!node || !type) return sim_error(cudaErrorInvalidValue);
  *type = node->type;
  return cudaSuccess;
}

// A copy of a node's work that owns what it holds.
static cudaError_t copy_work(cudaGraphNode_t to, const struct CUgraphNode_st *from) {
  to->does = from->does;
  to->of_library = from->of_library;
  if (from->of_library) {
    to->does.library.argument = malloc(from->does.library.bytes);
    if (!to->does.library.argument) return cudaErrorMemoryAllocation;
    memcpy(to->does.library.argument, from->does.library.argument, from->does.library.bytes);
    return cudaSuccess;
  }
  if (from->type == cudaGraphNodeTypeKernel) {
    to->does.kernel.packet = from->does.kernel.kernel->copy(from->does.kernel.packet);
    if (!to->does.kernel.packet) return cudaErrorMemoryAllocation;
  }
  if (from->type == cudaGraphNodeTypeGraph) return cudaGraphClone(&to->does.child, from->does.child);
  return cudaSuccess;
}

cudaError_t cudaGraphClone(cudaGraph_t *clone, cudaGraph_t graph) {
  if (!clone || !sim_handle_known(graph)) return sim_error(cudaErrorInvalidValue);
  cudaGraph_t own = NULL;
  cudaError_t error = cudaGraphCreate(&own, 0);
  for (int i = 0; i < graph->count && !error; i++) {
    cudaGraphNode_t n = sim_graph_add(own, graph->nodes[i]->type, NULL, 0);
    error = n ? copy_work(n, graph->nodes[i]) : cudaErrorMemoryAllocation;
  }
  for (int i = 0; i < graph->count && !error; i++)
    for (int k = 0; k < graph->nodes[i]->before_count && !error; k++)
      error = sim_graph_depend(own->nodes[graph->nodes[i]->before[k]->number], own->nodes[i]);
  *clone = own;
  return error ? sim_error(error) : cudaSuccess;
}
