// SPDX-License-Identifier: MIT
// Streams and events: orders of work in virtual time. The work itself is done when it is issued.
#include "graph.h"

#include <pthread.h>
#include <stdlib.h>

enum { MOST_DEVICES = 64 };

struct CUstream_st {
  int device;
  bool blocking;
  int priority;  // kept for those who ask: kernels are never preempted in the model
  sim_timeline *line;
  sim_recording *recording;
  struct CUstream_st *next;  // of the same device
};

struct CUevent_st {
  double at;
  bool recorded;
  sim_event_capture captured;
  bool timed;  // false: only for order, nobody may ask for its time
};

static struct CUstream_st *streams[MOST_DEVICES], legacy[MOST_DEVICES];
static double retired[MOST_DEVICES];  // when the last operation of a destroyed stream ends
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// Locked. The default stream of a device comes into being with its first use.
static struct CUstream_st *resolve(cudaStream_t stream) {
  if (stream && stream != cudaStreamLegacy) return stream;
  struct CUstream_st *s = &legacy[sim_current_device()];
  if (!s->line) {
    s->device = sim_current_device();
    s->line = sim_timeline_create(s->device, "default stream");
  }
  return s;
}

// Locked. What the next operation on s has to wait for among the device's other streams.
static double barrier(const struct CUstream_st *s) {
  double tail = 0;
  if (s == &legacy[s->device]) {
    for (const struct CUstream_st *o = streams[s->device]; o; o = o->next)
      if (o->blocking && sim_timeline_tail(o->line) > tail) tail = sim_timeline_tail(o->line);
  } else if (s->blocking && legacy[s->device].line) {
    tail = sim_timeline_tail(legacy[s->device].line);
  }
  return tail;
}

sim_recording **sim_stream_recording(cudaStream_t stream) {
  return &stream->recording;
}

sim_event_capture *sim_event_captured(cudaEvent_t event) {
  return &event->captured;
}

static _Thread_local bool calls_are_free;
void sim_host_calls_are_free(bool yes) {
  calls_are_free = yes;
}

double sim_stream_push(cudaStream_t stream, enum sim_engine engine, double seconds, double share,
                       const char *label) {
  if (!calls_are_free) sim_host_spend(sim_machine_get()->card->launch_s);
  pthread_mutex_lock(&lock);
  struct CUstream_st *s = resolve(stream);
  sim_timeline_wait(s->line, barrier(s));
  const double end = sim_timeline_push(s->line, engine, s->device, seconds, share, label);
  pthread_mutex_unlock(&lock);
  return end;
}

int sim_stream_device(cudaStream_t stream) {
  pthread_mutex_lock(&lock);
  const int device = resolve(stream)->device;
  pthread_mutex_unlock(&lock);
  return device;
}

sim_check_stream sim_stream_checked(cudaStream_t stream) {
  pthread_mutex_lock(&lock);
  const struct CUstream_st *s = resolve(stream);
  const bool is_legacy = s == &legacy[s->device];
  pthread_mutex_unlock(&lock);
  return (sim_check_stream){.stream = is_legacy ? NULL : s,
                            .device = s->device,
                            .legacy = is_legacy,
                            .blocking = !is_legacy && s->blocking};
}

double sim_stream_tail(cudaStream_t stream) {
  pthread_mutex_lock(&lock);
  struct CUstream_st *s = resolve(stream);
  const double own = sim_timeline_tail(s->line), others = barrier(s);
  pthread_mutex_unlock(&lock);
  return own > others ? own : others;
}

double sim_device_tail(int device) {
  pthread_mutex_lock(&lock);
  double tail = retired[device];
  if (legacy[device].line && sim_timeline_tail(legacy[device].line) > tail)
    tail = sim_timeline_tail(legacy[device].line);
  for (const struct CUstream_st *s = streams[device]; s; s = s->next)
    if (sim_timeline_tail(s->line) > tail) tail = sim_timeline_tail(s->line);
  pthread_mutex_unlock(&lock);
  return tail;
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority) {
  if (!stream || flags > cudaStreamNonBlocking) return sim_error(cudaErrorInvalidValue);
  struct CUstream_st *s = calloc(1, sizeof *s);
  if (!s) return sim_error(cudaErrorMemoryAllocation);
  s->device = sim_current_device();
  s->blocking = flags == cudaStreamDefault;
  s->priority = priority > 0 ? 0 : priority < -5 ? -5 : priority;
  s->line = sim_timeline_create(s->device, "stream");
  pthread_mutex_lock(&lock);
  s->next = streams[s->device];
  streams[s->device] = s;
  pthread_mutex_unlock(&lock);
  *stream = s;
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}
cudaError_t cudaStreamCreate(cudaStream_t *stream) {
  return cudaStreamCreateWithPriority(stream, cudaStreamDefault, 0);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (!stream || stream == cudaStreamLegacy) return sim_error(cudaErrorInvalidResourceHandle);
  pthread_mutex_lock(&lock);
  struct CUstream_st **link = &streams[stream->device];
  while (*link && *link != stream) link = &(*link)->next;
  const bool found = *link != NULL;
  if (found) *link = stream->next;
  if (found && sim_timeline_tail(stream->line) > retired[stream->device])
    retired[stream->device] = sim_timeline_tail(stream->line);
  pthread_mutex_unlock(&lock);
  if (!found) return sim_error(cudaErrorInvalidResourceHandle);
  sim_timeline_destroy(stream->line);
  free(stream);
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const cudaError_t forbidden = sim_capture_forbids(stream);
  if (forbidden) return sim_error(forbidden);
  sim_host_wait_device(sim_stream_device(stream), sim_stream_tail(stream));
  const sim_check_stream checked = sim_stream_checked(stream);
  sim_check_host_waits_stream(&checked);
  return sim_error(sim_sticky_error());
}

// Host time of one question: who asks until the answer is yes must come to an end.
static const double QUERY_S = 1e-6;

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  if (sim_sticky_error()) return sim_error(sim_sticky_error());
  const cudaError_t forbidden = sim_capture_forbids(stream);
  if (forbidden) return sim_error(forbidden);
  sim_host_spend(QUERY_S);
  if (sim_stream_tail(stream) > sim_host_now()) return cudaErrorNotReady;
  const sim_check_stream checked = sim_stream_checked(stream);
  sim_check_host_waits_stream(&checked);
  return cudaSuccess;
}

cudaError_t cudaStreamGetFlags(cudaStream_t stream, unsigned *flags) {
  if (!flags) return sim_error(cudaErrorInvalidValue);
  const bool own = stream && stream != cudaStreamLegacy;
  *flags = own && !stream->blocking ? cudaStreamNonBlocking : cudaStreamDefault;
  return cudaSuccess;
}

cudaError_t cudaStreamGetPriority(cudaStream_t stream, int *priority) {
  if (!priority) return sim_error(cudaErrorInvalidValue);
  *priority = stream && stream != cudaStreamLegacy ? stream->priority : 0;
  return cudaSuccess;
}

cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback, void *data,
                                  unsigned flags) {
  if (!callback || flags) return sim_error(cudaErrorInvalidValue);
  const cudaError_t forbidden = sim_capture_forbids(stream);
  if (forbidden) return sim_error(forbidden);
  sim_stream_push(stream, SIM_HOST_FUNCTION, 0, 1, "callback");
  const sim_check_stream checked = sim_stream_checked(stream);
  const unsigned op = sim_check_op_begin(&checked, "a callback", false);
  sim_check_host_waits_stream(&checked);  // what it tells or starts comes behind the stream's work
  callback(stream, sim_sticky_error(), data);
  sim_check_op_end(op);
  return cudaSuccess;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *data) {
  if (!function) return sim_error(cudaErrorInvalidValue);
  cudaGraphNode_t node;
  if (sim_capture_node(stream, cudaGraphNodeTypeHost, &node)) {
    if (node) node->does.host = (sim_host_call){function, data};
    return node ? cudaSuccess : sim_error(cudaErrorStreamCaptureInvalidated);
  }
  sim_stream_push(stream, SIM_HOST_FUNCTION, 0, 1, "host function");
  const sim_check_stream checked = sim_stream_checked(stream);
  const unsigned op = sim_check_op_begin(&checked, "a host function", false);
  sim_check_host_waits_stream(&checked);  // what it tells or starts comes behind the stream's work
  function(data);
  sim_check_op_end(op);
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
  const unsigned known = cudaEventBlockingSync | cudaEventDisableTiming | cudaEventInterprocess;
  const bool timed = !(flags & cudaEventDisableTiming);
  // As CUDA documents: an event shared between processes has no time.
  if (!event || flags & ~known || (flags & cudaEventInterprocess && timed))
    return sim_error(cudaErrorInvalidValue);
  *event = calloc(1, sizeof **event);
  if (!*event) return sim_error(cudaErrorMemoryAllocation);
  (*event)->timed = timed;
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t *event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (!event) return sim_error(cudaErrorInvalidResourceHandle);
  sim_check_event_destroy(event);
  free(event);
  return cudaSuccess;
}

// An event happens when the work before it is done, but not before the host has recorded it.
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (!event) return sim_error(cudaErrorInvalidResourceHandle);
  if (sim_capture_event_record(stream, event)) return cudaSuccess;
  // An operation of no length: as any other, a new host thread's first one comes after what others have
  // prepared.
  pthread_mutex_lock(&lock);
  struct CUstream_st *s = resolve(stream);
  sim_timeline_wait(s->line, barrier(s));
  event->at = sim_timeline_push(s->line, SIM_HOST_FUNCTION, s->device, 0, 1, "event");
  pthread_mutex_unlock(&lock);
  event->recorded = true;
  const sim_check_stream checked = sim_stream_checked(stream);
  sim_check_event_record(event, &checked);
  return sim_error(sim_sticky_error());
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags) {
  return flags > 1 ? sim_error(cudaErrorInvalidValue) : cudaEventRecord(event, stream);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
  if (!event || flags) return sim_error(event ? cudaErrorInvalidValue : cudaErrorInvalidResourceHandle);
  cudaError_t error;
  if (sim_capture_event_wait(stream, event, &error)) return error ? sim_error(error) : cudaSuccess;
  if (!event->recorded) return cudaSuccess;
  pthread_mutex_lock(&lock);
  sim_timeline_wait(resolve(stream)->line, event->at);
  pthread_mutex_unlock(&lock);
  const sim_check_stream checked = sim_stream_checked(stream);
  sim_check_event_wait(&checked, event);
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (!event) return sim_error(cudaErrorInvalidResourceHandle);
  if (event->recorded) sim_host_wait(event->at);
  sim_check_host_waits_event(event);
  return sim_error(sim_sticky_error());
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (!event) return sim_error(cudaErrorInvalidResourceHandle);
  if (sim_sticky_error()) return sim_error(sim_sticky_error());
  sim_host_spend(QUERY_S);
  if (event->recorded && event->at > sim_host_now()) return cudaErrorNotReady;
  sim_check_host_waits_event(event);
  return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end) {
  if (!milliseconds || !start || !end) return sim_error(cudaErrorInvalidResourceHandle);
  if (!start->recorded || !end->recorded || !start->timed || !end->timed)
    return sim_error(cudaErrorInvalidResourceHandle);
  *milliseconds = (float)((end->at - start->at) * 1e3);
  return cudaSuccess;
}
