// SPDX-License-Identifier: MIT
// Inside graphs: what a node does, and how a stream's calls become nodes while it captures.
//
//   graph.c     graphs built by hand: nodes, edges, questions about them
//   replay.c    graphs made executable, and launched
//   capture.c   graphs recorded from what is issued to streams
#ifndef CUSIM_GRAPH_H
#define CUSIM_GRAPH_H
#include "exec.h"
#include "stream.h"

typedef struct sim_copy_call {  // a box of rows and layers
  void *to;
  const void *from;
  size_t to_pitch, from_pitch, to_slice, from_slice, width, height, depth;
  cudaMemcpyKind kind;
  bool symbol;  // a variable's copy
} sim_copy_call;
// Checks and issues it, or makes it a node of the graph that the stream records. (copy.c)
cudaError_t sim_copy(const sim_copy_call *call, cudaStream_t stream, bool synchronous);
// False: arrays, or no memory at all. (copy3d.c)
bool sim_copy_call_of(const cudaMemcpy3DParms *p, sim_copy_call *call);

typedef struct sim_set_call {  // of cudaMemset2DAsync
  void *to;
  size_t pitch, width, height;
  int value;
} sim_set_call;

typedef struct sim_kernel_call {
  sim_kernel *kernel;
  sim_dim3 grid, block;
  size_t dynamic_shared;
  int cooperative;
  void *packet;  // owned by the node
} sim_kernel_call;

// What a library launches: work on a copy of its argument. A kernel's node, for who asks.
typedef struct sim_library_call {
  const char *name;
  void (*work)(const void *argument, unsigned check_op);
  void *argument;  // owned
  size_t bytes;
  double seconds, share;  // how long, and of how much of the device (0: of all)
} sim_library_call;
// Issues it, or makes it a node of the graph that the stream records; copies the argument. (library.c)
cudaError_t sim_library_launch(const sim_library_call *call, cudaStream_t stream);

typedef struct sim_host_call {
  cudaHostFn_t function;
  void *data;
} sim_host_call;

struct CUgraphNode_st {
  cudaGraphNodeType type;
  struct CUgraph_st *graph;
  int number;  // position in its graph; of those it depends on, all are smaller in an executable graph
  struct CUgraphNode_st **before;
  int before_count;
  bool of_library;  // a kernel's node whose work is does.library
  union {
    sim_library_call library;
    sim_kernel_call kernel;
    sim_copy_call copy;
    sim_set_call set;
    sim_host_call host;
    struct CUgraph_st *child;  // owned
    cudaEvent_t event;
  } does;
};

struct CUgraph_st {
  struct CUgraphNode_st **nodes;
  int count;
};

// A new node behind others; does is filled in by the caller. NULL: a node of another graph.
cudaGraphNode_t sim_graph_add(cudaGraph_t graph, cudaGraphNodeType type, const cudaGraphNode_t *before,
                              size_t count);
cudaError_t sim_graph_depend(cudaGraphNode_t before, cudaGraphNode_t node);
void sim_graph_free_node(cudaGraphNode_t node);
// The node of the executable graph that was made from this one, or NULL. (replay.c)
cudaGraphNode_t sim_graph_twin(cudaGraphExec_t exec, cudaGraphNode_t node);
sim_copy_call sim_copy_of_bytes(void *to, const void *from, size_t bytes, cudaMemcpyKind kind);
// False: no fill that bytes of one value can make.
bool sim_set_call_of(const cudaMemsetParams *params, sim_set_call *call);

// ---------------------------------------------------------------- capture.c

// What a stream is recording, NULL: nothing. Kept in the stream; freed by cudaStreamEndCapture.
typedef struct sim_recording sim_recording;
sim_recording **sim_stream_recording(cudaStream_t stream);
// Of an event that was recorded into a capture: the node behind which its waiters come.
typedef struct sim_event_capture {
  sim_recording *recording;
  cudaGraphNode_t node;
} sim_event_capture;
sim_event_capture *sim_event_captured(cudaEvent_t event);

// If the stream captures: adds a node to its graph, to be filled in, and says so; *node is NULL if the
// capture has failed already. False: the stream does not capture, and the operation is to be done.
bool sim_capture_node(cudaStream_t stream, cudaGraphNodeType type, cudaGraphNode_t *node);
bool sim_capture_event_record(cudaStream_t stream, cudaEvent_t event);
// Also when the event belongs to a capture and the stream joins it by waiting. *error: what went wrong.
bool sim_capture_event_wait(cudaStream_t stream, cudaEvent_t event, cudaError_t *error);
// For calls that cannot be captured: an error, which also spoils the capture, if the stream captures.
cudaError_t sim_capture_forbids(cudaStream_t stream);
// The same for calls that wait for all streams or use the default one while a capture is under way.
cudaError_t sim_capture_forbids_any(void);
#endif
