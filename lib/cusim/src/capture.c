// SPDX-License-Identifier: MIT
// Graphs recorded from what is issued to streams. A stream joins a capture by waiting for an event that was
// recorded into it, and must be waited for by the stream that began it before the end.
#include <pthread.h>
#include <stdlib.h>

#include "graph.h"

enum { MOST_TAILS = 64, MOST_STREAMS = 64 };

struct sim_recording {
  cudaGraph_t graph;
  cudaStream_t origin;
  bool spoiled;
  // The streams that record into the graph, each with the nodes its next one comes behind.
  struct branch {
    cudaStream_t stream;
    cudaGraphNode_t tail[MOST_TAILS];
    int tails;
  } branches[MOST_STREAMS];
  int branch_count;
};

static int under_way;  // captures in the process, for calls that none allows
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct branch *branch_of(sim_recording *r, cudaStream_t stream) {
  for (int i = 0; i < r->branch_count; i++)
    if (r->branches[i].stream == stream) return &r->branches[i];
  return NULL;
}

static bool join(sim_recording *r, cudaStream_t stream) {
  if (r->branch_count == MOST_STREAMS) return false;
  r->branches[r->branch_count++] = (struct branch){.stream = stream};
  *sim_stream_recording(stream) = r;
  return true;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  if (mode > cudaStreamCaptureModeRelaxed) return sim_error(cudaErrorInvalidValue);
  if (!stream || stream == cudaStreamLegacy) return sim_error(cudaErrorStreamCaptureUnsupported);
  if (*sim_stream_recording(stream)) return sim_error(cudaErrorIllegalState);
  sim_recording *r = calloc(1, sizeof *r);
  if (!r) return sim_error(cudaErrorMemoryAllocation);
  const cudaError_t error = cudaGraphCreate(&r->graph, 0);
  if (error) {
    free(r);
    return error;
  }
  r->origin = stream;
  join(r, stream);
  pthread_mutex_lock(&lock);
  under_way++;
  pthread_mutex_unlock(&lock);
  return cudaSuccess;
}

static bool leads_to(cudaGraphNode_t from, cudaGraphNode_t to) {
  if (from == to) return true;
  for (int i = 0; i < to->before_count; i++)
    if (leads_to(from, to->before[i])) return true;
  return false;
}

// Has everything on the other streams been waited for by the one that began?
static bool joined(sim_recording *r) {
  const struct branch *own = branch_of(r, r->origin);
  for (int i = 0; i < r->branch_count; i++)
    for (int k = 0; k < r->branches[i].tails; k++) {
      bool found = r->branches[i].stream == r->origin;
      for (int t = 0; t < own->tails && !found; t++) found = leads_to(r->branches[i].tail[k], own->tail[t]);
      if (!found) return false;
    }
  return true;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
  sim_recording *r = stream && stream != cudaStreamLegacy ? *sim_stream_recording(stream) : NULL;
  if (!graph) return sim_error(cudaErrorInvalidValue);
  *graph = NULL;
  if (!r) return sim_error(cudaErrorIllegalState);
  if (r->origin != stream) return sim_error(cudaErrorStreamCaptureUnmatched);
  const cudaError_t error = r->spoiled   ? cudaErrorStreamCaptureInvalidated
                            : !joined(r) ? cudaErrorStreamCaptureUnjoined
                                         : cudaSuccess;
  for (int i = 0; i < r->branch_count; i++) *sim_stream_recording(r->branches[i].stream) = NULL;
  if (error)
    cudaGraphDestroy(r->graph);
  else
    *graph = r->graph;
  free(r);
  pthread_mutex_lock(&lock);
  under_way--;
  pthread_mutex_unlock(&lock);
  return error ? sim_error(error) : cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus *status) {
  if (!status) return sim_error(cudaErrorInvalidValue);
  const sim_recording *r = stream && stream != cudaStreamLegacy ? *sim_stream_recording(stream) : NULL;
  *status = !r           ? cudaStreamCaptureStatusNone
            : r->spoiled ? cudaStreamCaptureStatusInvalidated
                         : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode *mode) {
  static _Thread_local cudaStreamCaptureMode own = cudaStreamCaptureModeGlobal;
  if (!mode || *mode > cudaStreamCaptureModeRelaxed) return sim_error(cudaErrorInvalidValue);
  const cudaStreamCaptureMode before = own;
  own = *mode;
  *mode = before;
  return cudaSuccess;
}

bool sim_capture_node(cudaStream_t stream, cudaGraphNodeType type, cudaGraphNode_t *node) {
  sim_recording *r = stream && stream != cudaStreamLegacy ? *sim_stream_recording(stream) : NULL;
  *node = NULL;
  if (!r) return false;
  struct branch *b = branch_of(r, stream);
  if (!r->spoiled) *node = sim_graph_add(r->graph, type, b->tail, (size_t)b->tails);
  if (*node) {
    b->tail[0] = *node;
    b->tails = 1;
  }
  return true;
}

bool sim_capture_event_record(cudaStream_t stream, cudaEvent_t event) {
  sim_recording *r = stream && stream != cudaStreamLegacy ? *sim_stream_recording(stream) : NULL;
  if (!r) {
    *sim_event_captured(event) = (sim_event_capture){NULL, NULL};
    return false;
  }
  struct branch *b = branch_of(r, stream);
  // Waiters come behind one node: an empty one where the stream is behind several, or behind none.
  cudaGraphNode_t node = b->tails == 1 ? b->tail[0] : NULL;
  if (!node) sim_capture_node(stream, cudaGraphNodeTypeEmpty, &node);
  *sim_event_captured(event) = (sim_event_capture){r, node};
  return true;
}

bool sim_capture_event_wait(cudaStream_t stream, cudaEvent_t event, cudaError_t *error) {
  const sim_event_capture e = *sim_event_captured(event);
  sim_recording *r = stream && stream != cudaStreamLegacy ? *sim_stream_recording(stream) : NULL;
  *error = cudaSuccess;
  if (!r && !e.recording) return false;
  if (!e.recording || (r && r != e.recording)) {  // from outside the capture, or of another one
    if (r) r->spoiled = true;
    *error = cudaErrorStreamCaptureIsolation;
    return true;
  }
  if (!r && (!stream || stream == cudaStreamLegacy || !join(e.recording, stream))) {
    *error = cudaErrorStreamCaptureImplicit;
    e.recording->spoiled = true;
    return true;
  }
  struct branch *b = branch_of(e.recording, stream);
  for (int i = 0; i < b->tails; i++)
    if (b->tail[i] == e.node) return true;
  if (b->tails < MOST_TAILS)
    b->tail[b->tails++] = e.node;
  else
    *error = cudaErrorStreamCaptureUnsupported;
  return true;
}

cudaError_t sim_capture_forbids(cudaStream_t stream) {
  sim_recording *r = stream && stream != cudaStreamLegacy ? *sim_stream_recording(stream) : NULL;
  if (!r) return cudaSuccess;
  r->spoiled = true;
  return cudaErrorStreamCaptureUnsupported;
}

cudaError_t sim_capture_forbids_any(void) {
  pthread_mutex_lock(&lock);
  const bool any = under_way > 0;
  pthread_mutex_unlock(&lock);
  return any ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}
