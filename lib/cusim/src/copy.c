// SPDX-License-Identifier: MIT
// Copies and fills: timed by the link they would take.
#include <stdlib.h>
#include <string.h>

#include "graph.h"

typedef struct side {
  int device;     // -1: host
  bool pageable;  // host memory the device cannot reach by itself
  bool variable;  // of which each device has its own
  bool valid;     // the whole range lies in one allocation, or outside all of them
} side;

static side look_up(const void *p, size_t bytes) {
  sim_allocation a;
  if (!sim_memory_find(p, &a)) return (side){-1, true, false, p != NULL};
  // A device variable is the current device's.
  const int device = a.kind == SIM_SYMBOL ? sim_current_device() : a.device;
  return (side){device, false, a.kind == SIM_SYMBOL, (uintptr_t)p - a.base + bytes <= a.bytes};
}

static bool matches(cudaMemcpyKind kind, side to, side from) {
  const bool to_device = to.device >= 0, from_device = from.device >= 0;
  switch (kind) {
    case cudaMemcpyHostToHost:
      return !to_device && !from_device;
    case cudaMemcpyHostToDevice:
      return !from_device || to_device;
    case cudaMemcpyDeviceToHost:
      return !to_device || from_device;
    case cudaMemcpyDeviceToDevice:
      return true;
    case cudaMemcpyDefault:
      return true;
  }
  return false;
}

// How long one copy takes on which engine.
static void time_copy(sim_op *op, side to, side from, size_t bytes, bool symbol) {
  const sim_machine *m = sim_machine_get();
  // The driver copies pageable memory through a pinned buffer first.
  const double slow = (to.pageable || from.pageable) && !symbol ? m->pageable_share : 1;
  if (to.device >= 0 && from.device >= 0 && to.device != from.device) {
    op->engine = SIM_COPY_PEER;
    op->seconds = sim_copy_seconds(sim_link_of(m, to.device, from.device), bytes);
    op->label = "peer copy";
  } else if ((to.device >= 0) != (from.device >= 0)) {
    op->engine = to.device >= 0 ? SIM_COPY_H2D : SIM_COPY_D2H;
    op->seconds = sim_copy_seconds(m->host, (size_t)((double)bytes / slow));
    op->label = to.device >= 0 ? "copy to device" : "copy to host";
  } else {  // within a device: every byte is read and written once
    op->engine = SIM_COMPUTE;
    op->seconds = m->card->kernel_overhead_s +
                  2 * (double)bytes / (m->card->dram_bytes_per_s * m->card->dram_efficiency);
    op->label = "copy on device";
  }
}

static const char *direction(cudaMemcpyKind kind) {
  static const char *const names[] = {"from host to host", "from host to device", "from device to host",
                                      "from device to device", "either way"};
  return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "a way that does not exist";
}

// ---------------------------------------------------------------- a copy's work

typedef struct copy_op {
  sim_op op;
  sim_check_stream checked;
  sim_copy_call call;
  side to, from;
  void *staged;  // what pageable memory held when the copy was issued
} copy_op;

static void run_copy(sim_op *op) {
  const copy_op *c = (const copy_op *)op;
  const sim_copy_call *k = &c->call;
  const bool variable = c->to.variable || c->from.variable;
  if (variable) sim_variables_lock();
  const ptrdiff_t to_own = (char *)sim_variables_at(k->to, c->to.device) - (char *)k->to,
                  from_own = (char *)sim_variables_at(k->from, c->from.device) - (const char *)k->from;
  const bool meet =
      c->checked.legacy && c->to.device >= 0 && c->from.device >= 0 && c->to.device != c->from.device;
  if (meet) {
    sim_check_device_before(&c->checked, c->to.device);
    sim_check_device_before(&c->checked, c->from.device);
  }
  const unsigned number = sim_check_op_begin(&c->checked, "a copy", false);
  for (size_t z = 0; z < k->depth; z++)
    for (size_t y = 0; y < k->height; y++) {
      char *row = (char *)k->to + z * k->to_slice + y * k->to_pitch;
      const char *from_row = (const char *)k->from + z * k->from_slice + y * k->from_pitch;
      if (!c->from.pageable) sim_check_range(number, from_row, k->width, false);
      if (!c->to.pageable) sim_check_range(number, row, k->width, true);
      memmove(row + to_own, from_row + from_own, k->width);
      sim_check_copied(row, from_row, k->width);
    }
  if (variable) sim_variables_unlock();
  sim_check_op_end(number);
  if (meet) {
    sim_check_device_behind(&c->checked, c->to.device);
    sim_check_device_behind(&c->checked, c->from.device);
  }
}

static void discard_copy(sim_op *op) {
  free(((const copy_op *)op)->staged);
}

// Pageable memory is read before the call returns. False: too much to keep.
static bool stage(copy_op *c) {
  enum { MOST = 1 << 20 };
  sim_copy_call *k = &c->call;
  const size_t row = k->width, rows = k->height * k->depth;
  if (row * rows > MOST || !(c->staged = malloc(row * rows))) return false;
  for (size_t i = 0; i < rows; i++)
    memcpy((char *)c->staged + i * row,
           (const char *)k->from + i / k->height * k->from_slice + i % k->height * k->from_pitch, row);
  k->from = c->staged;
  k->from_pitch = row;
  k->from_slice = row * k->height;
  return true;
}

// Bytes from the first to behind the last one.
static size_t extent(const sim_copy_call *c, size_t pitch, size_t slice) {
  return (c->depth - 1) * slice + (c->height - 1) * pitch + c->width;
}

static cudaError_t check_copy(const sim_copy_call *c, side *to, side *from) {
  if (c->to_pitch < c->width || c->from_pitch < c->width) return cudaErrorInvalidPitchValue;
  const size_t to_bytes = extent(c, c->to_pitch, c->to_slice),
               from_bytes = extent(c, c->from_pitch, c->from_slice);
  *to = look_up(c->to, to_bytes);
  *from = look_up(c->from, from_bytes);
  sim_check_pointer(c->to, to_bytes, "target");
  sim_check_pointer(c->from, from_bytes, "source");
  if (!to->valid || !from->valid) return cudaErrorInvalidValue;
  if (matches(c->kind, *to, *from)) return cudaSuccess;
  sim_check_host_problem(
      "copy-direction", "the copy is said to go %s, but its target is %s memory and its source %s memory",
      direction(c->kind), to->device >= 0 ? "device" : "host", from->device >= 0 ? "device" : "host");
  return cudaErrorInvalidMemcpyDirection;
}

static bool is_elsewhere(side s, int device) {
  return s.device >= 0 && s.device != device;
}

cudaError_t sim_copy(const sim_copy_call *call, cudaStream_t stream, bool synchronous) {
  if (sim_sticky_error()) return sim_error(sim_sticky_error());
  if (!sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  if (call->width == 0 || call->height == 0 || call->depth == 0) return cudaSuccess;
  side to, from;
  const cudaError_t wrong = check_copy(call, &to, &from);
  if (wrong) return sim_error(wrong);
  cudaGraphNode_t node;
  if (sim_capture_node(stream, cudaGraphNodeTypeMemcpy, &node)) {
    if (node) node->does.copy = *call;
    return node ? cudaSuccess : sim_error(cudaErrorStreamCaptureInvalidated);
  }
  if (synchronous && sim_capture_forbids_any()) return sim_error(cudaErrorStreamCaptureImplicit);
  if (synchronous && sim_inside_operation()) return sim_error(cudaErrorNotPermitted);
  copy_op *c = sim_op_new(sizeof *c);
  if (!c) return sim_error(cudaErrorMemoryAllocation);
  c->call = *call;
  c->to = to;
  c->from = from;
  const sim_check_stream checked = c->checked = sim_stream_checked(stream);
  time_copy(&c->op, to, from, call->width * call->height * call->depth, call->symbol);
  c->op.run = run_copy;
  c->op.discard = discard_copy;
  // A copy from pageable memory has left it when the call returns; one to pageable memory has arrived. A
  // graph's node is neither: it runs whenever the graph does.
  const bool waits = synchronous || ((to.pageable || from.pageable || (to.device < 0 && from.device < 0)) &&
                                     sim_host_calls_cost());
  c->op.host_waits = waits;
  // The default stream waits for all work of another device whose memory it touches.
  if (checked.legacy && (is_elsewhere(to, checked.device) || is_elsewhere(from, checked.device)))
    sim_devices_finish();
  const bool early = waits && !synchronous && !to.pageable && !sim_check_on() && stage(c);
  c->op.returns_early = early;
  sim_stream_issue(stream, &c->op);
  if (to.device < 0) sim_launch_unasked();
  if (synchronous || to.pageable) sim_check_host_waits_stream(&checked);
  return synchronous || to.pageable ? sim_error(sim_sticky_error()) : cudaSuccess;
}

static cudaError_t copy(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
                        size_t height, cudaMemcpyKind kind, cudaStream_t stream, bool synchronous) {
  const sim_copy_call call = {.to = to,
                              .from = from,
                              .to_pitch = to_pitch,
                              .from_pitch = from_pitch,
                              .width = width,
                              .height = height,
                              .depth = 1,
                              .kind = kind};
  return sim_copy(&call, stream, synchronous);
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind) {
  return copy(to, bytes, from, bytes, bytes, 1, kind, NULL, true);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return copy(to, bytes, from, bytes, bytes, 1, kind, stream, false);
}

cudaError_t cudaMemcpy2D(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
                         size_t height, cudaMemcpyKind kind) {
  return copy(to, to_pitch, from, from_pitch, width, height, kind, NULL, true);
}

cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  return copy(to, to_pitch, from, from_pitch, width, height, kind, stream, false);
}

static cudaError_t copy_peer(void *to, int to_device, const void *from, int from_device, size_t bytes,
                             cudaStream_t stream, bool synchronous) {
  if (bytes == 0) return cudaSuccess;
  const side t = look_up(to, bytes), f = look_up(from, bytes);
  if (t.device != to_device || f.device != from_device) return sim_error(cudaErrorInvalidValue);
  return copy(to, bytes, from, bytes, bytes, 1, cudaMemcpyDefault, stream, synchronous);
}

cudaError_t cudaMemcpyPeer(void *to, int to_device, const void *from, int from_device, size_t bytes) {
  return copy_peer(to, to_device, from, from_device, bytes, NULL, true);
}

cudaError_t cudaMemcpyPeerAsync(void *to, int to_device, const void *from, int from_device, size_t bytes,
                                cudaStream_t stream) {
  return copy_peer(to, to_device, from, from_device, bytes, stream, false);
}

typedef struct set_op {
  sim_op op;
  sim_check_stream checked;
  sim_set_call call;
  int device;
} set_op;

static void run_set(sim_op *op) {
  const set_op *s = (const set_op *)op;
  const unsigned number = sim_check_op_begin(&s->checked, "a memset", false);
  for (size_t y = 0; y < s->call.height; y++) {
    char *row = (char *)s->call.to + y * s->call.pitch;
    sim_check_range(number, row, s->call.width, true);
    sim_variables_lock();
    memset(sim_variables_at(row, s->device), s->call.value, s->call.width);
    sim_variables_unlock();
    sim_check_copied(row, NULL, s->call.width);
  }
  sim_check_op_end(number);
}

cudaError_t cudaMemset2DAsync(void *to, size_t pitch, int value, size_t width, size_t height,
                              cudaStream_t stream) {
  if (sim_sticky_error()) return sim_error(sim_sticky_error());
  if (!sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  if (width == 0 || height == 0) return cudaSuccess;
  if (pitch < width) return sim_error(cudaErrorInvalidPitchValue);
  const side t = look_up(to, pitch * (height - 1) + width);
  sim_check_pointer(to, pitch * (height - 1) + width, "target");
  if (!t.valid || t.pageable) return sim_error(cudaErrorInvalidValue);
  const sim_set_call call = {to, pitch, width, height, value};
  cudaGraphNode_t node;
  if (sim_capture_node(stream, cudaGraphNodeTypeMemset, &node)) {
    if (node) node->does.set = call;
    return node ? cudaSuccess : sim_error(cudaErrorStreamCaptureInvalidated);
  }
  set_op *s = sim_op_new(sizeof *s);
  if (!s) return sim_error(cudaErrorMemoryAllocation);
  s->checked = sim_stream_checked(stream);
  s->call = call;
  s->device = t.device;
  s->op.run = run_set;
  const sim_card *c = sim_machine_get()->card;
  const double bytes = (double)width * (double)height;
  s->op.engine = SIM_COMPUTE;
  s->op.seconds = c->kernel_overhead_s + bytes / (c->dram_bytes_per_s * c->dram_efficiency);
  s->op.label = "fill";
  sim_stream_issue(stream, &s->op);
  return cudaSuccess;
}

cudaError_t cudaMemset2D(void *to, size_t pitch, int value, size_t width, size_t height) {
  return cudaMemset2DAsync(to, pitch, value, width, height, NULL);
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream) {
  return cudaMemset2DAsync(to, bytes, value, bytes, 1, stream);
}

cudaError_t cudaMemset(void *to, int value, size_t bytes) {
  return cudaMemsetAsync(to, value, bytes, NULL);
}

static cudaError_t find_symbol(const void *symbol, size_t end) {
  sim_allocation a;
  if (!sim_memory_find(symbol, &a) || a.kind != SIM_SYMBOL) return sim_error(cudaErrorInvalidSymbol);
  if (end <= a.bytes) return cudaSuccess;
  sim_check_host_problem("copy-out-of-bounds", "a copy to or from byte %zu of a device variable of %zu bytes",
                         end, a.bytes);
  return sim_error(cudaErrorInvalidValue);
}

// Timed like a pinned copy of the same size.
cudaError_t cudaMemcpyToSymbol(const void *symbol, const void *from, size_t bytes, size_t offset,
                               cudaMemcpyKind kind) {
  const cudaError_t error = find_symbol(symbol, offset + bytes);
  if (error || !bytes) return error;
  const sim_copy_call call = {.to = (char *)(uintptr_t)symbol + offset,
                              .from = from,
                              .to_pitch = bytes,
                              .from_pitch = bytes,
                              .width = bytes,
                              .height = 1,
                              .depth = 1,
                              .kind = kind,
                              .symbol = true};
  return sim_copy(&call, NULL, true);
}

cudaError_t cudaMemcpyFromSymbol(void *to, const void *symbol, size_t bytes, size_t offset,
                                 cudaMemcpyKind kind) {
  const cudaError_t error = find_symbol(symbol, offset + bytes);
  if (error || !bytes) return error;
  const sim_copy_call call = {.to = to,
                              .from = (const char *)symbol + offset,
                              .to_pitch = bytes,
                              .from_pitch = bytes,
                              .width = bytes,
                              .height = 1,
                              .depth = 1,
                              .kind = kind,
                              .symbol = true};
  return sim_copy(&call, NULL, true);
}

cudaError_t cudaGetSymbolAddress(void **pointer, const void *symbol) {
  if (!pointer) return sim_error(cudaErrorInvalidValue);
  const cudaError_t error = find_symbol(symbol, 0);
  if (!error) *pointer = (void *)(uintptr_t)symbol;
  return error;
}

cudaError_t cudaGetSymbolSize(size_t *bytes, const void *symbol) {
  if (!bytes) return sim_error(cudaErrorInvalidValue);
  const cudaError_t error = find_symbol(symbol, 0);
  sim_allocation a;
  if (!error && sim_memory_find(symbol, &a)) *bytes = a.bytes;
  return error;
}

// The symbol's bytes have moved when the call returns; only the time is the stream's.
cudaError_t cudaMemcpyToSymbolAsync(const void *symbol, const void *from, size_t bytes, size_t offset,
                                    cudaMemcpyKind kind, cudaStream_t stream) {
  void *variable;
  const cudaError_t error = cudaGetSymbolAddress(&variable, symbol);
  return error ? error : cudaMemcpyAsync((char *)variable + offset, from, bytes, kind, stream);
}

cudaError_t cudaMemcpyFromSymbolAsync(void *to, const void *symbol, size_t bytes, size_t offset,
                                      cudaMemcpyKind kind, cudaStream_t stream) {
  void *variable;
  const cudaError_t error = cudaGetSymbolAddress(&variable, symbol);
  return error ? error : cudaMemcpyAsync(to, (const char *)variable + offset, bytes, kind, stream);
}
