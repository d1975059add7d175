// SPDX-License-Identifier: MIT
// Barriers that only some threads reach.
#include <cooperative_groups.h>

#include "planted.h"

enum { THREADS = 128, N = 300 };

// CASE barrier_in_branch: The barrier stands inside a branch that half of the block takes: the other half
// wait at no barrier, or at another one.
static __global__ void barrier_in_branch_bug(const int *in, int *out) {
  __shared__ int s[THREADS];
  const int t = threadIdx.x;
  s[t] = in[t];
  if (t < THREADS / 2) {
    __syncthreads();  // BUG: divergent-barrier
    s[t] += s[t + THREADS / 2];
  }
  out[t] = s[t];
}
// A branch that the whole block takes or not may hold a barrier.
static __global__ void barrier_in_branch_twin(const int *in, int *out) {
  __shared__ int s[THREADS];
  const int t = threadIdx.x;
  s[t] = in[t];
  if (blockDim.x == THREADS) {
    __syncthreads();
    if (t < THREADS / 2) s[t] += s[t + THREADS / 2];
  }
  out[t] = s[t];
}
static int barrier_in_branch(int bug) {
  void (*kernel)(const int *, int *) = bug ? barrier_in_branch_bug : barrier_in_branch_twin;
  int *in = device_numbers(THREADS), *out = device_zeros(THREADS), host[THREADS], wrong = 0;
  kernel<<<1, THREADS>>>(in, out);
  finish();
  fetch(host, out, THREADS);
  for (int t = 0; t < THREADS; t++) wrong += host[t] != (t < THREADS / 2 ? 2 * t + THREADS / 2 : t);
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE barrier_in_loop: Each thread runs the loop as often as it has elements, so in the last round some wait
// at the barrier inside and some at the one behind: the number of rounds must be the same for the whole
// block.
static __global__ void barrier_in_loop_bug(const int *in, int *out, int n) {
  __shared__ int s[THREADS];
  const int t = threadIdx.x;
  for (int i = t; i < n; i += THREADS) {
    s[t] = in[i];
    __syncthreads();  // BUG: divergent-barrier
    out[i] = s[t ^ 1];
    __syncthreads();  // BUG: divergent-barrier
  }
  s[t] = t;
  __syncthreads();  // BUG: divergent-barrier
  out[n + t] = s[t ^ 1];
}
static __global__ void barrier_in_loop_twin(const int *in, int *out, int n) {
  __shared__ int s[THREADS];
  const int t = threadIdx.x;
  for (int first = 0; first < n; first += THREADS) {
    const int i = first + t;
    if (i < n) s[t] = in[i];
    __syncthreads();
    if (i < n) out[i] = s[t ^ 1];
    __syncthreads();
  }
  s[t] = t;
  __syncthreads();
  out[n + t] = s[t ^ 1];
}
static int barrier_in_loop(int bug) {
  void (*kernel)(const int *, int *, int) = bug ? barrier_in_loop_bug : barrier_in_loop_twin;
  int *in = device_numbers(N), *out = device_zeros(N + THREADS), host[N + THREADS], wrong = 0;
  kernel<<<1, THREADS>>>(in, out, N);
  finish();
  fetch(host, out, N + THREADS);
  for (int i = 0; i < N + THREADS; i++) wrong += host[i] != (i < N ? i ^ 1 : (i - N) ^ 1);
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE early_return: Threads behind the end return before they have stored their element and before the
// barrier: the others read what nobody stored. A guard may skip the load, not the store of the neutral
// element and the barrier.
static __global__ void early_return_bug(const int *in, int *out, int n) {
  __shared__ int s[THREADS];
  const int t = threadIdx.x, i = blockIdx.x * THREADS + t;
  if (i >= n) return;
  s[t] = in[i];
  __syncthreads();
  out[i] = s[THREADS - 1 - t];  // BUG: uninitialised-shared
}
// Whole blocks may leave early: nobody waits for them.
static __global__ void early_return_twin(const int *in, int *out, int n) {
  __shared__ int s[THREADS];
  const int t = threadIdx.x, i = blockIdx.x * THREADS + t;
  if ((int)blockIdx.x * THREADS >= n) return;
  s[t] = i < n ? in[i] : 0;
  __syncthreads();
  if (i < n) out[i] = s[THREADS - 1 - t];
}
static int early_return(int bug) {
  void (*kernel)(const int *, int *, int) = bug ? early_return_bug : early_return_twin;
  int *in = device_numbers(N), *out = device_zeros(N), host[N], wrong = 0;
  kernel<<<N / THREADS + 2, THREADS>>>(in, out, N);
  finish();
  fetch(host, out, N);
  for (int i = 0; i < N; i++) {
    const int mirror = i / THREADS * THREADS + THREADS - 1 - i % THREADS;
    wrong += host[i] != (mirror < N ? mirror : 0);
  }
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE two_barriers: The two sides of a branch have a barrier each: threads wait at different ones. One
// barrier behind the branch serves both.
static __global__ void two_barriers_bug(const int *in, int *out) {
  __shared__ int s[THREADS];
  const int t = threadIdx.x;
  if (t % 2 == 0) {
    s[t] = in[t];
    __syncthreads();  // BUG: divergent-barrier
  } else {
    s[t] = -in[t];
    __syncthreads();  // BUG: divergent-barrier
  }
  out[t] = s[t ^ 1];
}
static __global__ void two_barriers_twin(const int *in, int *out) {
  __shared__ int s[THREADS];
  const int t = threadIdx.x;
  if (t % 2 == 0)
    s[t] = in[t];
  else
    s[t] = -in[t];
  __syncthreads();
  out[t] = s[t ^ 1];
}
static int two_barriers(int bug) {
  void (*kernel)(const int *, int *) = bug ? two_barriers_bug : two_barriers_twin;
  int *in = device_numbers(THREADS), *out = device_zeros(THREADS), host[THREADS], wrong = 0;
  kernel<<<1, THREADS>>>(in, out);
  finish();
  fetch(host, out, THREADS);
  for (int t = 0; t < THREADS; t++) wrong += host[t] != (t % 2 ? t - 1 : -(t + 1));
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE break_before_barrier: A thread that has found the key breaks out of the loop, the others go on to the
// barrier without it: the block must decide together, as __syncthreads_or() lets it.
static __global__ void break_before_barrier_bug(const int *in, int *found, int key, int n) {
  __shared__ int seen;
  const int t = threadIdx.x;
  if (t == 0) seen = 0;
  __syncthreads();
  for (int first = 0; first < n; first += THREADS) {
    if (in[first + t] == key) {
      *found = first + t;
      break;
    }
    __syncthreads();  // BUG: divergent-barrier
    if (t == 0) seen += 1;
  }
  __syncthreads();  // BUG: divergent-barrier
}
static __global__ void break_before_barrier_twin(const int *in, int *found, int key, int n) {
  const int t = threadIdx.x;
  for (int first = 0; first < n; first += THREADS) {
    const int here = in[first + t] == key;
    if (here) *found = first + t;
    if (__syncthreads_or(here)) break;
  }
}
static int break_before_barrier(int bug) {
  void (*kernel)(const int *, int *, int, int) = bug ? break_before_barrier_bug : break_before_barrier_twin;
  int *in = device_numbers(4 * THREADS), *found = device_zeros(1), host;
  kernel<<<1, THREADS>>>(in, found, 200, 4 * THREADS);
  finish();
  fetch(&host, found, 1);
  CHECK(cudaFree(in));
  CHECK(cudaFree(found));
  return host != 200;
}

// CASE count_by_some: __syncthreads_count() is a barrier too: called by the threads with work only, it counts
// whom it meets, or hangs. The condition belongs inside, not in front.
static __global__ void count_by_some_bug(const int *in, int *counts, int n) {
  const int i = blockIdx.x * THREADS + threadIdx.x;
  int even = 0;
  if (i < n) even = __syncthreads_count(in[i] % 2 == 0);  // BUG: divergent-barrier
  counts[i] = even;
}
static __global__ void count_by_some_twin(const int *in, int *counts, int n) {
  const int i = blockIdx.x * THREADS + threadIdx.x;
  counts[i] = __syncthreads_count(i < n && in[i] % 2 == 0);
}
static int count_by_some(int bug) {
  void (*kernel)(const int *, int *, int) = bug ? count_by_some_bug : count_by_some_twin;
  int *in = device_numbers(N), *counts = device_zeros(3 * THREADS), host[3 * THREADS], wrong = 0;
  kernel<<<3, THREADS>>>(in, counts, N);
  finish();
  fetch(host, counts, 3 * THREADS);
  for (int i = 0; i < 3 * THREADS; i++)
    wrong += host[i] != (i < 2 * THREADS ? THREADS / 2 : (N - 2 * THREADS) / 2);
  CHECK(cudaFree(in));
  CHECK(cudaFree(counts));
  return wrong;
}

// CASE group_sync_by_one_warp: block.sync() of cooperative groups is the block's barrier: one warp alone must
// wait with its own tile's sync().
static __global__ void group_sync_by_one_warp_bug(const int *in, int *out) {
  __shared__ int s[THREADS];
  const cooperative_groups::thread_block block = cooperative_groups::this_thread_block();
  const int t = threadIdx.x;
  s[t] = in[t];
  if (t < 32) {
    block.sync();  // BUG: divergent-barrier
    s[t] = s[t ^ 31];
  }
  out[t] = s[t];
}
static __global__ void group_sync_by_one_warp_twin(const int *in, int *out) {
  __shared__ int s[THREADS];
  const cooperative_groups::thread_block block = cooperative_groups::this_thread_block();
  const cooperative_groups::thread_block_tile<32> tile = cooperative_groups::tiled_partition<32>(block);
  const int t = threadIdx.x;
  if (t >= 64) return;  // whole warps may leave: nobody waits for who is gone
  s[t] = in[t];
  if (t < 32) {
    tile.sync();
    const int other = s[t ^ 31];
    tile.sync();
    s[t] = other;
  }
  block.sync();
  out[t] = s[t ^ 32];
}
static int group_sync_by_one_warp(int bug) {
  void (*kernel)(const int *, int *) = bug ? group_sync_by_one_warp_bug : group_sync_by_one_warp_twin;
  int *in = device_numbers(THREADS), *out = device_zeros(THREADS), host[THREADS], wrong = 0;
  kernel<<<1, THREADS>>>(in, out);
  finish();
  fetch(host, out, THREADS);
  for (int t = 0; t < THREADS; t++) wrong += host[t] != (t < 32 ? t + 32 : t < 64 ? 63 - t : 0);
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE grid_sync_by_some: Blocks without work return before grid.sync(), and the others wait for them for
// ever: every block of a cooperative launch must come.
static __global__ void grid_sync_by_some_bug(int *from, int *to, int n) {
  const int i = blockIdx.x * THREADS + threadIdx.x;
  if ((int)blockIdx.x * THREADS >= n) return;
  from[i] = i;
  cooperative_groups::this_grid().sync();  // BUG: divergent-barrier
  to[i] = from[n - 1 - i];
}
static __global__ void grid_sync_by_some_twin(int *from, int *to, int n) {
  const int i = blockIdx.x * THREADS + threadIdx.x;
  if (i < n) from[i] = i;
  cooperative_groups::this_grid().sync();
  if (i < n) to[i] = from[n - 1 - i];
}
static int grid_sync_by_some(int bug) {
  int n = 2 * THREADS, *from = device_zeros(n), *to = device_zeros(n), host[2 * THREADS], wrong = 0;
  void *arguments[] = {&from, &to, &n};
  if (bug)
    cudaLaunchCooperativeKernel((void *)grid_sync_by_some_bug, dim3(3), dim3(THREADS), arguments, 0, 0);
  else
    CHECK(
        cudaLaunchCooperativeKernel((void *)grid_sync_by_some_twin, dim3(3), dim3(THREADS), arguments, 0, 0));
  finish();
  fetch(host, to, n);
  for (int i = 0; i < n; i++) wrong += host[i] != n - 1 - i;
  CHECK(cudaFree(from));
  CHECK(cudaFree(to));
  return wrong;
}

PLANTED_MAIN(PLANTED(barrier_in_branch), PLANTED(barrier_in_loop), PLANTED(early_return),
             PLANTED(two_barriers), PLANTED(break_before_barrier), PLANTED(count_by_some),
             PLANTED(group_sync_by_one_warp), PLANTED(grid_sync_by_some))
