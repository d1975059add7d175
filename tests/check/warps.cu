// SPDX-License-Identifier: MIT
// Inside a warp: since Volta its lanes run apart, so they need __syncwarp() to meet in memory, and a mask
// that names exactly the lanes that come to a warp operation.
#include <cooperative_groups.h>

#include "planted.h"

enum { WARP = 32, THREADS = 128 };
static const unsigned ALL = 0xffffffffu;

// CASE reduction_tail: The last steps of a reduction within one warp, without __syncwarp(): volatile makes
// each lane go to memory, but no lane waits for the others since Volta.
static __global__ void reduction_tail_bug(const int *in, int *sum) {
  __shared__ volatile int part[2 * WARP];
  const int t = threadIdx.x;
  part[t] = in[t];
  part[t + WARP] = in[t + WARP];
  __syncthreads();
  part[t] += part[t + 16];  // BUG: race-shared
  part[t] += part[t + 8];   // BUG: race-shared
  part[t] += part[t + 4];   // BUG: race-shared
  part[t] += part[t + 2];   // BUG: race-shared
  part[t] += part[t + 1];   // BUG: race-shared
  if (t == 0) *sum = part[0];
}
static __global__ void reduction_tail_twin(const int *in, int *sum) {
  __shared__ int part[2 * WARP];
  const int t = threadIdx.x;
  part[t] = in[t];
  part[t + WARP] = 0;
  __syncthreads();
  int mine = part[t];
  for (int step = 16; step > 0; step /= 2) {
    mine += part[t + step];
    __syncwarp();
    part[t] = mine;
    __syncwarp();
  }
  if (t == 0) *sum = part[0];
}
static int reduction_tail(int bug) {
  void (*kernel)(const int *, int *) = bug ? reduction_tail_bug : reduction_tail_twin;
  int *in = device_numbers(2 * WARP), *sum = device_zeros(1), host;
  kernel<<<1, WARP>>>(in, sum);
  finish();
  fetch(&host, sum, 1);
  CHECK(cudaFree(in));
  CHECK(cudaFree(sum));
  return host != WARP * (WARP - 1) / 2;
}

// CASE leader_publishes: Lane 0 reserves room for its warp and leaves the place in shared memory; the other
// lanes read it without waiting for lane 0. A shuffle would hand it over and wait.
static __global__ void leader_publishes_bug(int *count, int *out) {
  __shared__ int base[THREADS / WARP];
  const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  if (lane == 0) base[warp] = atomicAdd(count, WARP);  // BUG: race-shared
  out[base[warp] + lane] += 1;                         // BUG: race-shared
}
static __global__ void leader_publishes_twin(int *count, int *out) {
  const int lane = threadIdx.x % WARP;
  int base = 0;
  if (lane == 0) base = atomicAdd(count, WARP);
  base = __shfl_sync(ALL, base, 0);
  out[base + lane] += 1;
}
static int leader_publishes(int bug) {
  void (*kernel)(int *, int *) = bug ? leader_publishes_bug : leader_publishes_twin;
  int *count = device_zeros(1), *out = device_zeros(2 * THREADS), host[2 * THREADS], wrong = 0;
  kernel<<<2, THREADS>>>(count, out);
  finish();
  fetch(host, out, 2 * THREADS);
  for (int i = 0; i < 2 * THREADS; i++) wrong += host[i] != 1;
  CHECK(cudaFree(count));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE reversed_through_shared: Each warp reverses its 32 values through shared memory; no block barrier is
// needed, but a __syncwarp() between the store and the read of another lane's value is.
static __global__ void reversed_through_shared_bug(int *data) {
  __shared__ int s[THREADS];
  const int t = threadIdx.x;
  s[t] = data[t];       // BUG: race-shared
  data[t] = s[t ^ 31];  // BUG: race-shared
}
static __global__ void reversed_through_shared_twin(int *data) {
  __shared__ int s[THREADS];
  const int t = threadIdx.x;
  s[t] = data[t];
  __syncwarp();
  data[t] = s[t ^ 31];
}
// CASE halves_wait_apart: Each half of the warp waits for itself only, then reads from the other half: the
// mask of __syncwarp() must name all lanes that exchange values.
static __global__ void halves_wait_apart_bug(int *data) {
  __shared__ int s[THREADS];
  const int t = threadIdx.x;
  s[t] = data[t];  // BUG: race-shared
  __syncwarp(t % WARP < 16 ? 0x0000ffffu : 0xffff0000u);
  data[t] = s[t ^ 31];  // BUG: race-shared
}
static __global__ void halves_wait_apart_twin(int *data) {
  __shared__ int s[THREADS];
  const int t = threadIdx.x;
  const unsigned half = t % WARP < 16 ? 0x0000ffffu : 0xffff0000u;
  s[t] = data[t];
  __syncwarp(half);
  const int within = s[t ^ 15];
  __syncwarp(half);
  s[t] = within;
  __syncwarp();
  data[t] = s[t ^ 16];
}
static int reversal(void (*kernel)(int *)) {
  int *data = device_numbers(THREADS), host[THREADS], wrong = 0;
  kernel<<<1, THREADS>>>(data);
  finish();
  fetch(host, data, THREADS);
  for (int t = 0; t < THREADS; t++) wrong += host[t] != (t ^ 31);
  CHECK(cudaFree(data));
  return wrong;
}
static int reversed_through_shared(int bug) {
  return reversal(bug ? reversed_through_shared_bug : reversed_through_shared_twin);
}
static int halves_wait_apart(int bug) {
  return reversal(bug ? halves_wait_apart_bug : halves_wait_apart_twin);
}

// CASE after_branch: Lanes of both sides of a branch do not wait for each other at its end: the join is in
// the source only, and takes a __syncwarp() in the program.
static __global__ void after_branch_bug(const int *in, int *out) {
  __shared__ int s[WARP];
  const int t = threadIdx.x;
  if (t < 16)
    s[t] = 2 * in[t];  // BUG: race-shared
  else
    s[t] = 3 * in[t];           // BUG: race-shared
  out[t] = s[(t + 16) % WARP];  // BUG: race-shared
}
static __global__ void after_branch_twin(const int *in, int *out) {
  __shared__ int s[WARP];
  const int t = threadIdx.x;
  if (t < 16)
    s[t] = 2 * in[t];
  else
    s[t] = 3 * in[t];
  __syncwarp();
  out[t] = s[(t + 16) % WARP];
}
static int after_branch(int bug) {
  void (*kernel)(const int *, int *) = bug ? after_branch_bug : after_branch_twin;
  int *in = device_numbers(WARP), *out = device_zeros(WARP), host[WARP], wrong = 0;
  kernel<<<1, WARP>>>(in, out);
  finish();
  fetch(host, out, WARP);
  for (int t = 0; t < WARP; t++) wrong += host[t] != (t < 16 ? 3 * (t + 16) : 2 * (t - 16));
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE scan_in_warp: A scan over one warp's values in shared memory: a lane may overwrite its element before
// the lane above has read it. Read, __syncwarp(), write, __syncwarp().
static __global__ void scan_in_warp_bug(int *data) {
  __shared__ int s[WARP];
  const int t = threadIdx.x;
  s[t] = data[t];
  __syncwarp();
  for (int d = 1; d < WARP; d *= 2) {
    if (t >= d) s[t] += s[t - d];  // BUG: race-shared
    __syncwarp();
  }
  data[t] = s[t];
}
static __global__ void scan_in_warp_twin(int *data) {
  __shared__ int s[WARP];
  const int t = threadIdx.x;
  s[t] = data[t];
  __syncwarp();
  for (int d = 1; d < WARP; d *= 2) {
    const int before = t >= d ? s[t - d] : 0;
    __syncwarp();
    s[t] += before;
    __syncwarp();
  }
  data[t] = s[t];
}
static int scan_in_warp(int bug) {
  void (*kernel)(int *) = bug ? scan_in_warp_bug : scan_in_warp_twin;
  int *data = device_numbers(WARP), host[WARP], wrong = 0;
  kernel<<<1, WARP>>>(data);
  finish();
  fetch(host, data, WARP);
  for (int t = 0; t < WARP; t++) wrong += host[t] != t * (t + 1) / 2;
  CHECK(cudaFree(data));
  return wrong;
}

// CASE shuffle_in_branch: The full mask promises that all 32 lanes come to this shuffle; the upper half wait
// at the barrier instead, and the warp can never go on.
static __global__ void shuffle_in_branch_bug(const int *in, int *out) {
  const int t = threadIdx.x;
  int v = in[t];
  if (t % WARP < 16)
    for (int d = 8; d > 0; d /= 2) v += __shfl_down_sync(ALL, v, d, 16);  // BUG: warp-mask
  __syncthreads();
  out[t] = v;
}
static __global__ void shuffle_in_branch_twin(const int *in, int *out) {
  const int t = threadIdx.x;
  int v = in[t];
  if (t % WARP < 16)
    for (int d = 8; d > 0; d /= 2) v += __shfl_down_sync(0x0000ffffu, v, d, 16);
  __syncthreads();
  out[t] = v;
}
static int shuffle_in_branch(int bug) {
  void (*kernel)(const int *, int *) = bug ? shuffle_in_branch_bug : shuffle_in_branch_twin;
  int *in = device_numbers(THREADS), *out = device_zeros(THREADS), host[THREADS], wrong = 0;
  kernel<<<1, THREADS>>>(in, out);
  finish();
  fetch(host, out, THREADS);
  for (int t = 0; t < THREADS; t += WARP) wrong += host[t] != 16 * t + 120;
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE mask_lacks_caller: All lanes call the shuffle, but the mask names the lower half only: a caller must
// be in its own mask.
static __global__ void mask_lacks_caller_bug(int *data) {
  const int t = threadIdx.x;
  data[t] = __shfl_xor_sync(0x0000ffffu, data[t], 1);  // BUG: warp-mask
}
static __global__ void mask_lacks_caller_twin(int *data) {
  const int t = threadIdx.x;
  data[t] = __shfl_xor_sync(t % WARP < 16 ? 0x0000ffffu : 0xffff0000u, data[t], 1);
}
static int mask_lacks_caller(int bug) {
  void (*kernel)(int *) = bug ? mask_lacks_caller_bug : mask_lacks_caller_twin;
  int *data = device_numbers(THREADS), host[THREADS], wrong = 0;
  kernel<<<1, THREADS>>>(data);
  finish();
  fetch(host, data, THREADS);
  for (int t = 0; t < THREADS; t++) wrong += host[t] != (t ^ 1);
  CHECK(cudaFree(data));
  return wrong;
}

// CASE shuffle_from_outside: The source lane is not in the mask, so it hands over nothing: what the shuffle
// returns is undefined.
static __global__ void shuffle_from_outside_bug(int *data) {
  const int t = threadIdx.x;
  if (t < 16) data[t] = __shfl_sync(0x0000ffffu, data[t], 31);  // BUG: warp-mask
}
static __global__ void shuffle_from_outside_twin(int *data) {
  const int t = threadIdx.x;
  if (t < 16) data[t] = __shfl_sync(0x0000ffffu, data[t], 31, 16);
}
static int shuffle_from_outside(int bug) {
  void (*kernel)(int *) = bug ? shuffle_from_outside_bug : shuffle_from_outside_twin;
  int *data = device_numbers(WARP), host[WARP], wrong = 0;
  kernel<<<1, WARP>>>(data);
  finish();
  fetch(host, data, WARP);
  for (int t = 0; t < WARP; t++) wrong += host[t] != (t < 16 ? 15 : t);
  CHECK(cudaFree(data));
  return wrong;
}

// CASE ballot_in_loop: Lanes leave the loop after different numbers of rounds and wait at the barrier, but
// the ballot inside names all of them: the vote must be taken by all lanes in every round.
static __global__ void ballot_in_loop_bug(const int *rounds, int *votes) {
  const int t = threadIdx.x;
  int sum = 0;
  for (int r = 0; r < rounds[t] % 4; r++) sum += __popc(__ballot_sync(ALL, 1));  // BUG: warp-mask
  __syncthreads();
  votes[t] = sum;
}
static __global__ void ballot_in_loop_twin(const int *rounds, int *votes) {
  const int t = threadIdx.x;
  int sum = 0;
  for (int r = 0; __any_sync(ALL, r < rounds[t] % 4); r++) {
    const int active = __popc(__ballot_sync(ALL, r < rounds[t] % 4));
    if (r < rounds[t] % 4) sum += active;
  }
  __syncthreads();
  votes[t] = sum;
}
static int ballot_in_loop(int bug) {
  void (*kernel)(const int *, int *) = bug ? ballot_in_loop_bug : ballot_in_loop_twin;
  int *rounds = device_numbers(THREADS), *votes = device_zeros(THREADS), host[THREADS], wrong = 0;
  kernel<<<1, THREADS>>>(rounds, votes);
  finish();
  fetch(host, votes, THREADS);
  static const int expected[] = {0, 24, 40, 48};
  for (int t = 0; t < THREADS; t++) wrong += host[t] != expected[t % 4];
  CHECK(cudaFree(rounds));
  CHECK(cudaFree(votes));
  return wrong;
}

// CASE syncwarp_lacks_caller: Lanes 16 to 31 call __syncwarp() with a mask that leaves them out: they wait
// for nobody, and the behaviour is undefined.
static __global__ void syncwarp_lacks_caller_bug(int *data) {
  __shared__ int s[WARP];
  const int t = threadIdx.x;
  s[t] = data[t];
  __syncwarp(0x0000ffffu);  // BUG: warp-mask
  data[t] = s[t ^ 1];
}
// The second warp of 48 threads has 16 lanes: a mask may name lanes that do not exist.
static __global__ void syncwarp_lacks_caller_twin(int *data) {
  __shared__ int s[2 * WARP];
  const int t = threadIdx.x;
  s[t] = data[t];
  __syncwarp();
  data[t] = s[t ^ 1];
}
static int syncwarp_lacks_caller(int bug) {
  void (*kernel)(int *) = bug ? syncwarp_lacks_caller_bug : syncwarp_lacks_caller_twin;
  const int n = bug ? WARP : 48;
  int *data = device_numbers(n), host[48], wrong = 0;
  kernel<<<1, n>>>(data);
  finish();
  fetch(host, data, n);
  for (int t = 0; t < n; t++) wrong += host[t] != (t ^ 1);
  CHECK(cudaFree(data));
  return wrong;
}

// CASE group_sum_by_memory: Lanes that take the same branch add up through a slot of shared memory: the slot
// is read before all have added. The group's own sync(), or its reduction by shuffles, waits for its members.
static __global__ void group_sum_by_memory_bug(const int *in, int *out) {
  __shared__ int slot;
  const int t = threadIdx.x;
  if (t == 0) slot = 0;
  __syncthreads();
  if (in[t] % 3 == 0) {
    atomicAdd(&slot, in[t]);  // BUG: race-shared
    out[t] = slot;            // BUG: race-shared
  }
}
static __global__ void group_sum_by_memory_twin(const int *in, int *out) {
  const int t = threadIdx.x;
  if (in[t] % 3 == 0) {
    const cooperative_groups::coalesced_group together = cooperative_groups::coalesced_threads();
    int sum = in[t];
    const unsigned count = together.size();
    for (unsigned reach = 1; reach < count; reach *= 2) {
      const int above = together.shfl_down(sum, reach);
      if (together.thread_rank() + reach < count) sum += above;
    }
    atomicAdd(&out[together.shfl(t, 0)], together.thread_rank() == 0 ? sum : 0);
  }
}
static int group_sum_by_memory(int bug) {
  void (*kernel)(const int *, int *) = bug ? group_sum_by_memory_bug : group_sum_by_memory_twin;
  int *in = device_numbers(WARP), *out = device_zeros(WARP), host[WARP], sum = 0;
  kernel<<<1, WARP>>>(in, out);
  finish();
  fetch(host, out, WARP);
  for (int t = 0; t < WARP; t++) sum += host[t];
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return sum != 3 * (10 * 11 / 2);
}

// CASE sum_in_own_row: Each thread leaves its parts in its row, a few add up a column each and leave the sum
// in the first row; thread 0 had written that row itself, before the barrier, and reads it again without
// waiting for the sums.
static __global__ void sum_in_own_row_bug(const int *in, int *sum) {
  __shared__ int part[WARP][4];
  const int t = threadIdx.x;
  for (int i = 0; i < 4; i++) part[t][i] = in[t] * i;
  __syncthreads();
  if (t < 4) {
    int column = 0;
    for (int row = 0; row < WARP; row++) column += part[row][t];
    part[0][t] = column;  // BUG: race-shared
  }
  if (t == 0) *sum = part[0][0] + part[0][1] + part[0][2] + part[0][3];  // BUG: race-shared
}
static __global__ void sum_in_own_row_twin(const int *in, int *sum) {
  __shared__ int part[WARP][4];
  const int t = threadIdx.x;
  for (int i = 0; i < 4; i++) part[t][i] = in[t] * i;
  __syncthreads();
  if (t < 4) {
    int column = 0;
    for (int row = 0; row < WARP; row++) column += part[row][t];
    part[0][t] = column;
  }
  __syncwarp();
  if (t == 0) *sum = part[0][0] + part[0][1] + part[0][2] + part[0][3];
}
static int sum_in_own_row(int bug) {
  void (*kernel)(const int *, int *) = bug ? sum_in_own_row_bug : sum_in_own_row_twin;
  int *in = device_numbers(WARP), *sum = device_zeros(1), host;
  kernel<<<1, WARP>>>(in, sum);
  finish();
  fetch(&host, sum, 1);
  CHECK(cudaFree(in));
  CHECK(cudaFree(sum));
  return host != 6 * (WARP * (WARP - 1) / 2);
}

PLANTED_MAIN(PLANTED(reduction_tail), PLANTED(leader_publishes), PLANTED(reversed_through_shared),
             PLANTED(halves_wait_apart), PLANTED(after_branch), PLANTED(scan_in_warp),
             PLANTED(shuffle_in_branch), PLANTED(mask_lacks_caller), PLANTED(shuffle_from_outside),
             PLANTED(ballot_in_loop), PLANTED(syncwarp_lacks_caller), PLANTED(group_sum_by_memory),
             PLANTED(sum_in_own_row))
