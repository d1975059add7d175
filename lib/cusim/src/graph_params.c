// SPDX-License-Identifier: MIT
// What the nodes of a graph do, asked and changed, and how they hang together.
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "handles.h"

static bool is(cudaGraphNode_t node, cudaGraphNodeType type) {
  return node && node->type == type;
}

// ---------------------------------------------------------------- copies, fills, host functions, events

static cudaError_t set_copy(cudaGraphNode_t node, const cudaMemcpy3DParms *p) {
  sim_copy_call call;
  if (!is(node, cudaGraphNodeTypeMemcpy) || !sim_copy_call_of(p, &call))
    return sim_error(cudaErrorInvalidValue);
  node->does.copy = call;
  return cudaSuccess;
}

static cudaError_t set_copy_1d(cudaGraphNode_t node, void *to, const void *from, size_t bytes,
                               cudaMemcpyKind kind) {
  if (!is(node, cudaGraphNodeTypeMemcpy)) return sim_error(cudaErrorInvalidValue);
  node->does.copy = sim_copy_of_bytes(to, from, bytes, kind);
  return cudaSuccess;
}

static cudaError_t set_fill(cudaGraphNode_t node, const cudaMemsetParams *p) {
  if (!is(node, cudaGraphNodeTypeMemset) || !sim_set_call_of(p, &node->does.set))
    return sim_error(cudaErrorInvalidValue);
  return cudaSuccess;
}

static cudaError_t set_host(cudaGraphNode_t node, const cudaHostNodeParams *p) {
  if (!is(node, cudaGraphNodeTypeHost) || !p || !p->fn) return sim_error(cudaErrorInvalidValue);
  node->does.host = (sim_host_call){p->fn, p->userData};
  return cudaSuccess;
}

cudaError_t cudaGraphMemcpyNodeSetParams(cudaGraphNode_t node, const cudaMemcpy3DParms *p) {
  return set_copy(node, p);
}
cudaError_t cudaGraphMemcpyNodeSetParams1D(cudaGraphNode_t node, void *to, const void *from, size_t bytes,
                                           cudaMemcpyKind kind) {
  return set_copy_1d(node, to, from, bytes, kind);
}
cudaError_t cudaGraphMemsetNodeSetParams(cudaGraphNode_t node, const cudaMemsetParams *p) {
  return set_fill(node, p);
}
cudaError_t cudaGraphHostNodeSetParams(cudaGraphNode_t node, const cudaHostNodeParams *p) {
  return set_host(node, p);
}

cudaError_t cudaGraphExecMemcpyNodeSetParams(cudaGraphExec_t e, cudaGraphNode_t node,
                                             const cudaMemcpy3DParms *p) {
  return set_copy(sim_graph_twin(e, node), p);
}
cudaError_t cudaGraphExecMemcpyNodeSetParams1D(cudaGraphExec_t e, cudaGraphNode_t node, void *to,
                                               const void *from, size_t bytes, cudaMemcpyKind kind) {
  return set_copy_1d(sim_graph_twin(e, node), to, from, bytes, kind);
}
cudaError_t cudaGraphExecMemsetNodeSetParams(cudaGraphExec_t e, cudaGraphNode_t node,
                                             const cudaMemsetParams *p) {
  return set_fill(sim_graph_twin(e, node), p);
}
cudaError_t cudaGraphExecHostNodeSetParams(cudaGraphExec_t e, cudaGraphNode_t node,
                                           const cudaHostNodeParams *p) {
  return set_host(sim_graph_twin(e, node), p);
}
cudaError_t cudaGraphExecKernelNodeSetParams(cudaGraphExec_t e, cudaGraphNode_t node,
                                             const cudaKernelNodeParams *p) {
  return cudaGraphKernelNodeSetParams(sim_graph_twin(e, node), p);
}

cudaError_t cudaGraphMemcpyNodeGetParams(cudaGraphNode_t node, cudaMemcpy3DParms *p) {
  if (!is(node, cudaGraphNodeTypeMemcpy) || !p) return sim_error(cudaErrorInvalidValue);
  const sim_copy_call *c = &node->does.copy;
  *p = (cudaMemcpy3DParms){.srcPtr = {(void *)(uintptr_t)c->from, c->from_pitch, c->width, c->height},
                           .dstPtr = {c->to, c->to_pitch, c->width, c->height},
                           .extent = {c->width, c->height, c->depth},
                           .kind = c->kind};
  return cudaSuccess;
}

cudaError_t cudaGraphMemsetNodeGetParams(cudaGraphNode_t node, cudaMemsetParams *p) {
  if (!is(node, cudaGraphNodeTypeMemset) || !p) return sim_error(cudaErrorInvalidValue);
  const sim_set_call *s = &node->does.set;
  *p = (cudaMemsetParams){s->to, s->pitch, (unsigned)s->value, 1, s->width, s->height};
  return cudaSuccess;
}

cudaError_t cudaGraphHostNodeGetParams(cudaGraphNode_t node, cudaHostNodeParams *p) {
  if (!is(node, cudaGraphNodeTypeHost) || !p) return sim_error(cudaErrorInvalidValue);
  *p = (cudaHostNodeParams){node->does.host.function, node->does.host.data};
  return cudaSuccess;
}

static cudaError_t get_event(cudaGraphNode_t node, cudaGraphNodeType type, cudaEvent_t *event) {
  if (!is(node, type) || !event) return sim_error(cudaErrorInvalidValue);
  *event = node->does.event;
  return cudaSuccess;
}
static cudaError_t set_event(cudaGraphNode_t node, cudaGraphNodeType type, cudaEvent_t event) {
  if (!is(node, type) || !event) return sim_error(cudaErrorInvalidValue);
  node->does.event = event;
  return cudaSuccess;
}
cudaError_t cudaGraphEventRecordNodeGetEvent(cudaGraphNode_t node, cudaEvent_t *event) {
  return get_event(node, cudaGraphNodeTypeEventRecord, event);
}
cudaError_t cudaGraphEventRecordNodeSetEvent(cudaGraphNode_t node, cudaEvent_t event) {
  return set_event(node, cudaGraphNodeTypeEventRecord, event);
}
cudaError_t cudaGraphEventWaitNodeGetEvent(cudaGraphNode_t node, cudaEvent_t *event) {
  return get_event(node, cudaGraphNodeTypeWaitEvent, event);
}
cudaError_t cudaGraphEventWaitNodeSetEvent(cudaGraphNode_t node, cudaEvent_t event) {
  return set_event(node, cudaGraphNodeTypeWaitEvent, event);
}
cudaError_t cudaGraphChildGraphNodeGetGraph(cudaGraphNode_t node, cudaGraph_t *graph) {
  if (!is(node, cudaGraphNodeTypeGraph) || !graph) return sim_error(cudaErrorInvalidValue);
  *graph = node->does.child;
  return cudaSuccess;
}

// ---------------------------------------------------------------- device variables

static cudaError_t symbol_address(char **address, const void *symbol, size_t offset) {
  void *base;
  const cudaError_t error = cudaGetSymbolAddress(&base, symbol);
  if (!error) *address = (char *)base + offset;
  return error;
}

cudaError_t cudaGraphAddMemcpyNodeToSymbol(cudaGraphNode_t *node, cudaGraph_t graph,
                                           const cudaGraphNode_t *before, size_t count, const void *symbol,
                                           const void *from, size_t bytes, size_t offset,
                                           cudaMemcpyKind kind) {
  char *to;
  const cudaError_t error = symbol_address(&to, symbol, offset);
  return error ? error : cudaGraphAddMemcpyNode1D(node, graph, before, count, to, from, bytes, kind);
}

cudaError_t cudaGraphAddMemcpyNodeFromSymbol(cudaGraphNode_t *node, cudaGraph_t graph,
                                             const cudaGraphNode_t *before, size_t count, void *to,
                                             const void *symbol, size_t bytes, size_t offset,
                                             cudaMemcpyKind kind) {
  char *from;
  const cudaError_t error = symbol_address(&from, symbol, offset);
  return error ? error : cudaGraphAddMemcpyNode1D(node, graph, before, count, to, from, bytes, kind);
}

// ---------------------------------------------------------------- how nodes hang together

static bool depends(cudaGraphNode_t node, cudaGraphNode_t before) {
  for (int i = 0; i < node->before_count; i++)
    if (node->before[i] == before) return true;
  return false;
}

// A list that the caller gives room for: as many as there are are counted, as many as fit are written, the
// rest of the room is NULL.
static void put(cudaGraphNode_t *list, size_t room, size_t i, cudaGraphNode_t node) {
  if (list && i < room) list[i] = node;
}
static void end_list(cudaGraphNode_t *list, size_t *count, size_t found) {
  for (size_t i = found; list && i < *count; i++) list[i] = NULL;
  if (!list || found < *count) *count = found;
}

cudaError_t cudaGraphNodeGetDependencies(cudaGraphNode_t node, cudaGraphNode_t *list, cudaGraphEdgeData *data,
                                         size_t *count) {
  if (!node || !count) return sim_error(cudaErrorInvalidValue);
  if (data) memset(data, 0, *count * sizeof *data);
  for (int i = 0; i < node->before_count; i++) put(list, *count, (size_t)i, node->before[i]);
  end_list(list, count, (size_t)node->before_count);
  return cudaSuccess;
}

cudaError_t cudaGraphNodeGetDependentNodes(cudaGraphNode_t node, cudaGraphNode_t *list,
                                           cudaGraphEdgeData *data, size_t *count) {
  if (!node || !count) return sim_error(cudaErrorInvalidValue);
  if (data) memset(data, 0, *count * sizeof *data);
  size_t found = 0;
  for (int i = 0; i < node->graph->count; i++)
    if (depends(node->graph->nodes[i], node)) put(list, *count, found++, node->graph->nodes[i]);
  end_list(list, count, found);
  return cudaSuccess;
}

cudaError_t cudaGraphGetEdges(cudaGraph_t graph, cudaGraphNode_t *from, cudaGraphNode_t *to,
                              cudaGraphEdgeData *data, size_t *count) {
  if (!sim_handle_known(graph) || !count || !from != !to) return sim_error(cudaErrorInvalidValue);
  if (data) memset(data, 0, *count * sizeof *data);
  size_t found = 0;
  for (int i = 0; i < graph->count; i++)
    for (int k = 0; k < graph->nodes[i]->before_count; k++) {
      put(from, *count, found, graph->nodes[i]->before[k]);
      put(to, *count, found++, graph->nodes[i]);
    }
  size_t room = *count;
  end_list(to, &room, found);
  end_list(from, count, found);
  return cudaSuccess;
}

static void forget_edge(cudaGraphNode_t node, cudaGraphNode_t before) {
  int kept = 0;
  for (int i = 0; i < node->before_count; i++)
    if (node->before[i] != before) node->before[kept++] = node->before[i];
  node->before_count = kept;
}

cudaError_t cudaGraphRemoveDependencies(cudaGraph_t graph, const cudaGraphNode_t *from,
                                        const cudaGraphNode_t *to, const cudaGraphEdgeData *data,
                                        size_t count) {
  (void)data;
  if (!sim_handle_known(graph) || (count && (!from || !to))) return sim_error(cudaErrorInvalidValue);
  for (size_t i = 0; i < count; i++)
    if (!from[i] || !to[i] || !depends(to[i], from[i])) return sim_error(cudaErrorInvalidValue);
  for (size_t i = 0; i < count; i++) forget_edge(to[i], from[i]);
  return cudaSuccess;
}

cudaError_t cudaGraphDestroyNode(cudaGraphNode_t node) {
  if (!node) return sim_error(cudaErrorInvalidValue);
  cudaGraph_t graph = node->graph;
  for (int i = 0; i < graph->count; i++) forget_edge(graph->nodes[i], node);
  for (int i = node->number; i + 1 < graph->count; i++) {
    graph->nodes[i] = graph->nodes[i + 1];
    graph->nodes[i]->number = i;
  }
  graph->count--;
  sim_graph_free_node(node);
  return cudaSuccess;
}

cudaError_t cudaGraphNodeFindInClone(cudaGraphNode_t *found, cudaGraphNode_t node, cudaGraph_t clone) {
  if (!found || !node || !clone || node->number >= clone->count) return sim_error(cudaErrorInvalidValue);
  *found = clone->nodes[node->number];
  return cudaSuccess;
}
