// SPDX-License-Identifier: MIT
// Several devices: memory of their own, copies between peers, a host thread for each. Prints every virtual
// time.
#include "exec_check.h"

#include <thread>

enum { DEVICES = 4, COUNT = 1 << 18, STEPS = 20 };

__global__ void fill(int *x, int n, int value) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) x[i] = value + i;
}

static int *memory[DEVICES];

__device__ int counter = 5, table[64];
__constant__ int factor = 2;
__managed__ int shared_by_all = 1;

__global__ void count(int *result) {
  table[threadIdx.x] += counter * factor;
  __syncthreads();
  if (threadIdx.x == 0) {
    counter++;
    shared_by_all++;
    *result = table[63];
  }
}

// Each device has its own variables.
static void test_variables(void) {
  int got, row[64], *result[DEVICES];
  void *address;
  CHECK(cudaDeviceSynchronize());
  for (int d = 0; d < DEVICES; d++) {
    const int own = d + 1;
    CHECK(cudaSetDevice(d));
    CHECK(cudaMalloc(&result[d], sizeof(int)));
    if (d != 2) CHECK(cudaMemcpyToSymbol(factor, &own, sizeof own));
    for (int i = 0; i <= d; i++) count<<<1, 64>>>(result[d]);
  }
  CHECK(cudaSetDevice(1));
  CHECK(cudaGetSymbolAddress(&address, table));
  CHECK(cudaMemset(address, 0, sizeof row));
  for (int d = DEVICES - 1; d >= 0; d--) {
    CHECK(cudaSetDevice(d));
    CHECK(cudaMemcpyFromSymbol(&got, counter, sizeof got));
    EXPECT(got == 5 + d + 1, "device %d: counter %d", d, got);
    CHECK(cudaMemcpyFromSymbol(row, table, sizeof row));
    int want = 0;
    for (int i = 0; i <= d; i++) want += (5 + i) * (d == 2 ? 2 : d + 1);
    EXPECT(row[63] == (d == 1 ? 0 : want), "device %d: table %d", d, row[63]);
    CHECK(cudaMemcpy(&got, result[d], sizeof got, cudaMemcpyDeviceToHost));
    EXPECT(got == want, "device %d: %d, not %d", d, got, want);
    CHECK(cudaFree(result[d]));
  }
  CHECK(cudaDeviceSynchronize());
  EXPECT(shared_by_all == 1 + 1 + 2 + 3 + 4, "%d", shared_by_all);
}

static void test_ring(void) {
  int can = 0, device = -1;
  for (int d = 0; d < DEVICES; d++) {
    CHECK(cudaSetDevice(d));
    CHECK(cudaGetDevice(&device));
    EXPECT(device == d, "%d", device);
    CHECK(cudaMalloc(&memory[d], COUNT * sizeof(int)));
    fill<<<(COUNT + 255) / 256, 256>>>(memory[d], COUNT, d * 1000);
    const int next = (d + 1) % DEVICES;
    CHECK(cudaDeviceCanAccessPeer(&can, d, next));
    EXPECT(can, "%d to %d", d, next);
    CHECK(cudaDeviceEnablePeerAccess(next, 0));
    EXPECT(cudaDeviceEnablePeerAccess(next, 0) == cudaErrorPeerAccessAlreadyEnabled, "twice");
    (void)cudaGetLastError();
    cudaPointerAttributes attributes;
    CHECK(cudaPointerGetAttributes(&attributes, memory[d] + 5));
    EXPECT(attributes.device == d && attributes.type == cudaMemoryTypeDevice, "%d", attributes.device);
  }
  CHECK(cudaDeviceCanAccessPeer(&can, 1, 1));
  EXPECT(!can, "itself");
  // Once around: device 0 ends with what device 1 had.
  static int back[COUNT];
  for (int d = 0; d < DEVICES - 1; d++) {
    CHECK(cudaMemcpyPeer(memory[d], d, memory[d + 1], d + 1, COUNT * sizeof(int)));
    CHECK(cudaMemcpy(back, memory[d], sizeof back, cudaMemcpyDefault));
    int wrong = 0;
    for (int i = 0; i < COUNT; i++) wrong += back[i] != (d + 1) * 1000 + i;
    EXPECT(wrong == 0, "device %d, %d wrong", d, wrong);
  }
  EXPECT(cudaMemcpyPeer(memory[0], 1, memory[1], 1, 4) == cudaErrorInvalidValue, "not that device's memory");
  (void)cudaGetLastError();
}

static float timed_copies(int together) {
  cudaStream_t stream[2];
  cudaEvent_t from, to[2];
  float ms[2] = {0, 0};
  CHECK(cudaSetDevice(0));
  CHECK(cudaEventCreate(&from));
  for (int i = 0; i < 2; i++) {
    CHECK(cudaSetDevice(2 * i));
    CHECK(cudaStreamCreate(&stream[i]));
    CHECK(cudaEventCreate(&to[i]));
    CHECK(cudaDeviceSynchronize());
  }
  CHECK(cudaSetDevice(0));
  CHECK(cudaEventRecord(from, stream[0]));
  for (int i = 0; i < together; i++) {
    CHECK(cudaSetDevice(2 * i));
    CHECK(cudaMemcpyPeerAsync(memory[2 * i + 1], 2 * i + 1, memory[2 * i], 2 * i, COUNT * sizeof(int),
                              stream[i]));
    CHECK(cudaEventRecord(to[i], stream[i]));
  }
  for (int i = 0; i < together; i++) {
    CHECK(cudaEventSynchronize(to[i]));
    CHECK(cudaEventElapsedTime(&ms[i], from, to[i]));
  }
  for (int i = 0; i < 2; i++) CHECK(cudaStreamDestroy(stream[i]));
  for (int i = 0; i < 2; i++) CHECK(cudaEventDestroy(to[i]));
  CHECK(cudaEventDestroy(from));
  return ms[1] > ms[0] ? ms[1] : ms[0];
}

// One host thread with one device; its times must not depend on what the other threads do.
static void drive(int device, float *ms) {
  const int blocks = COUNT / 256 / (device + 1);
  int *x;
  cudaEvent_t from, to;
  CHECK(cudaSetDevice(device));
  CHECK(cudaMalloc(&x, COUNT * sizeof *x));
  CHECK(cudaEventCreate(&from));
  CHECK(cudaEventCreate(&to));
  CHECK(cudaEventRecord(from));
  for (int i = 0; i < STEPS; i++) {
    fill<<<blocks, 256>>>(x, COUNT, i);
    CHECK(cudaMemcpyAsync(memory[device], x, 1024 * (i + 1), cudaMemcpyDeviceToDevice));
  }
  CHECK(cudaEventRecord(to));
  CHECK(cudaEventSynchronize(to));
  CHECK(cudaEventElapsedTime(ms, from, to));
  CHECK(cudaEventDestroy(from));
  CHECK(cudaEventDestroy(to));
  CHECK(cudaFree(x));
}

int main(void) {
  int devices;
  CHECK(cudaGetDeviceCount(&devices));
  if (devices < DEVICES) {
    printf("%d devices found, %d needed (CUSIM_DEVICES=%d)\n", devices, DEVICES, DEVICES);
    return 1;
  }
  test_ring();
  test_variables();
  const float one = timed_copies(1), two = timed_copies(2);
  printf("one peer copy %a, two pairs at once %a\n", one, two);
  EXPECT(one > 0 && two < 1.5f * one, "%f %f", one, two);
  float ms[DEVICES];
  std::thread thread[DEVICES];
  for (int d = 0; d < DEVICES; d++) thread[d] = std::thread(drive, d, &ms[d]);
  for (int d = 0; d < DEVICES; d++) thread[d].join();
  for (int d = 0; d < DEVICES; d++) {
    printf("device %d driven for %a ms\n", d, ms[d]);
    EXPECT(ms[d] > 0, "%f", ms[d]);
  }
  FINISH();
}
