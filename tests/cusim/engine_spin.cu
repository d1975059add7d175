// SPDX-License-Identifier: MIT
// Threads that poll for what others do: every such wait ends, whoever is polled for.
#include "exec_check.h"

enum { BLOCK = 128, BLOCKS = 300 };

// A decoupled look-back: a block's sum is published when the block before it has published its own.
__global__ void look_back(const int *x, int *inclusive, volatile int *ready) {
  __shared__ int sum;
  if (threadIdx.x == 0) sum = 0;
  __syncthreads();
  atomicAdd(&sum, x[blockIdx.x * blockDim.x + threadIdx.x]);
  __syncthreads();
  if (threadIdx.x != 0) return;
  int before = 0;
  if (blockIdx.x > 0) {
    while (!ready[blockIdx.x - 1]) {
    }
    __threadfence();
    before = inclusive[blockIdx.x - 1];
  }
  inclusive[blockIdx.x] = before + sum;
  __threadfence();
  ready[blockIdx.x] = 1;
}

// The first warp polls a volatile flag that the last thread sets.
__global__ void poll_volatile(volatile int *flag, int *seen) {
  if (threadIdx.x == blockDim.x - 1) flag[blockIdx.x] = 7;
  while (flag[blockIdx.x] == 0) {
  }
  atomicAdd(seen, flag[blockIdx.x]);
}

__global__ void poll_atomic(int *flag, int *seen) {
  if (threadIdx.x == blockDim.x - 1) atomicExch(&flag[blockIdx.x], 1);
  while (atomicAdd(&flag[blockIdx.x], 0) == 0) {
  }
  atomicAdd(seen, 1);
}

__global__ void poll_asleep(volatile int *flag, int *seen) {
  if (threadIdx.x == blockDim.x - 1) flag[blockIdx.x] = 1;
  while (flag[blockIdx.x] == 0) __nanosleep(100);
  atomicAdd(seen, 1);
}

// The lanes of a warp contend for a lock and wait for each other while they hold it.
__global__ void lock_with_a_wait_inside(int *lock, int *count) {
  bool done = false;
  while (!done) {
    if (atomicCAS(lock, 0, 1) == 0) {
      const int now = *(volatile int *)count;
      __nanosleep(10);
      *(volatile int *)count = now + 1;
      __threadfence();
      atomicExch(lock, 0);
      done = true;
    }
  }
}

// A warp that waits for itself in a loop until another warp has come.
__global__ void poll_with_syncwarp(volatile int *flag, int *seen) {
  if (threadIdx.x / 32 == 1) flag[0] = 1;
  if (threadIdx.x / 32 == 0)
    while (flag[0] == 0) __syncwarp();
  atomicAdd(seen, 1);
}

int main(void) {
  int *x, *y, *flag, host[BLOCKS];
  CHECK(cudaMalloc(&x, BLOCKS * BLOCK * sizeof *x));
  CHECK(cudaMalloc(&y, BLOCKS * sizeof *y));
  CHECK(cudaMalloc(&flag, BLOCKS * sizeof *flag));
  static int ones[BLOCKS * BLOCK];
  for (int i = 0; i < BLOCKS * BLOCK; i++) ones[i] = 1;
  CHECK(cudaMemcpy(x, ones, sizeof ones, cudaMemcpyHostToDevice));
#define RESET()                            \
  CHECK(cudaMemset(flag, 0, sizeof host)); \
  CHECK(cudaMemset(y, 0, sizeof host))
#define RESULT()                  \
  CHECK(cudaGetLastError());      \
  CHECK(cudaDeviceSynchronize()); \
  CHECK(cudaMemcpy(host, y, sizeof host, cudaMemcpyDeviceToHost))

  for (int blocks = 1; blocks <= BLOCKS; blocks += 299) {
    RESET();
    look_back<<<blocks, BLOCK>>>(x, y, flag);
    RESULT();
    for (int i = 0; i < blocks; i++) EXPECT(host[i] == (i + 1) * BLOCK, "block %d: %d", i, host[i]);
  }
  RESET();
  look_back<<<20, 4>>>(x, y, flag);  // few threads: no other workers
  RESULT();
  EXPECT(host[19] == 80, "%d", host[19]);

  for (int again = 0; again < 2; again++) {  // traced and not
    RESET();
    poll_volatile<<<2, 40>>>(flag, y);
    RESULT();
    EXPECT(host[0] == 7 * 2 * 40, "%d", host[0]);
    RESET();
    poll_atomic<<<3, 256>>>(flag, y);
    RESULT();
    EXPECT(host[0] == 3 * 256, "%d", host[0]);
    RESET();
    poll_asleep<<<3, 1024>>>(flag, y);
    RESULT();
    EXPECT(host[0] == 3 * 1024, "%d", host[0]);
    RESET();
    lock_with_a_wait_inside<<<4, 64>>>(flag, y);
    RESULT();
    EXPECT(host[0] == 4 * 64, "%d", host[0]);
    RESET();
    poll_with_syncwarp<<<1, 64>>>(flag, y);
    RESULT();
    EXPECT(host[0] == 64, "%d", host[0]);
  }
  FINISH();
}
