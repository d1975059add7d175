// SPDX-License-Identifier: MIT
// The order of work in streams, seen through virtual times: what overlaps, what waits. Prints every time, so
// that two runs can be compared.
#include "exec_check.h"

#include <math.h>

enum { BYTES = 4 << 20, ROUNDS = 400000, STREAMS = 4 };

__global__ void spin(float *x, int rounds) {
  float v = x[0];
  for (int i = 0; i < rounds; i++) v = v * 0.5f + 1;
  x[0] = v;
}
__global__ void append(int *log, int value) {
  log[++log[0]] = value;
}

static float between(cudaEvent_t from, cudaEvent_t to) {
  float ms = -1;
  CHECK(cudaEventElapsedTime(&ms, from, to));
  return ms;
}

static cudaEvent_t new_event(void) {
  cudaEvent_t event;
  CHECK(cudaEventCreate(&event));
  return event;
}

static float *host, *device[STREAMS];
static cudaStream_t stream[STREAMS], blocking;
static cudaEvent_t from, to;
static float kernel_ms, copy_ms;

static void begin(cudaStream_t s) {
  CHECK(cudaDeviceSynchronize());
  CHECK(cudaEventRecord(from, s));
}
static float end(cudaStream_t s) {
  CHECK(cudaEventRecord(to, s));
  CHECK(cudaDeviceSynchronize());
  return between(from, to);
}
static bool near(float a, float b) {
  return fabsf(a - b) <= 0.1f * b;
}
static void kernel_on(int i, cudaStream_t s) {
  spin<<<1, 1, 0, s>>>(device[i], ROUNDS);
}
static void copy_on(int i, cudaStream_t s) {
  CHECK(cudaMemcpyAsync(host, device[i], BYTES, cudaMemcpyDeviceToHost, s));
}

static void test_single(void) {
  begin(stream[0]);
  kernel_on(0, stream[0]);
  kernel_ms = end(stream[0]);
  begin(stream[0]);
  copy_on(0, stream[0]);
  copy_ms = end(stream[0]);
  begin(stream[0]);
  kernel_on(0, stream[0]);
  copy_on(0, stream[0]);
  const float both = end(stream[0]);
  printf("kernel %a copy %a both %a\n", kernel_ms, copy_ms, both);
  EXPECT(kernel_ms > 0 && copy_ms > 0 && near(both, kernel_ms + copy_ms), "%f %f %f", kernel_ms, copy_ms,
         both);
}

static void test_overlap(void) {
  // A kernel and a copy in two streams: as long as the longer of them.
  begin(stream[0]);
  copy_on(1, stream[1]);
  kernel_on(0, stream[0]);
  cudaEvent_t copied = new_event();
  CHECK(cudaEventRecord(copied, stream[1]));
  const float kernel_end = end(stream[0]), copy_end = between(from, copied);
  printf("overlapped: kernel %a copy %a\n", kernel_end, copy_end);
  EXPECT(near(fmaxf(kernel_end, copy_end), fmaxf(kernel_ms, copy_ms)), "%f %f", kernel_end, copy_end);
  // Copies of one direction share an engine: one after the other. Kernels of one block each do not.
  begin(stream[0]);
  for (int i = 0; i < STREAMS; i++) copy_on(i, stream[i]);
  for (int i = 1; i < STREAMS; i++) {
    CHECK(cudaEventRecord(copied, stream[i]));
    CHECK(cudaStreamWaitEvent(stream[0], copied));
  }
  const float copies = end(stream[0]);
  begin(stream[0]);
  for (int i = 0; i < STREAMS; i++) kernel_on(i, stream[i]);
  for (int i = 1; i < STREAMS; i++) {
    CHECK(cudaEventRecord(copied, stream[i]));
    CHECK(cudaStreamWaitEvent(stream[0], copied));
  }
  const float kernels = end(stream[0]);
  printf("copies %a kernels %a\n", copies, kernels);
  EXPECT(near(copies, STREAMS * copy_ms), "%f", copies);
  EXPECT(near(kernels, kernel_ms), "%f", kernels);
  // The two directions have an engine each.
  begin(stream[0]);
  copy_on(0, stream[0]);
  CHECK(cudaMemcpyAsync(device[1], host, BYTES, cudaMemcpyHostToDevice, stream[1]));
  CHECK(cudaEventRecord(copied, stream[1]));
  CHECK(cudaStreamWaitEvent(stream[0], copied));
  const float directions = end(stream[0]);
  printf("two directions %a\n", directions);
  EXPECT(near(directions, copy_ms), "%f", directions);
  CHECK(cudaEventDestroy(copied));
}

static void test_default_stream(void) {
  // The default stream waits for blocking streams and they for it; non-blocking ones do not care.
  begin(0);
  kernel_on(0, blocking);
  kernel_on(1, 0);
  kernel_on(2, blocking);
  const float chained = end(blocking);
  begin(stream[0]);
  kernel_on(0, 0);
  kernel_on(1, stream[0]);
  const float apart = end(stream[0]);
  printf("with the default stream: blocking %a non-blocking %a\n", chained, apart);
  EXPECT(near(chained, 3 * kernel_ms), "%f", chained);
  EXPECT(near(apart, kernel_ms), "%f", apart);
}

static void test_waits(void) {
  cudaEvent_t never = new_event(), done = new_event();
  EXPECT(cudaEventQuery(never) == cudaSuccess, "an event that was not recorded is done");
  CHECK(cudaStreamWaitEvent(stream[0], never));
  CHECK(cudaDeviceSynchronize());
  kernel_on(0, stream[0]);
  CHECK(cudaEventRecord(done, stream[0]));
  EXPECT(cudaEventQuery(done) == cudaErrorNotReady, "the host is ahead of the device");
  EXPECT(cudaStreamQuery(stream[0]) == cudaErrorNotReady, "the host is ahead of the device");
  CHECK(cudaEventSynchronize(done));
  EXPECT(cudaEventQuery(done) == cudaSuccess && cudaStreamQuery(stream[0]) == cudaSuccess, "after waiting");
  EXPECT(cudaGetLastError() == cudaSuccess, "not ready is no error");
  // A chain through three streams takes three kernels.
  begin(stream[0]);
  for (int i = 0; i < 3; i++) {
    kernel_on(i, stream[i]);
    CHECK(cudaEventRecord(done, stream[i]));
    CHECK(cudaStreamWaitEvent(stream[i + 1], done));
  }
  const float chain = end(stream[3]);
  printf("chain %a\n", chain);
  EXPECT(near(chain, 3 * kernel_ms), "%f", chain);
  CHECK(cudaEventDestroy(never));
  CHECK(cudaEventDestroy(done));
}

static void set_flag(void *data) {
  *(int *)data += 1;
}

static void test_order(void) {
  int *log, seen[8] = {0}, called = 0;
  CHECK(cudaMalloc(&log, sizeof seen));
  CHECK(cudaMemsetAsync(log, 0, sizeof seen, stream[0]));
  for (int i = 1; i <= 5; i++) append<<<1, 1, 0, stream[0]>>>(log, i * i);
  CHECK(cudaLaunchHostFunc(stream[0], set_flag, &called));
  CHECK(cudaMemcpyAsync(seen, log, sizeof seen, cudaMemcpyDeviceToHost, stream[0]));
  CHECK(cudaStreamSynchronize(stream[0]));
  EXPECT(seen[0] == 5 && called == 1, "%d %d", seen[0], called);
  for (int i = 1; i <= 5; i++) EXPECT(seen[i] == i * i, "[%d] is %d", i, seen[i]);
  CHECK(cudaFree(log));
}

int main(void) {
  CHECK(cudaMallocHost(&host, BYTES));
  for (int i = 0; i < STREAMS; i++) {
    CHECK(cudaMalloc(&device[i], BYTES));
    CHECK(cudaMemset(device[i], 0, BYTES));
    CHECK(cudaStreamCreateWithFlags(&stream[i], cudaStreamNonBlocking));
  }
  CHECK(cudaStreamCreate(&blocking));
  from = new_event();
  to = new_event();
  test_single();
  test_overlap();
  test_default_stream();
  test_waits();
  test_order();
  for (int i = 0; i < STREAMS; i++) CHECK(cudaStreamDestroy(stream[i]));
  CHECK(cudaGetLastError());
  CHECK(cudaDeviceSynchronize());
  FINISH();
}
