// SPDX-License-Identifier: MIT
// Ideas: staged, two copies over the host's link, the second after the first; peer, one copy over the link
// between the GPUs; managed, no copy in the program: pages move to the GPU that is about to use them.
//
// The host needs longer to issue a copy than a short one takes. So all copies are issued while a long one is
// still under way, and what the events measure is the links.
#include <cuda_runtime.h>
#include <heddle/device.h>

#include "links.h"

enum { BLOCK = 256, LONG_COPY = 64 << 20, MOST_DEVICES = 2 };

typedef struct road {
  int device[2];
  cudaStream_t stream, other;  // of the first GPU, of the second
  unsigned char *at[2];        // the data on each; managed: the same
  unsigned char *host, *busy[2];
  size_t bytes;
} road;

typedef void hop(const road *r, int from);

__global__ static void turn_over(unsigned char *x, size_t bytes) {
  const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < bytes) x[i] = (unsigned char)~x[i];
}

// ---------------------------------------------------------------- the ways

static void staged(const road *r, int from) {
  HD_CUDA(cudaMemcpyAsync(r->host, r->at[from], r->bytes, cudaMemcpyDeviceToHost, r->stream));
  HD_CUDA(cudaMemcpyAsync(r->at[1 - from], r->host, r->bytes, cudaMemcpyHostToDevice, r->stream));
}

static void peer(const road *r, int from) {
  HD_CUDA(cudaMemcpyPeerAsync(r->at[1 - from], r->device[1 - from], r->at[from], r->device[from], r->bytes,
                              r->stream));
}

static void managed(const road *r, int from) {
  const int to = r->device[1 - from];
#if CUDART_VERSION >= 13000
  cudaMemLocation location;
  location.type = cudaMemLocationTypeDevice;
  location.id = to;
  HD_CUDA(cudaMemPrefetchAsync(r->at[0], r->bytes, location, 0, r->stream));
#else
  HD_CUDA(cudaMemPrefetchAsync(r->at[0], r->bytes, to, r->stream));
#endif
}

// ---------------------------------------------------------------- a trip

static void *memory_on(int device, size_t bytes) {
  void *p;
  HD_CUDA(cudaSetDevice(device));
  HD_CUDA(cudaMalloc(&p, bytes));
  return p;
}

// Direct copies need both sides' consent, where the hardware can.
static void enable(int device, int other) {
  int possible = 0;
  if (device != other) HD_CUDA(cudaDeviceCanAccessPeer(&possible, device, other));
  if (!possible) return;
  HD_CUDA(cudaSetDevice(device));
  const cudaError_t status = cudaDeviceEnablePeerAccess(other, 0);
  if (status == cudaErrorPeerAccessAlreadyEnabled)
    cudaGetLastError();
  else
    HD_CUDA(status);
}

static road open_road(size_t bytes, bool one_for_all) {
  road r;
  r.bytes = bytes;
  for (int i = 0; i < MOST_DEVICES; i++) r.device[i] = i % hd_device_count();
  enable(r.device[0], r.device[1]);
  enable(r.device[1], r.device[0]);
  for (int i = 0; i < MOST_DEVICES; i++) {
    r.busy[i] = (unsigned char *)memory_on(r.device[i], LONG_COPY);
    r.at[i] = one_for_all ? NULL : (unsigned char *)memory_on(r.device[i], bytes);
    if (!one_for_all) HD_CUDA(cudaMemset(r.at[i], 0, bytes));
    // Filling does not wait, and streams that don't block don't wait for it.
    HD_CUDA(cudaDeviceSynchronize());
  }
  HD_CUDA(cudaStreamCreateWithFlags(&r.other, cudaStreamNonBlocking));
  HD_CUDA(cudaSetDevice(r.device[0]));
  HD_CUDA(cudaStreamCreateWithFlags(&r.stream, cudaStreamNonBlocking));
  HD_CUDA(cudaMallocHost((void **)&r.host, bytes));
  if (one_for_all) {
    HD_CUDA(cudaMallocManaged((void **)&r.at[0], bytes, cudaMemAttachGlobal));
    r.at[1] = r.at[0];
  }
  return r;
}

static void close_road(const road *r) {
  for (int i = 0; i < MOST_DEVICES; i++) {
    HD_CUDA(cudaFree(r->busy[i]));
    if (i == 0 || r->at[1] != r->at[0]) HD_CUDA(cudaFree(r->at[i]));
  }
  HD_CUDA(cudaFreeHost(r->host));
  HD_CUDA(cudaStreamDestroy(r->stream));
  HD_CUDA(cudaStreamDestroy(r->other));
  HD_CUDA(cudaSetDevice(0));
}

// The second GPU turns all bits over, once the copy to it has ended; else it turns over what was there
// before.
static void there_and_back(const road *r, hop *way, bool waits) {
  cudaEvent_t arrived, turned;
  HD_CUDA(cudaEventCreateWithFlags(&arrived, cudaEventDisableTiming));
  way(r, 0);
  HD_CUDA(cudaEventRecord(arrived, r->stream));
  HD_CUDA(cudaSetDevice(r->device[1]));
  HD_CUDA(cudaEventCreateWithFlags(&turned, cudaEventDisableTiming));
  if (waits) HD_CUDA(cudaStreamWaitEvent(r->other, arrived, 0));
  turn_over<<<(unsigned)((r->bytes + BLOCK - 1) / BLOCK), BLOCK, 0, r->other>>>(r->at[1], r->bytes);
  HD_LAUNCHED();
  HD_CUDA(cudaEventRecord(turned, r->other));
  HD_CUDA(cudaSetDevice(r->device[0]));
  if (waits) HD_CUDA(cudaStreamWaitEvent(r->stream, turned, 0));
  way(r, 1);
  HD_CUDA(cudaStreamSynchronize(r->stream));
  HD_CUDA(cudaStreamSynchronize(r->other));
  HD_CUDA(cudaEventDestroy(arrived));
  HD_CUDA(cudaEventDestroy(turned));
}

static double timed(const road *r, hop *way, int rounds) {
  cudaEvent_t start, stop;
  float ms = 0;
  HD_CUDA(cudaEventCreate(&start));
  HD_CUDA(cudaEventCreate(&stop));
  HD_CUDA(cudaMemcpyPeerAsync(r->busy[1], r->device[1], r->busy[0], r->device[0], LONG_COPY, r->stream));
  HD_CUDA(cudaEventRecord(start, r->stream));
  for (int i = 0; i < 2 * rounds; i++) way(r, i % 2);
  HD_CUDA(cudaEventRecord(stop, r->stream));
  HD_CUDA(cudaEventSynchronize(stop));
  HD_CUDA(cudaEventElapsedTime(&ms, start, stop));
  HD_CUDA(cudaEventDestroy(start));
  HD_CUDA(cudaEventDestroy(stop));
  return ms * 1e-3 / (2 * rounds);
}

static void travel(trip *t, hop *way, bool one_for_all, bool waits) {
  const road r = open_road(t->bytes, one_for_all);
  HD_CUDA(cudaMemcpy(r.at[0], t->data, t->bytes, cudaMemcpyDefault));
  there_and_back(&r, way, waits);
  HD_CUDA(cudaMemcpy(t->returned, r.at[0], t->bytes, cudaMemcpyDefault));
  if (t->timed) t->seconds = timed(&r, way, t->timed);
  close_road(&r);
}

void trip_staged(trip *t) {
  travel(t, staged, false, true);
}
void trip_peer(trip *t) {
  travel(t, peer, false, true);
}
void trip_managed(trip *t) {
  travel(t, managed, true, true);
}
void trip_no_wait(trip *t) {
  travel(t, peer, false, false);
}
