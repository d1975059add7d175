// SPDX-License-Identifier: MIT
// Streams: orders of work, when it is done (queue.c) and in virtual time.
#include <cusim/host.h>
#include <pthread.h>
#include <stdlib.h>

#include "graph.h"
#include "handles.h"

enum { MOST_DEVICES = 64 };

struct CUstream_st {
  int device;
  bool blocking;
  int priority;  // kept for those who ask: kernels are never preempted in the model
  unsigned long long id;
  sim_timeline *line;
  sim_op *last;  // kept; NULL: nothing is under way
  sim_recording *recording;
  cudaStreamAttrValue window, policy;
  struct CUstream_st *next;  // of the same device; until the end of its work is placed
};

// All under the queue's lock.
static struct CUstream_st *streams[MOST_DEVICES], legacy[MOST_DEVICES];
// When the last operations of destroyed streams end, and of the blocking ones of them.
static double retired[MOST_DEVICES], retired_blocking[MOST_DEVICES];
static unsigned long long last_id;
static _Thread_local struct CUstream_st *own_default[MOST_DEVICES];

static bool is_legacy(cudaStream_t stream) {
  return !stream || stream == cudaStreamLegacy;
}

bool sim_stream_known(cudaStream_t stream) {
  return is_legacy(stream) || stream == cudaStreamPerThread || sim_handle_known(stream);
}

// ---------------------------------------------------------------- all streams (locked)

static struct CUstream_st *add_stream(int device, bool blocking, int priority) {
  struct CUstream_st *s = calloc(1, sizeof *s);
  if (!s || !sim_handle_add(s)) {
    free(s);
    return NULL;
  }
  s->device = device;
  s->blocking = blocking;
  s->priority = priority;
  s->id = ++last_id;
  s->line = sim_timeline_create(device, "stream");
  s->next = streams[device];
  streams[device] = s;
  return s;
}

// Default streams come into being with their first use.
static struct CUstream_st *resolve(cudaStream_t stream) {
  const int device = sim_current_device();
  if (stream == cudaStreamPerThread) {
    if (!own_default[device]) own_default[device] = add_stream(device, true, 0);
    return own_default[device] ? own_default[device] : resolve(NULL);
  }
  if (!is_legacy(stream)) return stream;
  struct CUstream_st *s = &legacy[device];
  if (!s->line) {
    s->device = device;
    s->line = sim_timeline_create(device, "default stream");
  }
  return s;
}

static double later(double a, double b) {
  return a > b ? a : b;
}

// What the next operation on s has to wait for among the device's other streams, in virtual time.
static double barrier(const struct CUstream_st *s) {
  double tail = 0;
  if (s == &legacy[s->device]) {
    tail = retired_blocking[s->device];
    for (const struct CUstream_st *o = streams[s->device]; o; o = o->next)
      if (o->blocking) tail = later(tail, sim_timeline_tail(o->line));
  } else if (s->blocking && legacy[s->device].line) {
    tail = sim_timeline_tail(legacy[s->device].line);
  }
  return tail;
}

static void set_last(struct CUstream_st *s, sim_op *op) {
  if (s->last) sim_op_drop(s->last);
  s->last = sim_op_keep(op);
}

// The same when the work is done.
static void order(struct CUstream_st *s, sim_op *op) {
  op->stream = s;
  op->device = s->device;
  sim_op_after(op, s->last);
  if (s == &legacy[s->device]) {
    for (const struct CUstream_st *o = streams[s->device]; o; o = o->next)
      if (o->blocking) sim_op_after(op, o->last);
  } else if (s->blocking) {
    sim_op_after(op, legacy[s->device].last);
  }
  sim_op_issue(op);
  set_last(s, op->state == SIM_DONE ? NULL : op);
}

// ---------------------------------------------------------------- operations

void sim_stream_delay(void *stream, double until) {
  sim_timeline_wait(((struct CUstream_st *)stream)->line, until);
}

static _Thread_local bool calls_are_free;
void sim_host_calls_are_free(bool yes) {
  calls_are_free = yes;
}
bool sim_host_calls_cost(void) {
  return !calls_are_free;
}

void sim_stream_place(sim_op *op) {
  struct CUstream_st *s = op->stream;
  if (op->skipped) {
    op->end = sim_timeline_tail(s->line);
    return;
  }
  sim_host_spend(op->spend);
  sim_timeline_wait(s->line, barrier(s));
  op->end = sim_timeline_push(s->line, op->engine, s->device, op->seconds, op->share, op->label);
  if (op->host_waits) sim_host_wait(op->end);
}

static bool launches_block;  // CUDA's own switch: launches return when the kernel is done

// The reports and the checker register what they do at the program's end before this: it comes before them.
static void finish_at_exit(void) {
  if (!sim_inside_operation() && !sim_inside_kernel())
    sim_finish_patiently(&(sim_target){.kind = SIM_TARGET_UPTO, .upto = UINT64_MAX});
}
static void prepare(void) {
  const char *value = getenv("CUDA_LAUNCH_BLOCKING");
  launches_block = value && *value == '1';
  sim_profile_wants_sites();
  sim_timeline_prepare();
  atexit(finish_at_exit);
}

void sim_stream_issue(cudaStream_t stream, sim_op *op) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, prepare);
  if (!op->place) op->place = sim_stream_place;
  if (launches_block && op->engine == SIM_COMPUTE && op->run) op->host_waits = true;
  if (!calls_are_free) op->spend = sim_machine_get()->card->launch_s;
  sim_queue_lock();
  sim_op_keep(op);
  order(resolve(stream), op);
  const bool now = op->state != SIM_DONE && ((op->host_waits && !op->returns_early) || sim_check_on());
  const bool later_on = op->state != SIM_DONE && !now;
  sim_queue_unlock();
  if (now) sim_finish(&(sim_target){.kind = SIM_TARGET_OP, .op = op});
  if (later_on) sim_run_some();
  sim_queue_lock();
  sim_op_drop(op);
  sim_queue_unlock();
}

void sim_stream_push(cudaStream_t stream, enum sim_engine engine, double seconds, double share,
                     const char *label) {
  sim_op *op = sim_op_new(sizeof *op);
  if (!op) return;
  op->engine = engine;
  op->seconds = seconds;
  op->share = share;
  op->label = label;
  sim_stream_issue(stream, op);
}

void sim_stream_reach(cudaStream_t stream) {
  sim_queue_lock();
  sim_op *op = sim_op_new(sizeof *op);
  if (op) {
    sim_op_keep(op);
    order(resolve(stream), op);
  }
  const bool wait = op && op->state != SIM_DONE;
  sim_queue_unlock();
  if (wait) sim_finish(&(sim_target){.kind = SIM_TARGET_OP, .op = op});
  sim_queue_lock();
  if (op) sim_op_drop(op);
  sim_queue_unlock();
}

int sim_stream_device(cudaStream_t stream) {
  if (is_legacy(stream) || stream == cudaStreamPerThread) return sim_current_device();
  return stream->device;
}

sim_check_stream sim_stream_checked(cudaStream_t stream) {
  sim_queue_lock();
  const struct CUstream_st *s = resolve(stream);
  const bool is_default = s == &legacy[s->device];
  sim_queue_unlock();
  return (sim_check_stream){.stream = is_default ? NULL : s,
                            .device = s->device,
                            .legacy = is_default,
                            .blocking = !is_default && s->blocking};
}

double sim_stream_tail(cudaStream_t stream) {
  sim_finish_issued();
  sim_queue_lock();
  struct CUstream_st *s = resolve(stream);
  const double tail = later(sim_timeline_tail(s->line), barrier(s));
  sim_queue_unlock();
  return tail;
}

// ---------------------------------------------------------------- the host waits

static double device_tail(int device) {
  double tail = retired[device];
  if (legacy[device].line) tail = later(tail, sim_timeline_tail(legacy[device].line));
  for (const struct CUstream_st *s = streams[device]; s; s = s->next)
    tail = later(tail, sim_timeline_tail(s->line));
  return tail;
}

static void wait_for_device(const void *device) {
  sim_host_wait(device_tail(*(const int *)device));
}

void sim_device_wait(int device) {
  sim_finish(&(sim_target){.kind = SIM_TARGET_DEVICE, .device = device});
  sim_host_when_known(wait_for_device, &device, sizeof device);
}

void sim_devices_finish(void) {
  sim_finish_issued();
}

static void wait_for_stream(const void *stream) {
  const struct CUstream_st *s = *(struct CUstream_st *const *)stream;
  sim_host_wait_device(s->device, later(sim_timeline_tail(s->line), barrier(s)));
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (!sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  const cudaError_t forbidden = sim_capture_forbids(stream);
  if (forbidden) return sim_error(forbidden);
  if (sim_inside_operation()) return sim_error(cudaErrorNotPermitted);
  sim_stream_reach(stream);
  sim_queue_lock();
  struct CUstream_st *s = resolve(stream);
  sim_queue_unlock();
  sim_host_when_known(wait_for_stream, &s, sizeof(struct CUstream_st *));
  const sim_check_stream checked = sim_stream_checked(stream);
  sim_check_host_waits_stream(&checked);
  return sim_error(sim_sticky_error());
}

void cusim_host_works(double seconds) {
  if (seconds > 0) sim_host_spends(seconds);
}

// Host time of one question: who asks until the answer is yes must come to an end.
static const double QUERY_S = 1e-6;

bool sim_host_asks(void) {
  sim_host_spends(QUERY_S);
  return sim_finish_patiently(&(sim_target){.kind = SIM_TARGET_UPTO, .upto = UINT64_MAX}) &&
         sim_times_known();
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  if (!sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  if (sim_sticky_error()) return sim_error(sim_sticky_error());
  const cudaError_t forbidden = sim_capture_forbids(stream);
  if (forbidden) return sim_error(forbidden);
  if (!sim_host_asks()) return cudaErrorNotReady;
  if (sim_sticky_error()) return sim_error(sim_sticky_error());
  sim_queue_lock();
  struct CUstream_st *s = resolve(stream);
  const bool busy = later(sim_timeline_tail(s->line), barrier(s)) > sim_host_now();
  sim_queue_unlock();
  if (busy) return cudaErrorNotReady;
  const sim_check_stream checked = sim_stream_checked(stream);
  sim_check_host_waits_stream(&checked);
  return cudaSuccess;
}

// ---------------------------------------------------------------- streams come and go

sim_recording **sim_stream_recording(cudaStream_t stream) {
  static _Thread_local sim_recording *none;
  none = NULL;
  if (is_legacy(stream) || !sim_stream_known(stream)) return &none;
  sim_queue_lock();
  sim_recording **r = &resolve(stream)->recording;
  sim_queue_unlock();
  return r;
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority) {
  if (!stream || flags > cudaStreamNonBlocking) return sim_error(cudaErrorInvalidValue);
  if (sim_sticky_error()) return sim_error(sim_sticky_error());
  sim_queue_lock();
  *stream = add_stream(sim_current_device(), flags == cudaStreamDefault,
                       priority > 0    ? 0
                       : priority < -5 ? -5
                                       : priority);
  sim_queue_unlock();
  return *stream ? cudaSuccess : sim_error(cudaErrorMemoryAllocation);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}
cudaError_t cudaStreamCreate(cudaStream_t *stream) {
  return cudaStreamCreateWithPriority(stream, cudaStreamDefault, 0);
}

// When all that was issued to it is placed, nobody can mean it any more.
static void forget_stream(const void *stream) {
  struct CUstream_st *s = *(struct CUstream_st *const *)stream;
  struct CUstream_st **link = &streams[s->device];
  while (*link && *link != s) link = &(*link)->next;
  if (*link) *link = s->next;
  const double tail = sim_timeline_tail(s->line);
  retired[s->device] = later(retired[s->device], tail);
  if (s->blocking) retired_blocking[s->device] = later(retired_blocking[s->device], tail);
  set_last(s, NULL);
  sim_timeline_destroy(s->line);
  free(s);
}

// Its work goes on to its end.
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (is_legacy(stream) || stream == cudaStreamPerThread || !sim_handle_remove(stream))
    return sim_error(cudaErrorInvalidResourceHandle);
  const sim_check_stream checked = sim_stream_checked(stream);
  sim_check_stream_destroy(&checked);
  sim_host_when_known(forget_stream, &stream, sizeof(cudaStream_t));
  return cudaSuccess;
}

cudaError_t cudaStreamGetFlags(cudaStream_t stream, unsigned *flags) {
  if (!flags) return sim_error(cudaErrorInvalidValue);
  if (!sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  const bool own = !is_legacy(stream) && stream != cudaStreamPerThread;
  *flags = own && !stream->blocking ? cudaStreamNonBlocking : cudaStreamDefault;
  return cudaSuccess;
}

cudaError_t cudaStreamGetPriority(cudaStream_t stream, int *priority) {
  if (!priority) return sim_error(cudaErrorInvalidValue);
  if (!sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  *priority = is_legacy(stream) || stream == cudaStreamPerThread ? 0 : stream->priority;
  return cudaSuccess;
}

cudaStreamAttrValue *sim_stream_attribute(cudaStream_t stream, cudaStreamAttrID attribute) {
  sim_queue_lock();
  struct CUstream_st *s = resolve(stream);
  sim_queue_unlock();
  if (attribute == cudaStreamAttributeAccessPolicyWindow) return &s->window;
  return attribute == cudaStreamAttributeSynchronizationPolicy ? &s->policy : NULL;
}

cudaError_t cudaStreamGetId(cudaStream_t stream, unsigned long long *id) {
  if (!id) return sim_error(cudaErrorInvalidValue);
  if (!sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  sim_queue_lock();
  struct CUstream_st *s = resolve(stream);
  if (!s->id) s->id = ++last_id;
  *id = s->id;
  sim_queue_unlock();
  return cudaSuccess;
}

cudaError_t cudaStreamGetDevice(cudaStream_t stream, int *device) {
  if (!device) return sim_error(cudaErrorInvalidValue);
  if (!sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  *device = sim_stream_device(stream);
  return cudaSuccess;
}

// ---------------------------------------------------------------- host functions

typedef struct host_op {
  sim_op op;
  sim_check_stream checked;
  cudaStream_t stream;
  cudaHostFn_t function;
  cudaStreamCallback_t callback;
  void *data;
} host_op;

static void run_host(sim_op *op) {
  const host_op *h = (const host_op *)op;
  const unsigned number = sim_check_op_begin(&h->checked, op->label, false);
  sim_check_host_waits_stream(&h->checked);  // what it tells or starts comes behind the stream's work
  if (h->callback)
    h->callback(h->stream, sim_sticky_error(), h->data);
  else
    h->function(h->data);
  sim_check_op_end(number);
}

static cudaError_t issue_host(cudaStream_t stream, const char *label, const host_op *what) {
  host_op *h = sim_op_new(sizeof *h);
  if (!h) return sim_error(cudaErrorMemoryAllocation);
  h->checked = sim_stream_checked(stream);
  h->stream = stream;
  h->function = what->function;
  h->callback = what->callback;
  h->data = what->data;
  h->op.run = run_host;
  h->op.always = what->callback != NULL;
  h->op.engine = SIM_HOST_FUNCTION;
  h->op.label = label;
  sim_stream_issue(stream, &h->op);
  return cudaSuccess;
}

cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback, void *data,
                                  unsigned flags) {
  if (!callback || flags) return sim_error(cudaErrorInvalidValue);
  if (!sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  const cudaError_t forbidden = sim_capture_forbids(stream);
  if (forbidden) return sim_error(forbidden);
  return issue_host(stream, "callback", &(host_op){.callback = callback, .data = data});
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *data) {
  if (!function) return sim_error(cudaErrorInvalidValue);
  if (!sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  if (sim_sticky_error()) return sim_error(sim_sticky_error());
  cudaGraphNode_t node;
  if (sim_capture_node(stream, cudaGraphNodeTypeHost, &node)) {
    if (node) node->does.host = (sim_host_call){function, data};
    return node ? cudaSuccess : sim_error(cudaErrorStreamCaptureInvalidated);
  }
  return issue_host(stream, "host function", &(host_op){.function = function, .data = data});
}
