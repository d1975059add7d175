// SPDX-License-Identifier: MIT
// Several devices: whose memory it is, whose stream, and who waits for whom. Needs two.
#include "planted.h"

enum { THREADS = 64, BLOCKS = 4, N = THREADS * BLOCKS, BYTES = N * sizeof(int) };

static int *numbers_on(int device) {
  CHECK(cudaSetDevice(device));
  return device_numbers(N);
}

static int wrong_numbers(const int *device, int factor) {
  int host[N], wrong = 0;
  fetch(host, device, N);
  for (int i = 0; i < N; i++) wrong += host[i] != factor * i;
  return wrong;
}

// CASE peer_not_enabled: A kernel may touch another device's memory only after cudaDeviceEnablePeerAccess.
static __global__ void peer_not_enabled_reader(const int *peer, int *out) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  out[i] = 2 * peer[i];  // BUG: peer-access
}
static int peer_not_enabled(int bug) {
  int *there = numbers_on(1), *here = numbers_on(0);
  if (!bug) CHECK(cudaDeviceEnablePeerAccess(1, 0));
  peer_not_enabled_reader<<<BLOCKS, THREADS>>>(there, here);
  finish();
  const int wrong = wrong_numbers(here, 2);
  CHECK(cudaFree(here));
  CHECK(cudaSetDevice(1));
  CHECK(cudaFree(there));
  return wrong;
}

// CASE peer_enabled_one_way: Access is enabled for the current device: device 1 may now read device 0, but it
// is device 0 that reads.
static __global__ void peer_enabled_one_way_reader(const int *peer, int *out) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  out[i] = 2 * peer[i];  // BUG: peer-access
}
static int peer_enabled_one_way(int bug) {
  int *here = numbers_on(0), *there = numbers_on(1);
  if (!bug) CHECK(cudaSetDevice(0));
  CHECK(cudaDeviceEnablePeerAccess(bug ? 0 : 1, 0));
  CHECK(cudaSetDevice(0));
  peer_enabled_one_way_reader<<<BLOCKS, THREADS>>>(there, here);
  finish();
  const int wrong = wrong_numbers(here, 2);
  CHECK(cudaFree(here));
  CHECK(cudaSetDevice(1));
  CHECK(cudaFree(there));
  return wrong;
}

// CASE set_device_forgotten: A loop over the devices allocates on each; the loop that launches does not
// select the device, so all kernels run on the last one.
static __global__ void set_device_forgotten_double(int *data) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  data[i] *= 2;  // BUG: peer-access
}
static int set_device_forgotten(int bug) {
  int *data[2], wrong = 0;
  for (int d = 0; d < 2; d++) data[d] = numbers_on(d);
  for (int d = 0; d < 2; d++) {
    if (!bug) CHECK(cudaSetDevice(d));
    set_device_forgotten_double<<<BLOCKS, THREADS>>>(data[d]);
  }
  for (int d = 0; d < 2; d++) {
    CHECK(cudaSetDevice(d));
    finish();
    wrong += wrong_numbers(data[d], 2);
    CHECK(cudaFree(data[d]));
  }
  return wrong;
}

// CASE stream_of_other_device: A stream belongs to the device that was current when it was made: a launch
// into it from another device fails, and what it should have written is not there.
static __global__ void stream_of_other_device_first(int *data) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  data[i] = i;
}
static __global__ void stream_of_other_device_second(int *data) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  data[i] *= 2;  // BUG: uninitialised-global
}
static int stream_of_other_device(int bug) {
  cudaStream_t stream;
  CHECK(cudaSetDevice(bug ? 1 : 0));
  CHECK(cudaStreamCreate(&stream));
  CHECK(cudaSetDevice(0));
  int *data = (int *)device_bytes(BYTES);
  stream_of_other_device_first<<<BLOCKS, THREADS, 0, stream>>>(data);
  stream_of_other_device_second<<<BLOCKS, THREADS>>>(data);
  CHECK(cudaDeviceSynchronize());
  const int wrong = wrong_numbers(data, 2);
  CHECK(cudaStreamDestroy(stream));
  CHECK(cudaFree(data));
  return wrong;
}

// CASE peer_copy_too_early: Device 1 fetches a result of device 0 in its own stream, which does not wait for
// the kernel on device 0 that computes it.
static __global__ void peer_copy_too_early_producer(int *data) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  data[i] *= 2;  // BUG: race-stream
}
static int peer_copy_too_early(int bug) {
  int *to = numbers_on(1), *from = numbers_on(0);
  cudaStream_t stream[2];
  cudaEvent_t computed;
  for (int d = 0; d < 2; d++) {
    CHECK(cudaSetDevice(d));
    CHECK(cudaDeviceSynchronize());
    CHECK(cudaStreamCreateWithFlags(&stream[d], cudaStreamNonBlocking));
  }
  CHECK(cudaSetDevice(0));
  CHECK(cudaEventCreateWithFlags(&computed, cudaEventDisableTiming));
  peer_copy_too_early_producer<<<BLOCKS, THREADS, 0, stream[0]>>>(from);
  CHECK(cudaEventRecord(computed, stream[0]));
  CHECK(cudaSetDevice(1));
  if (!bug) CHECK(cudaStreamWaitEvent(stream[1], computed, 0));
  CHECK(cudaMemcpyPeerAsync(to, 1, from, 0, BYTES, stream[1]));  // BUG: race-stream
  CHECK(cudaStreamSynchronize(stream[1]));
  const int wrong = wrong_numbers(to, 2);
  CHECK(cudaFree(to));
  CHECK(cudaStreamDestroy(stream[1]));
  CHECK(cudaSetDevice(0));
  CHECK(cudaDeviceSynchronize());
  CHECK(cudaEventDestroy(computed));
  CHECK(cudaStreamDestroy(stream[0]));
  CHECK(cudaFree(from));
  return wrong;
}

PLANTED_MAIN(PLANTED(peer_not_enabled), PLANTED(peer_enabled_one_way), PLANTED(set_device_forgotten),
             PLANTED(stream_of_other_device), PLANTED(peer_copy_too_early))
