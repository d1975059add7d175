// SPDX-License-Identifier: MIT
// Events: a point in a stream's order, its time once that is known.
#include <stdlib.h>

#include "graph.h"
#include "handles.h"

struct CUevent_st {
  sim_op *record;  // the last one, kept; NULL: never recorded
  sim_event_capture captured;
  bool timed;  // false: only for order, nobody may ask for its time
};

sim_event_capture *sim_event_captured(cudaEvent_t event) {
  return &event->captured;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
  const unsigned known = cudaEventBlockingSync | cudaEventDisableTiming | cudaEventInterprocess;
  const bool timed = !(flags & cudaEventDisableTiming);
  // As CUDA documents: an event shared between processes has no time.
  if (!event || flags & ~known || (flags & cudaEventInterprocess && timed))
    return sim_error(cudaErrorInvalidValue);
  if (sim_sticky_error()) return sim_error(sim_sticky_error());
  cudaEvent_t e = calloc(1, sizeof *e);
  if (!e || !sim_handle_add(e)) {
    free(e);
    return sim_error(cudaErrorMemoryAllocation);
  }
  e->timed = timed;
  *event = e;
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t *event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

static void set_record(cudaEvent_t event, sim_op *op) {
  sim_queue_lock();
  if (event->record) sim_op_drop(event->record);
  event->record = sim_op_keep(op);
  sim_queue_unlock();
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (!sim_handle_remove(event)) return sim_error(cudaErrorInvalidResourceHandle);
  sim_check_event_destroy(event);
  set_record(event, NULL);
  free(event);
  return cudaSuccess;
}

// An operation of no length and no host time: the event happens when the work before it is done, but not
// before the host has recorded it. As any other, a new host thread's first one comes after what others have
// prepared.
static void place_record(sim_op *op) {
  op->spend = 0;
  sim_stream_place(op);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (!sim_handle_known(event) || !sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  if (sim_capture_event_record(stream, event)) return cudaSuccess;
  if (sim_sticky_error()) return sim_error(sim_sticky_error());
  sim_op *op = sim_op_new(sizeof *op);
  if (!op) return sim_error(cudaErrorMemoryAllocation);
  op->engine = SIM_HOST_FUNCTION;
  op->label = "event";
  op->place = place_record;
  set_record(event, op);
  sim_stream_issue(stream, op);
  const sim_check_stream checked = sim_stream_checked(stream);
  sim_check_event_record(event, &checked);
  return sim_error(sim_sticky_error());
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags) {
  return flags > 1 ? sim_error(cudaErrorInvalidValue) : cudaEventRecord(event, stream);
}

typedef struct wait_op {
  sim_op op;
  sim_op *record;  // kept
} wait_op;

static void place_wait(sim_op *op) {
  sim_stream_delay(op->stream, ((const wait_op *)op)->record->end);
}
static void discard_wait(sim_op *op) {
  sim_op_drop(((const wait_op *)op)->record);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
  if (!sim_handle_known(event) || !sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  if (flags > cudaEventWaitExternal) return sim_error(cudaErrorInvalidValue);
  cudaError_t error;
  if (sim_capture_event_wait(stream, event, &error)) return error ? sim_error(error) : cudaSuccess;
  if (!event->record) return cudaSuccess;
  wait_op *w = sim_op_new(sizeof *w);
  if (!w) return sim_error(cudaErrorMemoryAllocation);
  sim_queue_lock();
  w->record = sim_op_keep(event->record);
  sim_op_after(&w->op, w->record);
  sim_queue_unlock();
  w->op.place = place_wait;
  w->op.discard = discard_wait;
  sim_stream_issue(stream, &w->op);
  const sim_check_stream checked = sim_stream_checked(stream);
  sim_check_event_wait(&checked, event);
  return cudaSuccess;
}

static void wait_for_record(const void *record) {
  sim_op *op = *(sim_op *const *)record;
  sim_host_wait(op->end);
  sim_op_drop(op);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (!sim_handle_known(event)) return sim_error(cudaErrorInvalidResourceHandle);
  if (sim_inside_operation()) return sim_error(cudaErrorNotPermitted);
  sim_queue_lock();
  sim_op *record = sim_op_keep(event->record);
  sim_queue_unlock();
  if (record) {
    sim_finish(&(sim_target){.kind = SIM_TARGET_OP, .op = record});
    sim_host_when_known(wait_for_record, &record, sizeof(sim_op *));
  }
  sim_check_host_waits_event(event);
  return sim_error(sim_sticky_error());
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (!sim_handle_known(event)) return sim_error(cudaErrorInvalidResourceHandle);
  if (sim_sticky_error()) return sim_error(sim_sticky_error());
  if (!sim_host_asks()) return cudaErrorNotReady;
  if (sim_sticky_error()) return sim_error(sim_sticky_error());
  sim_queue_lock();
  const bool busy = event->record && event->record->end > sim_host_now();
  sim_queue_unlock();
  if (busy) return cudaErrorNotReady;
  sim_check_host_waits_event(event);
  return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end) {
  if (!milliseconds) return sim_error(cudaErrorInvalidValue);
  if (!sim_handle_known(start) || !sim_handle_known(end)) return sim_error(cudaErrorInvalidResourceHandle);
  if (!start->record || !end->record || !start->timed || !end->timed)
    return sim_error(cudaErrorInvalidResourceHandle);
  if (sim_sticky_error()) return sim_error(sim_sticky_error());
  sim_queue_lock();
  const bool happened = start->record->state == SIM_DONE && end->record->state == SIM_DONE;
  const uint64_t a = start->record->number, b = end->record->number;
  sim_queue_unlock();
  // Their times hang on what was issued before them, by whichever stream.
  if (!happened || !sim_finish_patiently(&(sim_target){.kind = SIM_TARGET_UPTO, .upto = a > b ? a : b}))
    return cudaErrorNotReady;
  sim_queue_lock();
  const double from = start->record->end, to = end->record->end;
  sim_queue_unlock();
  *milliseconds = (float)((to - from) * 1e3);
  return cudaSuccess;
}
