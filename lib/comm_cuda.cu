// SPDX-License-Identifier: MIT
// Collectives between GPUs, one rank and one host thread each. Ranks meet on the host to exchange pointers
// and events; data are then moved by copies that every rank issues from its own memory, on its own stream,
// and ordered by events. An event is always recorded before the meeting after which another rank waits for
// it, so the order of device work is a function of the program alone. The host never waits for a device.
#include <stdlib.h>
#include <string.h>

#include "comm_cuda.h"
#include "heddle/device.h"
#include "heddle/error.h"

// ---------------------------------------------------------------- opening and closing

cudaEvent_t hd_gpu_event(void) {
  cudaEvent_t event;
  HD_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  return event;
}

// A part computes on the stream of the whole.
static void open_lane(hd_gpu_lane *l, int world, cudaStream_t shared) {
  const int steps = 2 * world * HD_GPU_MOST_PIECES;
  l->stream = shared;
  if (!shared) HD_CUDA(cudaStreamCreate(&l->stream));
  HD_CUDA(cudaStreamCreate(&l->adding));
  l->ready = hd_gpu_event();
  l->staged = hd_gpu_event();
  l->done = hd_gpu_event();
  l->pushed = (cudaEvent_t *)hd_alloc((size_t)steps, sizeof(cudaEvent_t));
  l->added = (cudaEvent_t *)hd_alloc((size_t)steps, sizeof(cudaEvent_t));
  for (int i = 0; i < steps; i++) {
    l->pushed[i] = hd_gpu_event();
    l->added[i] = hd_gpu_event();
  }
  l->staging = NULL;
  l->staging_bytes = 0;
}

// Direct copies between this GPU and the others where the hardware can; elsewhere the driver stages them.
static void enable_peers(int device) {
  for (int other = 0; other < hd_device_count(); other++) {
    int possible = 0;
    if (other != device) HD_CUDA(cudaDeviceCanAccessPeer(&possible, device, other));
    if (!possible) continue;
    const cudaError_t status = cudaDeviceEnablePeerAccess(other, 0);
    if (status == cudaErrorPeerAccessAlreadyEnabled)
      cudaGetLastError();
    else
      HD_CUDA(status);
  }
}

hd_gpu *hd_gpu_of(const hd_comm *c) {
  return (hd_gpu *)c->state;
}

static int open_gpu(hd_comm *c) {
  if (hd_device_count() == 0) return hd_comm_fail(c, "rank %d: no GPU was found", c->rank);
  hd_gpu *g = (hd_gpu *)hd_alloc(1, sizeof(hd_gpu));
  hd_device_select(c->number);
  HD_CUDA(cudaGetDevice(&g->device));
  enable_peers(g->device);
  for (int lane = 0; lane < HD_LANES; lane++) {
    const bool computes = lane == HD_LANE_CALLS && c->parent;
    open_lane(&g->lanes[lane], c->world, computes ? hd_gpu_of(c->parent)->lanes[lane].stream : NULL);
  }
  HD_CUDA(cudaStreamCreate(&g->messages));
  memset(g->mail, 0, sizeof g->mail);
  for (int h = 0; h < HD_GPU_HANDLES; h++) g->finished[h] = hd_gpu_event();
  g->handoff = hd_gpu_event();
  g->started = g->waited = 0;
  c->state = c->group->states[c->rank] = g;
  return 0;
}

static void close_gpu(hd_comm *c) {
  hd_gpu *g = hd_gpu_of(c);
  if (g->waited < g->started && !hd_comm_failed(c))
    hd_comm_fail(c, "rank %d ended without waiting for %llu all-reduce operations it started", c->rank,
                 (unsigned long long)(g->started - g->waited));
  HD_CUDA(cudaStreamSynchronize(g->messages));
  for (int lane = 0; lane < HD_LANES; lane++) {
    HD_CUDA(cudaStreamSynchronize(g->lanes[lane].stream));
    HD_CUDA(cudaStreamSynchronize(g->lanes[lane].adding));
  }
}

static void release_lane(hd_gpu_lane *l, int world, bool shared) {
  if (!shared) HD_CUDA(cudaStreamDestroy(l->stream));
  HD_CUDA(cudaStreamDestroy(l->adding));
  HD_CUDA(cudaEventDestroy(l->ready));
  HD_CUDA(cudaEventDestroy(l->staged));
  HD_CUDA(cudaEventDestroy(l->done));
  for (int i = 0; i < 2 * world * HD_GPU_MOST_PIECES; i++) {
    HD_CUDA(cudaEventDestroy(l->pushed[i]));
    HD_CUDA(cudaEventDestroy(l->added[i]));
  }
  free(l->pushed);
  free(l->added);
  HD_CUDA(cudaFree(l->staging));
}

// Only now: until all ranks had ended, others could still wait for these events.
static void release_gpu(hd_comm *c) {
  hd_gpu *g = hd_gpu_of(c);
  HD_CUDA(cudaSetDevice(g->device));
  for (int lane = 0; lane < HD_LANES; lane++)
    release_lane(&g->lanes[lane], c->world, lane == HD_LANE_CALLS && c->parent);
  HD_CUDA(cudaStreamDestroy(g->messages));
  for (int r = 0; r < c->world; r++)
    for (int i = 0; g->mail[r].open[0] && i < HD_OPEN_RECEIVES; i++) {
      HD_CUDA(cudaEventDestroy(g->mail[r].open[i]));
      HD_CUDA(cudaEventDestroy(g->mail[r].pushed[i]));
    }
  for (int h = 0; h < HD_GPU_HANDLES; h++) HD_CUDA(cudaEventDestroy(g->finished[h]));
  HD_CUDA(cudaEventDestroy(g->handoff));
  free(g);
}

void *hd_comm_lane_stream(const hd_comm *c, int lane) {
  return hd_gpu_of(c)->lanes[lane].stream;
}

char *hd_gpu_at(const void *array, enum hd_type type, size_t i) {
  return (char *)array + i * hd_type_bytes(type);
}

// ---------------------------------------------------------------- building blocks

void hd_gpu_reserve(hd_gpu_lane *l, size_t bytes) {
  if (bytes <= l->staging_bytes) return;
  HD_CUDA(cudaStreamSynchronize(l->stream));
  HD_CUDA(cudaFree(l->staging));
  HD_CUDA(cudaMalloc((void **)&l->staging, bytes));
  l->staging_bytes = bytes;
}

void hd_gpu_record(cudaEvent_t event, cudaStream_t stream) {
  HD_CUDA(cudaEventRecord(event, stream));
}

void hd_gpu_await(cudaStream_t stream, cudaEvent_t event) {
  HD_CUDA(cudaStreamWaitEvent(stream, event, 0));
}

hd_gpu *hd_gpu_of_peer(const hd_comm *c, int rank) {
  return (hd_gpu *)c->group->states[rank];
}

void hd_gpu_push(const hd_gpu *g, cudaStream_t stream, const hd_gpu *peer, void *to, const void *from,
                 size_t bytes) {
  if (bytes == 0 || to == from) return;
  if (peer->device == g->device)
    HD_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream));
  else
    HD_CUDA(cudaMemcpyPeerAsync(to, peer->device, from, g->device, bytes, stream));
}

int hd_gpu_enter(hd_comm *c, int lane, hd_call *call) {
  hd_gpu_lane *l = &hd_gpu_of(c)->lanes[lane];
  hd_gpu_record(l->ready, l->stream);
  if (hd_meet_enter(c, lane, call)) return -1;
  for (int step = 1; step < c->world; step++)
    hd_gpu_await(l->stream, hd_gpu_of_peer(c, (c->rank + step) % c->world)->lanes[lane].ready);
  return 0;
}

int hd_gpu_leave(hd_comm *c, int lane) {
  hd_gpu_lane *l = &hd_gpu_of(c)->lanes[lane];
  hd_gpu_record(l->done, l->stream);
  if (hd_meet_leave(c, lane)) return -1;
  for (int step = 1; step < c->world; step++)
    hd_gpu_await(l->stream, hd_gpu_of_peer(c, (c->rank + step) % c->world)->lanes[lane].done);
  return 0;
}

static int barrier(hd_comm *c, hd_call *call) {
  return hd_gpu_enter(c, HD_LANE_CALLS, call) ? -1 : hd_gpu_leave(c, HD_LANE_CALLS);
}

// ---------------------------------------------------------------- started operations

enum { LARGEST_HANDLE = 1 << 30 };

static int start(hd_comm *c, hd_call *call) {
  hd_gpu *g = hd_gpu_of(c);
  hd_gpu_record(g->handoff, g->lanes[HD_LANE_CALLS].stream);
  hd_gpu_await(g->lanes[HD_LANE_HELPER].stream, g->handoff);
  if (c->group->backend->all_reduce(c, HD_LANE_HELPER, call)) return -1;
  const uint64_t number = g->started++;
  hd_gpu_record(g->finished[number % HD_GPU_HANDLES], g->lanes[HD_LANE_HELPER].stream);
  return (int)(number % LARGEST_HANDLE);
}

static int wait_for_handle(hd_comm *c, int handle) {
  hd_gpu *g = hd_gpu_of(c);
  const uint64_t age =
      (g->started + LARGEST_HANDLE - 1 - (uint64_t)handle) % LARGEST_HANDLE;  // 0: the last one
  if (handle < 0 || handle >= LARGEST_HANDLE || age >= g->started)
    return hd_comm_fail(c, "rank %d: wait for handle %d, but %llu operations were started", c->rank, handle,
                        (unsigned long long)g->started);
  const uint64_t number = g->started - 1 - age;
  if (g->waited <= number) g->waited = number + 1;
  // An old handle's event may be a later operation's by now, which is completed after it.
  hd_gpu_await(g->lanes[HD_LANE_CALLS].stream, g->finished[number % HD_GPU_HANDLES]);
  return hd_comm_failed(c) ? -1 : 0;
}

// In the order of the table: designated initialisers are C++20.
const hd_backend_table hd_comm_cuda_backend = {
    open_gpu,
    close_gpu,
    release_gpu,
    hd_comm_lane_stream,
    barrier,
    hd_gpu_all_reduce,
    hd_gpu_reduce,
    hd_gpu_broadcast,
    hd_gpu_reduce_scatter,
    hd_gpu_all_gather,
    hd_gpu_send_start,
    hd_gpu_send_wait,
    hd_gpu_recv_start,
    hd_gpu_recv_wait,
    start,
    wait_for_handle,
    false,
};
