// SPDX-License-Identifier: MIT
// Copies and fills: done at once by the host, timed by the link they would take.
#include <string.h>

#include "graph.h"

typedef struct side {
  int device;     // -1: host
  bool pageable;  // host memory the device cannot reach by itself
  bool valid;     // the whole range lies in one allocation, or outside all of them
} side;

static side look_up(const void *p, size_t bytes) {
  sim_allocation a;
  if (!sim_memory_find(p, &a)) return (side){-1, true, p != NULL};
  // A device variable is the current device's.
  const int device = a.kind == SIM_SYMBOL ? sim_current_device() : a.device;
  return (side){device, false, (uintptr_t)p - a.base + bytes <= a.bytes};
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

// Share of a link's bandwidth that pageable memory reaches: the driver copies it through a pinned buffer
// first.
static const double PAGEABLE_SHARE = 0.4;

// Puts one copy on the stream's timeline and returns its end.
static double time_copy(side to, side from, size_t bytes, cudaStream_t stream) {
  const sim_machine *m = sim_machine_get();
  const double slow = to.pageable || from.pageable ? PAGEABLE_SHARE : 1;
  if (to.device >= 0 && from.device >= 0 && to.device != from.device)
    return sim_stream_push(stream, SIM_COPY_PEER, sim_copy_seconds(m->peer, bytes), 1, "peer copy");
  if (to.device >= 0 && from.device < 0)
    return sim_stream_push(stream, SIM_COPY_H2D, sim_copy_seconds(m->host, (size_t)((double)bytes / slow)), 1,
                           "copy to device");
  if (to.device < 0 && from.device >= 0)
    return sim_stream_push(stream, SIM_COPY_D2H, sim_copy_seconds(m->host, (size_t)((double)bytes / slow)), 1,
                           "copy to host");
  // Within a device: every byte is read and written once.
  const double dram = m->card->dram_bytes_per_s * m->card->dram_efficiency;
  return sim_stream_push(stream, SIM_COMPUTE, m->card->kernel_overhead_s + 2 * (double)bytes / dram, 1,
                         "copy on device");
}

static const char *direction(cudaMemcpyKind kind) {
  static const char *const names[] = {"from host to host", "from host to device", "from device to host",
                                      "from device to device", "either way"};
  return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "a way that does not exist";
}

static cudaError_t copy(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
                        size_t height, cudaMemcpyKind kind, cudaStream_t stream, bool synchronous) {
  if (sim_sticky_error()) return sim_error(sim_sticky_error());
  if (width == 0 || height == 0) return cudaSuccess;
  if (to_pitch < width || from_pitch < width) return sim_error(cudaErrorInvalidPitchValue);
  const side t = look_up(to, to_pitch * (height - 1) + width),
             f = look_up(from, from_pitch * (height - 1) + width);
  sim_check_pointer(to, to_pitch * (height - 1) + width, "target");
  sim_check_pointer(from, from_pitch * (height - 1) + width, "source");
  if (!t.valid || !f.valid) return sim_error(cudaErrorInvalidValue);
  if (!matches(kind, t, f)) {
    sim_check_host_problem(
        "copy-direction", "the copy is said to go %s, but its target is %s memory and its source %s memory",
        direction(kind), t.device >= 0 ? "device" : "host", f.device >= 0 ? "device" : "host");
    return sim_error(cudaErrorInvalidMemcpyDirection);
  }
  cudaGraphNode_t node;
  if (sim_capture_node(stream, cudaGraphNodeTypeMemcpy, &node)) {
    if (node) node->does.copy = (sim_copy_call){to, from, to_pitch, from_pitch, width, height, kind};
    return node ? cudaSuccess : sim_error(cudaErrorStreamCaptureInvalidated);
  }
  if (synchronous && sim_capture_forbids_any()) return sim_error(cudaErrorStreamCaptureImplicit);
  const sim_check_stream checked = sim_stream_checked(stream);
  const bool meet = checked.legacy && t.device >= 0 && f.device >= 0 && t.device != f.device;
  if (meet) {
    sim_check_device_before(&checked, t.device);
    sim_check_device_before(&checked, f.device);
  }
  const unsigned op = sim_check_op_begin(&checked, "a copy", false);
  for (size_t y = 0; y < height; y++) {
    char *row = (char *)to + y * to_pitch;
    const char *from_row = (const char *)from + y * from_pitch;
    if (!f.pageable) sim_check_range(op, from_row, width, false);
    if (!t.pageable) sim_check_range(op, row, width, true);
    memmove(row, from_row, width);
    sim_check_copied(row, from_row, width);
  }
  sim_check_op_end(op);
  if (meet) {
    sim_check_device_behind(&checked, t.device);
    sim_check_device_behind(&checked, f.device);
  }
  const double end = time_copy(t, f, width * height, stream);
  // A copy from pageable memory has left it when the call returns; one to pageable memory has arrived.
  if (!synchronous && !t.pageable && !f.pageable) return cudaSuccess;
  sim_host_wait(end);
  if (synchronous || t.pageable) sim_check_host_waits_stream(&checked);
  return cudaSuccess;
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

cudaError_t cudaMemset2DAsync(void *to, size_t pitch, int value, size_t width, size_t height,
                              cudaStream_t stream) {
  if (sim_sticky_error()) return sim_error(sim_sticky_error());
  if (width == 0 || height == 0) return cudaSuccess;
  if (pitch < width) return sim_error(cudaErrorInvalidPitchValue);
  const side t = look_up(to, pitch * (height - 1) + width);
  sim_check_pointer(to, pitch * (height - 1) + width, "target");
  if (!t.valid || t.pageable) return sim_error(cudaErrorInvalidValue);
  const sim_check_stream checked = sim_stream_checked(stream);
  cudaGraphNode_t node;
  if (sim_capture_node(stream, cudaGraphNodeTypeMemset, &node)) {
    if (node) node->does.set = (sim_set_call){to, pitch, width, height, value};
    return node ? cudaSuccess : sim_error(cudaErrorStreamCaptureInvalidated);
  }
  const unsigned op = sim_check_op_begin(&checked, "a memset", false);
  for (size_t y = 0; y < height; y++) {
    char *row = (char *)to + y * pitch;
    sim_check_range(op, row, width, true);
    memset(row, value, width);
    sim_check_copied(row, NULL, width);
  }
  sim_check_op_end(op);
  const sim_card *c = sim_machine_get()->card;
  const double bytes = (double)width * (double)height;
  sim_stream_push(stream, SIM_COMPUTE,
                  c->kernel_overhead_s + bytes / (c->dram_bytes_per_s * c->dram_efficiency), 1, "fill");
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

// Device variables are one per program here, not one per device.
static cudaError_t find_symbol(const void *symbol, size_t end) {
  sim_allocation a;
  if (!sim_memory_find(symbol, &a) || a.kind != SIM_SYMBOL) return sim_error(cudaErrorInvalidSymbol);
  if (end <= a.bytes) return cudaSuccess;
  sim_check_host_problem("copy-out-of-bounds", "a copy to or from byte %zu of a device variable of %zu bytes",
                         end, a.bytes);
  return sim_error(cudaErrorInvalidValue);
}

static void move_symbol(void *to, const void *from, size_t bytes) {
  const sim_check_stream checked = sim_stream_checked(NULL);
  const unsigned op = sim_check_op_begin(&checked, "a symbol's copy", false);
  sim_check_range(op, from, bytes, false);
  sim_check_range(op, to, bytes, true);
  memcpy(to, from, bytes);
  sim_check_copied(to, NULL, bytes);
  sim_check_op_end(op);
  sim_check_host_waits_stream(&checked);
}

// Timed like a pinned copy of the same size: the symbol itself belongs to no device.
static void time_symbol(size_t bytes, enum sim_engine engine) {
  sim_host_wait(sim_stream_push(NULL, engine, sim_copy_seconds(sim_machine_get()->host, bytes), 1, "symbol"));
}

cudaError_t cudaMemcpyToSymbol(const void *symbol, const void *from, size_t bytes, size_t offset,
                               cudaMemcpyKind kind) {
  (void)kind;
  const cudaError_t error = find_symbol(symbol, offset + bytes);
  if (error || !bytes) return error;
  move_symbol((char *)(uintptr_t)symbol + offset, from, bytes);
  time_symbol(bytes, SIM_COPY_H2D);
  return cudaSuccess;
}

cudaError_t cudaMemcpyFromSymbol(void *to, const void *symbol, size_t bytes, size_t offset,
                                 cudaMemcpyKind kind) {
  (void)kind;
  const cudaError_t error = find_symbol(symbol, offset + bytes);
  if (error || !bytes) return error;
  move_symbol(to, (const char *)symbol + offset, bytes);
  time_symbol(bytes, SIM_COPY_D2H);
  return cudaSuccess;
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
