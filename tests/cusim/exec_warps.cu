// SPDX-License-Identifier: MIT
// Threads that wait for each other and exchange values: block reductions, partial warps, lanes that left
// early, sub-warp widths and masks, votes and matches.
#include "exec_check.h"

enum { THREADS = 256, FULL = 32 };
#define ALL 0xffffffffu

__global__ void sum_by_barriers(const int *x, int n, unsigned long long *out) {
  __shared__ unsigned long long part[THREADS];
  const unsigned t = threadIdx.x;
  unsigned long long mine = 0;
  for (int i = blockIdx.x * blockDim.x + t; i < n; i += gridDim.x * blockDim.x) mine += x[i];
  part[t] = mine;
  __syncthreads();
  for (unsigned half = THREADS / 2; half > 0; half /= 2) {
    if (t < half) part[t] += part[t + half];
    __syncthreads();
  }
  if (t == 0) atomicAdd(out, part[0]);
}

__global__ void sum_by_shuffles(const int *x, int n, unsigned long long *out) {
  __shared__ unsigned long long part[FULL];
  const unsigned lane = threadIdx.x % FULL, warp = threadIdx.x / FULL;
  unsigned long long mine = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) mine += x[i];
  for (int delta = FULL / 2; delta > 0; delta /= 2) mine += __shfl_down_sync(ALL, mine, delta);
  if (lane == 0) part[warp] = mine;
  __syncthreads();
  if (warp == 0) {
    mine = lane < blockDim.x / FULL ? part[lane] : 0;
    for (int delta = FULL / 2; delta > 0; delta /= 2) mine += __shfl_xor_sync(ALL, mine, delta);
    if (lane == 0) atomicAdd(out, mine);
  }
}

// Some threads leave before the barriers of the others, whole warps and single lanes.
__global__ void leave_early(int *out, int n) {
  __shared__ int count;
  if (threadIdx.x == 0) count = 0;
  __syncthreads();
  if ((int)threadIdx.x >= n) return;
  atomicAdd(&count, 1);
  __syncthreads();
  out[threadIdx.x] = count;
}

// A warp of fewer than 32 threads.
__global__ void partial_warp(int *out) {
  const unsigned mask = (1u << blockDim.x) - 1;
  int v = threadIdx.x + 1;
  for (int delta = 1; delta < (int)blockDim.x; delta++)
    v = max(v, __shfl_sync(mask, v, (threadIdx.x + 1) % blockDim.x));
  out[threadIdx.x] = v;
}

enum { KINDS = 10 };
__global__ void widths(int *out) {
  const int lane = threadIdx.x;
  int *o = out + lane * KINDS;
  o[0] = __shfl_sync(ALL, lane, 3, 8);
  o[1] = __shfl_up_sync(ALL, lane, 3, 16);
  o[2] = __shfl_down_sync(ALL, lane, 5, 8);
  o[3] = __shfl_xor_sync(ALL, lane, 7, 8);
  o[4] = (int)__shfl_sync(ALL, lane * 0.5, 31);
  o[5] = (int)(__shfl_sync(ALL, (long long)lane << 40, (lane + 1) % FULL) >> 40);
  o[6] = o[7] = o[8] = o[9] = -1;
  // Two halves of a warp exchange apart from each other.
  if (lane < 16) {
    o[6] = __shfl_sync(0x0000ffffu, lane, 15);
    o[7] = (int)__ballot_sync(0x0000ffffu, lane & 1);
  } else {
    o[6] = __shfl_sync(0xffff0000u, lane, 16);
    o[7] = (int)(__ballot_sync(0xffff0000u, lane & 2) >> 16);
  }
  __syncwarp();
  if (lane % 3 == 0) o[8] = __shfl_down_sync(0x49249249u, lane, 3);
  if (lane == 5) o[9] = __popc(__activemask() & (1u << lane));
}

__global__ void votes(int *out) {
  const int t = threadIdx.x, lane = t % FULL;
  out[t * KINDS + 0] = (int)__ballot_sync(ALL, lane % 2);
  out[t * KINDS + 1] = __any_sync(ALL, lane == 31) + 2 * __any_sync(ALL, lane == 32);
  out[t * KINDS + 2] = __all_sync(ALL, lane < 32) + 2 * __all_sync(ALL, lane < 31);
  out[t * KINDS + 3] = (int)__match_any_sync(ALL, lane / 8);
  out[t * KINDS + 4] = __syncthreads_count(t % 3 == 0);
  out[t * KINDS + 5] = __syncthreads_and(t >= 0) + 2 * __syncthreads_and(t != 40);
  out[t * KINDS + 6] = __syncthreads_or(t == 40) + 2 * __syncthreads_or(t < 0);
#if defined(__CUSIM__) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800)
  out[t * KINDS + 7] = (int)__reduce_add_sync(ALL, (unsigned)lane);
  out[t * KINDS + 8] = __reduce_max_sync(ALL, lane - 40) + 100 * __reduce_min_sync(ALL, lane - 40);
  out[t * KINDS + 9] = (int)(__reduce_or_sync(ALL, 1u << lane % 4) ^ __reduce_and_sync(ALL, 16u | lane) ^
                             __reduce_xor_sync(ALL, (unsigned)lane));
#else
  out[t * KINDS + 7] = 496;
  out[t * KINDS + 8] = -4009;
  out[t * KINDS + 9] = 31;
#endif
}

__global__ void matches(int *out) {
  const int lane = threadIdx.x;
  int equal, different;
  out[lane * 4 + 0] = (int)__match_all_sync(ALL, 2.5, &equal);
  out[lane * 4 + 1] = (int)__match_all_sync(ALL, lane / 31, &different);
  out[lane * 4 + 2] = equal * 10 + different;
  out[lane * 4 + 3] = (int)__match_any_sync(ALL, (float)(lane % 2));
}

static void test_sums(int n) {
  int *host = (int *)malloc(sizeof(int) * (n + 1)), *x;
  unsigned long long expected = 0, zero[2] = {0, 0}, *out;
  for (int i = 0; i < n; i++) expected += host[i] = i % 1013;
  CHECK(cudaMalloc(&x, sizeof(int) * (n + 1)));
  CHECK(cudaMalloc(&out, sizeof zero));
  CHECK(cudaMemcpy(x, host, sizeof(int) * n, cudaMemcpyHostToDevice));
  CHECK(cudaMemcpy(out, zero, sizeof zero, cudaMemcpyHostToDevice));
  sum_by_barriers<<<32, THREADS>>>(x, n, out);
  sum_by_shuffles<<<32, THREADS>>>(x, n, out + 1);
  CHECK(cudaMemcpy(zero, out, sizeof zero, cudaMemcpyDeviceToHost));
  EXPECT(zero[0] == expected, "n = %d: %llu, not %llu", n, zero[0], expected);
  EXPECT(zero[1] == expected, "n = %d: %llu, not %llu", n, zero[1], expected);
  CHECK(cudaFree(x));
  CHECK(cudaFree(out));
  free(host);
}

// Programs from before __syncwarp() rely on lanes that run in step where shared memory is volatile: lane i
// has read before lane i + 1 writes, and the other way round.
__global__ void scan_in_step(int *out) {
  __shared__ volatile int value[2 * THREADS];
  const int t = threadIdx.x, i = 2 * t - t % FULL + FULL;
  value[i - FULL] = 0;
  int sum = value[i] = t % 5 + blockIdx.x;
  value[i] = sum += value[i - 1];
  value[i] = sum += value[i - 2];
  value[i] = sum += value[i - 4];
  value[i] = sum += value[i - 8];
  value[i] = sum += value[i - 16];
  out[blockIdx.x * blockDim.x + t] = sum;
}
__global__ void tail_in_step(const int *in, int *out) {
  __shared__ int part[THREADS];
  const int t = threadIdx.x;
  part[t] = in[blockIdx.x * THREADS + t];
  __syncthreads();
  for (int half = THREADS / 2; half > FULL; half /= 2) {
    if (t < half) part[t] += part[t + half];
    __syncthreads();
  }
  if (t < FULL) {
    volatile int *last = part;
    for (int half = FULL; half > 0; half /= 2) last[t] += last[t + half];
  }
  if (t == 0) out[blockIdx.x] = part[0];
}
static void test_lanes_in_step(void) {
  enum { BLOCKS = 40 };
  static int scanned[BLOCKS * THREADS], sums[BLOCKS];
  int *scans, *tails;
  CHECK(cudaMalloc(&scans, sizeof scanned));
  CHECK(cudaMalloc(&tails, sizeof sums));
  scan_in_step<<<BLOCKS, THREADS>>>(scans);
  tail_in_step<<<BLOCKS, THREADS>>>(scans, tails);
  CHECK(cudaMemcpy(scanned, scans, sizeof scanned, cudaMemcpyDeviceToHost));
  CHECK(cudaMemcpy(sums, tails, sizeof sums, cudaMemcpyDeviceToHost));
  for (int b = 0; b < BLOCKS; b++) {
    int sum = 0, all = 0;
    for (int t = 0; t < THREADS; t++) {
      if (t % FULL == 0) sum = 0;
      sum += t % 5 + b;
      all += sum;
      EXPECT(scanned[b * THREADS + t] == sum, "block %d thread %d: %d, not %d", b, t,
             scanned[b * THREADS + t], sum);
    }
    EXPECT(sums[b] == all, "block %d: %d, not %d", b, sums[b], all);
  }
  CHECK(cudaFree(scans));
  CHECK(cudaFree(tails));
}

int main(void) {
  const int sizes[] = {0, 1, 33, 1000, 1000003};
  for (int n : sizes) test_sums(n);

  static int host[THREADS * KINDS];
  int *out;
  CHECK(cudaMalloc(&out, sizeof host));
  const int staying[] = {1, 31, 32, 33, 64, 100, 256};
  for (int n : staying) {
    leave_early<<<1, THREADS>>>(out, n);
    CHECK(cudaMemcpy(host, out, sizeof(int) * n, cudaMemcpyDeviceToHost));
    for (int i = 0; i < n; i++) EXPECT(host[i] == n, "%d stay, thread %d saw %d", n, i, host[i]);
  }
  for (int n = 1; n < FULL; n += 6) {
    partial_warp<<<1, n>>>(out);
    CHECK(cudaMemcpy(host, out, sizeof(int) * n, cudaMemcpyDeviceToHost));
    for (int i = 0; i < n; i++) EXPECT(host[i] == n, "%d threads, thread %d saw %d", n, i, host[i]);
  }

  widths<<<1, FULL>>>(out);
  CHECK(cudaMemcpy(host, out, sizeof host, cudaMemcpyDeviceToHost));
  for (int lane = 0; lane < FULL; lane++) {
    const int *o = host + lane * KINDS;
    EXPECT(o[0] == lane / 8 * 8 + 3, "lane %d: %d", lane, o[0]);
    EXPECT(o[1] == (lane % 16 < 3 ? lane : lane - 3), "lane %d: %d", lane, o[1]);
    EXPECT(o[2] == (lane % 8 + 5 > 7 ? lane : lane + 5), "lane %d: %d", lane, o[2]);
    EXPECT(o[3] == (lane ^ 7), "lane %d: %d", lane, o[3]);
    EXPECT(o[4] == 15, "lane %d: %d", lane, o[4]);
    EXPECT(o[5] == (lane + 1) % FULL, "lane %d: %d", lane, o[5]);
    EXPECT(o[6] == (lane < 16 ? 15 : 16), "lane %d: %d", lane, o[6]);
    EXPECT(o[7] == (lane < 16 ? 0xaaaa : 0xcccc), "lane %d: %x", lane, o[7]);
    if (lane % 3 == 0 && lane < 30) EXPECT(o[8] == lane + 3, "lane %d: %d", lane, o[8]);
    if (lane % 3) EXPECT(o[8] == -1, "lane %d: %d", lane, o[8]);
  }
  EXPECT(host[5 * KINDS + 9] == 1, "the running lane is active");

  enum { VOTERS = 96 };
  votes<<<1, VOTERS>>>(out);
  CHECK(cudaMemcpy(host, out, sizeof host, cudaMemcpyDeviceToHost));
  for (int t = 0; t < VOTERS; t++) {
    const int *o = host + t * KINDS, lane = t % FULL;
    EXPECT(o[0] == (int)0xaaaaaaaau, "thread %d: %x", t, o[0]);
    EXPECT(o[1] == 1 && o[2] == 1, "thread %d: %d %d", t, o[1], o[2]);
    EXPECT((unsigned)o[3] == 0xffu << lane / 8 * 8, "thread %d: %x", t, o[3]);
    EXPECT(o[4] == VOTERS / 3 && o[5] == 1 && o[6] == 1, "thread %d: %d %d %d", t, o[4], o[5], o[6]);
    EXPECT(o[7] == 496 && o[8] == -4009 && o[9] == 31, "thread %d: %d %d %d", t, o[7], o[8], o[9]);
  }
  matches<<<1, FULL>>>(out);
  CHECK(cudaMemcpy(host, out, sizeof host, cudaMemcpyDeviceToHost));
  for (int lane = 0; lane < FULL; lane++) {
    const int *o = host + lane * 4;
    EXPECT(o[0] == -1 && o[1] == 0 && o[2] == 10, "lane %d: %x %x %d", lane, o[0], o[1], o[2]);
    EXPECT((unsigned)o[3] == (lane % 2 ? 0xaaaaaaaau : 0x55555555u), "lane %d: %x", lane, o[3]);
  }
  CHECK(cudaFree(out));
  if (!getenv("CUSIM_SCHEDULE")) test_lanes_in_step();  // its seeds are for showing who relies on order
  FINISH();
}
