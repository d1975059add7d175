// SPDX-License-Identifier: MIT
// Work in streams is done when somebody waits for it: what the host reads before is what was there before.
// With an argument: a program that forgets to order two streams, whose result hangs on CUSIM_SCHEDULE.
#include "exec_check.h"

#include <string.h>
#include <atomic>
#include <thread>

enum { N = 1 << 12 };

__global__ void add(int *x, int n, int value) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) x[i] += value;
}
__global__ void sum_of(const int *x, int n, int *sum) {
  int s = 0;
  for (int i = 0; i < n; i++) s += x[i];
  *sum = s;
}
__global__ void raise_flag(volatile int *flag, int value) {
  *flag = value;
}
__global__ void wait_for_flag(volatile int *flag, int value, volatile int *answer) {
  while (*flag != value) {
  }
  *answer = value + 1;
}
__global__ void trap_now(void) {
  __trap();
}
static void count_up(void *counter) {
  ++*(int *)counter;
}

static int *x, *pinned, *managed;
static cudaStream_t a, b;

static void set_all(int value) {
  CHECK(cudaDeviceSynchronize());
  for (int i = 0; i < N; i++) pinned[i] = value;
  CHECK(cudaMemcpy(x, pinned, N * sizeof *x, cudaMemcpyHostToDevice));
}

// The checker and CUDA_LAUNCH_BLOCKING do things when they are issued, other schedules when they like: then
// a forgotten wait need not show.
static bool lazy(void) {
  return !getenv("CUSIM_CHECK") && !getenv("CUSIM_SCHEDULE") && !getenv("CUDA_LAUNCH_BLOCKING");
}

static void test_host_reads_early(void) {
  set_all(1);
  add<<<N / 256, 256, 0, a>>>(x, N, 1);
  CHECK(cudaMemcpyAsync(pinned, x, N * sizeof *x, cudaMemcpyDeviceToHost, a));
  if (lazy()) EXPECT(pinned[0] == 1 && pinned[N - 1] == 1, "%d %d", pinned[0], pinned[N - 1]);
  CHECK(cudaStreamSynchronize(a));
  EXPECT(pinned[0] == 2 && pinned[N - 1] == 2, "%d %d", pinned[0], pinned[N - 1]);
  // The other way around: what the host writes before it has waited is copied.
  set_all(5);
  CHECK(cudaMemcpyAsync(x, pinned, N * sizeof *x, cudaMemcpyHostToDevice, a));
  if (lazy()) pinned[7] = 6;
  CHECK(cudaStreamSynchronize(a));
  CHECK(cudaMemcpy(pinned, x, N * sizeof *x, cudaMemcpyDeviceToHost));
  if (lazy()) EXPECT(pinned[7] == 6, "%d", pinned[7]);
  // Managed memory is the host's when it has waited.
  managed[0] = 1;
  add<<<1, 1>>>(managed, 1, 1);
  if (lazy()) EXPECT(managed[0] == 1, "%d", managed[0]);
  CHECK(cudaDeviceSynchronize());
  EXPECT(managed[0] == 2, "%d", managed[0]);
}

static void test_pageable(void) {
  static int here[N], back[N];
  for (int i = 0; i < N; i++) here[i] = 3;
  CHECK(cudaMemcpyAsync(x, here, sizeof here, cudaMemcpyHostToDevice, a));
  memset(here, 0, sizeof here);  // it has left when the call returns
  CHECK(cudaMemcpyAsync(back, x, sizeof back, cudaMemcpyDeviceToHost, a));
  EXPECT(back[0] == 3 && back[N - 1] == 3, "%d %d", back[0], back[N - 1]);
}

static void test_what_waits(void) {
  int counter = 0;
  set_all(0);
  add<<<1, 1, 0, a>>>(x, 1, 1);
  CHECK(cudaLaunchHostFunc(a, count_up, &counter));
  CHECK(cudaMemsetAsync(x + 1, 1, 4, b));
  if (lazy()) EXPECT(counter == 0, "%d", counter);
  CHECK(cudaStreamSynchronize(b));
  if (lazy()) EXPECT(counter == 0, "another stream was waited for: %d", counter);
  CHECK(cudaStreamSynchronize(a));
  EXPECT(counter == 1, "%d", counter);

  cudaEvent_t event, later;
  CHECK(cudaEventCreate(&event));
  CHECK(cudaEventCreate(&later));
  CHECK(cudaLaunchHostFunc(a, count_up, &counter));
  CHECK(cudaEventRecord(event, a));
  CHECK(cudaLaunchHostFunc(a, count_up, &counter));
  CHECK(cudaEventRecord(later, a));
  if (lazy()) {
    float ms;
    EXPECT(cudaEventElapsedTime(&ms, event, later) == cudaErrorNotReady, "nobody has waited");
  }
  CHECK(cudaEventSynchronize(event));
  if (lazy()) EXPECT(counter == 2, "%d", counter);
  while (cudaEventQuery(later) == cudaErrorNotReady) {
  }
  EXPECT(counter == 3, "%d", counter);
  // An event is waited for with all that its stream had waited for.
  CHECK(cudaLaunchHostFunc(a, count_up, &counter));
  CHECK(cudaEventRecord(event, a));
  CHECK(cudaStreamWaitEvent(b, event));
  CHECK(cudaStreamSynchronize(b));
  EXPECT(counter == 4, "%d", counter);
  // The default stream waits for blocking streams, and they for it.
  CHECK(cudaLaunchHostFunc(a, count_up, &counter));
  add<<<1, 1>>>(x, 1, 1);
  CHECK(cudaStreamSynchronize(0));
  EXPECT(counter == 5, "%d", counter);
  CHECK(cudaLaunchHostFunc(0, count_up, &counter));
  CHECK(cudaMemsetAsync(x, 0, 4, a));
  CHECK(cudaStreamSynchronize(a));
  EXPECT(counter == 6, "%d", counter);
  // A destroyed stream's work is done all the same, and memory is not freed under it.
  cudaStream_t gone;
  int *y;
  CHECK(cudaStreamCreate(&gone));
  CHECK(cudaMalloc(&y, 64));
  CHECK(cudaMemsetAsync(y, 0, 64, gone));
  add<<<1, 16, 0, gone>>>(y, 16, 4);
  CHECK(cudaMemcpyAsync(pinned, y, 64, cudaMemcpyDeviceToHost, gone));
  CHECK(cudaStreamDestroy(gone));
  CHECK(cudaFree(y));
  EXPECT(pinned[15] == 4, "%d", pinned[15]);
  CHECK(cudaMallocAsync(&y, 64, a));
  CHECK(cudaMemsetAsync(y, 0, 64, a));
  CHECK(cudaFreeAsync(y, a));
  EXPECT(cudaFreeAsync(y, a) == cudaErrorInvalidValue, "freed twice");
  CHECK(cudaStreamSynchronize(a));
  EXPECT(cudaFree(y) == cudaErrorInvalidValue, "freed twice");
  (void)cudaGetLastError();
  CHECK(cudaEventDestroy(event));
  CHECK(cudaEventDestroy(later));
}

static void test_flags(void) {
  // A kernel that waits for the host: what is asked meanwhile is answered.
  volatile int *flag = pinned;
  flag[0] = flag[1] = 0;
  wait_for_flag<<<1, 1, 0, a>>>(flag, 1, flag + 1);
  EXPECT(cudaStreamQuery(a) == cudaErrorNotReady, "it waits");
  flag[0] = 1;
  CHECK(cudaStreamSynchronize(a));
  EXPECT(flag[1] == 2, "%d", flag[1]);
  // A kernel that waits for one issued later to another stream.
  wait_for_flag<<<1, 1, 0, a>>>(flag, 7, flag + 1);
  raise_flag<<<1, 1, 0, b>>>(flag, 7);
  CHECK(cudaDeviceSynchronize());
  EXPECT(flag[1] == 8, "%d", flag[1]);
  // The host polls what a kernel writes, and calls nothing.
  raise_flag<<<1, 1, 0, a>>>(flag, 9);
  while (flag[0] != 9) {
  }
  CHECK(cudaDeviceSynchronize());
}

static void test_threads(void) {
  enum { THREADS = 4, ROUNDS = 20 };
  std::thread threads[THREADS];
  std::atomic<int> wrong(0);
  for (int t = 0; t < THREADS; t++)
    threads[t] = std::thread([t, &wrong] {
      cudaStream_t own;
      int *y, got = 0;
      if (cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking) || cudaMallocAsync(&y, 64, own)) wrong++;
      for (int i = 0; i < ROUNDS; i++) {
        cudaMemsetAsync(y, 0, 64, own);
        for (int k = 0; k <= i; k++) add<<<1, 16, 0, own>>>(y, 16, t + 1);
        cudaMemcpyAsync(&got, y, sizeof got, cudaMemcpyDeviceToHost, own);
        if (got != (i + 1) * (t + 1)) wrong++;
      }
      cudaFreeAsync(y, own);
      cudaStreamDestroy(own);
    });
  for (int t = 0; t < THREADS; t++) threads[t].join();
  EXPECT(wrong == 0, "%d", (int)wrong);
}

static void test_error_shows_late(void) {
  trap_now<<<1, 1, 0, a>>>();
  if (lazy()) EXPECT(cudaGetLastError() == cudaSuccess, "nothing has run");
  EXPECT(cudaStreamSynchronize(a) == cudaErrorLaunchFailure, "now it has");
  EXPECT(cudaGetLastError() == cudaErrorLaunchFailure, "and stays");
}

// The second stream does not wait for the first.
static int forgotten_order(void) {
  int sum = 0;
  CHECK(cudaMemset(x, 0, N * sizeof *x));
  CHECK(cudaDeviceSynchronize());
  for (int i = 0; i < 4; i++) add<<<N / 256, 256, 0, a>>>(x, N, 1);
  sum_of<<<1, 1, 0, b>>>(x, N, managed);
  CHECK(cudaDeviceSynchronize());
  sum = managed[0];
  printf("sum %d\n", sum);
  return 0;
}

int main(int argc, char **argv) {
  (void)argv;
  CHECK(cudaMalloc(&x, N * sizeof *x));
  CHECK(cudaMallocHost(&pinned, N * sizeof *pinned));
  CHECK(cudaMallocManaged(&managed, 64));
  const unsigned flags = argc > 1 ? cudaStreamNonBlocking : cudaStreamDefault;
  CHECK(cudaStreamCreateWithFlags(&a, flags));
  CHECK(cudaStreamCreateWithFlags(&b, flags));
  if (argc > 1) return forgotten_order();
  test_host_reads_early();
  test_pageable();
  test_what_waits();
  if (!getenv("CUSIM_CHECK")) test_flags();  // the checker runs everything at once
  test_threads();
  test_error_shows_late();
  FINISH();
}
