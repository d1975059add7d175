// SPDX-License-Identifier: MIT
// Barriers that are missing: threads of a block that meet in shared memory.
#include "planted.h"

enum { THREADS = 128, STEPS = 4, BINS = 16 };

// CASE load_then_read: A thread reads an element of the tile that another one may not have stored yet: no
// barrier stands between the stores and the reads.
static __global__ void load_then_read_bug(const int *in, int *out) {
  __shared__ int tile[THREADS];
  const int t = threadIdx.x;
  tile[t] = in[t];                 // BUG: race-shared
  out[t] = tile[THREADS - 1 - t];  // BUG: race-shared
}
static __global__ void load_then_read_twin(const int *in, int *out) {
  __shared__ int tile[THREADS];
  const int t = threadIdx.x;
  tile[t] = in[t];
  __syncthreads();
  out[t] = tile[THREADS - 1 - t];
}
static int load_then_read(int bug) {
  void (*kernel)(const int *, int *) = bug ? load_then_read_bug : load_then_read_twin;
  int *in = device_numbers(THREADS), *out = device_zeros(THREADS), host[THREADS], wrong = 0;
  kernel<<<1, THREADS>>>(in, out);
  finish();
  fetch(host, out, THREADS);
  for (int t = 0; t < THREADS; t++) wrong += host[t] != THREADS - 1 - t;
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE tile_reuse: The next tile overwrites the one that slower threads still read: a loop over tiles needs a
// barrier after the last use as well as after the load.
static __global__ void tile_reuse_bug(const int *in, int *out) {
  __shared__ int tile[THREADS];
  const int t = threadIdx.x;
  int sum = 0;
  for (int step = 0; step < STEPS; step++) {
    tile[t] = in[step * THREADS + t];  // BUG: race-shared
    __syncthreads();
    for (int k = 0; k < THREADS; k++) sum += tile[k] ^ t;  // BUG: race-shared
  }
  out[t] = sum;
}
static __global__ void tile_reuse_twin(const int *in, int *out) {
  __shared__ int tile[THREADS];
  const int t = threadIdx.x;
  int sum = 0;
  for (int step = 0; step < STEPS; step++) {
    tile[t] = in[step * THREADS + t];
    __syncthreads();
    for (int k = 0; k < THREADS; k++) sum += tile[k] ^ t;
    __syncthreads();
  }
  out[t] = sum;
}

// CASE double_buffer: With two tiles one barrier a step is enough, but here the prefetch goes into the tile
// that is being read, not into the other one.
static __global__ void double_buffer_bug(const int *in, int *out) {
  __shared__ int tile[2][THREADS];
  const int t = threadIdx.x;
  int sum = 0;
  tile[0][t] = in[t];
  tile[1][t] = in[THREADS + t];
  __syncthreads();
  for (int step = 0; step < STEPS; step++) {
    if (step + 1 < STEPS) tile[step & 1][t] = in[(step + 1) * THREADS + t];  // BUG: race-shared
    for (int k = 0; k < THREADS; k++) sum += tile[step & 1][k] ^ t;          // BUG: race-shared
    __syncthreads();
  }
  out[t] = sum;
}
static __global__ void double_buffer_twin(const int *in, int *out) {
  __shared__ int tile[2][THREADS];
  const int t = threadIdx.x;
  int sum = 0;
  tile[0][t] = in[t];
  __syncthreads();
  for (int step = 0; step < STEPS; step++) {
    if (step + 1 < STEPS) tile[~step & 1][t] = in[(step + 1) * THREADS + t];
    for (int k = 0; k < THREADS; k++) sum += tile[step & 1][k] ^ t;
    __syncthreads();
  }
  out[t] = sum;
}

static int sum_of_tiles(void (*kernel)(const int *, int *)) {
  int *in = device_numbers(STEPS * THREADS), *out = device_zeros(THREADS), host[THREADS], wrong = 0;
  kernel<<<1, THREADS>>>(in, out);
  finish();
  fetch(host, out, THREADS);
  for (int t = 0; t < THREADS; t++) {
    int sum = 0;
    for (int i = 0; i < STEPS * THREADS; i++) sum += i ^ t;
    wrong += host[t] != sum;
  }
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}
static int tile_reuse(int bug) {
  return sum_of_tiles(bug ? tile_reuse_bug : tile_reuse_twin);
}
static int double_buffer(int bug) {
  return sum_of_tiles(bug ? double_buffer_bug : double_buffer_twin);
}

// CASE reduction_tree: Each level of the tree reads what other threads wrote in the level before it, so each
// level must end in a barrier.
static __global__ void reduction_tree_bug(const int *in, int *sum) {
  __shared__ int part[THREADS];
  const int t = threadIdx.x;
  part[t] = in[t];
  __syncthreads();
  for (int half = THREADS / 2; half > 0; half /= 2)
    if (t < half) part[t] += part[t + half];  // BUG: race-shared
  if (t == 0) *sum = part[0];
}
static __global__ void reduction_tree_twin(const int *in, int *sum) {
  __shared__ int part[THREADS];
  const int t = threadIdx.x;
  part[t] = in[t];
  __syncthreads();
  for (int half = THREADS / 2; half > 0; half /= 2) {
    if (t < half) part[t] += part[t + half];
    __syncthreads();
  }
  if (t == 0) *sum = part[0];
}
static int reduction_tree(int bug) {
  void (*kernel)(const int *, int *) = bug ? reduction_tree_bug : reduction_tree_twin;
  int *in = device_numbers(THREADS), *sum = device_zeros(1), host;
  kernel<<<1, THREADS>>>(in, sum);
  finish();
  fetch(&host, sum, 1);
  CHECK(cudaFree(in));
  CHECK(cudaFree(sum));
  return host != THREADS * (THREADS - 1) / 2;
}

// CASE scan_in_place: In an in-place scan step, an element is read by one thread and overwritten by another;
// a barrier must separate all reads of the step from all its writes.
static __global__ void scan_in_place_bug(int *data) {
  __shared__ int s[THREADS];
  const int t = threadIdx.x;
  s[t] = data[t];
  __syncthreads();
  for (int d = 1; d < THREADS; d *= 2) {
    if (t >= d) s[t] += s[t - d];  // BUG: race-shared
    __syncthreads();
  }
  data[t] = s[t];
}
static __global__ void scan_in_place_twin(int *data) {
  __shared__ int s[THREADS];
  const int t = threadIdx.x;
  s[t] = data[t];
  __syncthreads();
  for (int d = 1; d < THREADS; d *= 2) {
    const int before = t >= d ? s[t - d] : 0;
    __syncthreads();
    s[t] += before;
    __syncthreads();
  }
  data[t] = s[t];
}
static int scan_in_place(int bug) {
  void (*kernel)(int *) = bug ? scan_in_place_bug : scan_in_place_twin;
  int *data = device_numbers(THREADS), host[THREADS], wrong = 0;
  kernel<<<1, THREADS>>>(data);
  finish();
  fetch(host, data, THREADS);
  for (int t = 0; t < THREADS; t++) wrong += host[t] != t * (t + 1) / 2;
  CHECK(cudaFree(data));
  return wrong;
}

// CASE bins_zeroed_late: Fast threads count into bins that a slower thread then sets to zero: clearing shared
// memory is a phase of its own and ends in a barrier.
static __global__ void bins_zeroed_late_bug(const int *in, int *histogram, int n) {
  __shared__ int bins[BINS];
  const int t = threadIdx.x;
  if (t >= THREADS - BINS) bins[t - (THREADS - BINS)] = 0;                 // BUG: race-shared
  for (int i = t; i < n; i += THREADS) atomicAdd(&bins[in[i] % BINS], 1);  // BUG: race-shared
  __syncthreads();
  if (t < BINS) atomicAdd(&histogram[t], bins[t]);
}
static __global__ void bins_zeroed_late_twin(const int *in, int *histogram, int n) {
  __shared__ int bins[BINS];
  const int t = threadIdx.x;
  if (t >= THREADS - BINS) bins[t - (THREADS - BINS)] = 0;
  __syncthreads();
  for (int i = t; i < n; i += THREADS) atomicAdd(&bins[in[i] % BINS], 1);
  __syncthreads();
  if (t < BINS) atomicAdd(&histogram[t], bins[t]);
}

// CASE bins_not_atomic: bins[v]++ is a load, an addition and a store: two threads with the same value both
// load the old count, and one of them is lost.
static __global__ void bins_not_atomic_bug(const int *in, int *histogram, int n) {
  __shared__ int bins[BINS];
  const int t = threadIdx.x;
  if (t < BINS) bins[t] = 0;
  __syncthreads();
  for (int i = t; i < n; i += THREADS) bins[in[i] % BINS]++;  // BUG: race-shared
  __syncthreads();
  if (t < BINS) atomicAdd(&histogram[t], bins[t]);
}
static __global__ void bins_not_atomic_twin(const int *in, int *histogram, int n) {
  __shared__ int bins[BINS];
  const int t = threadIdx.x;
  if (t < BINS) bins[t] = 0;
  __syncthreads();
  for (int i = t; i < n; i += THREADS) atomicAdd(&bins[in[i] % BINS], 1);
  __syncthreads();
  if (t < BINS) atomicAdd(&histogram[t], bins[t]);
}

static int histogram(void (*kernel)(const int *, int *, int)) {
  const int n = 1000;
  int *in = device_numbers(n), *bins = device_zeros(BINS), host[BINS], wrong = 0;
  kernel<<<3, THREADS>>>(in, bins, n);
  finish();
  fetch(host, bins, BINS);
  for (int b = 0; b < BINS; b++) wrong += host[b] != 3 * ((n - b + BINS - 1) / BINS);
  CHECK(cudaFree(in));
  CHECK(cudaFree(bins));
  return wrong;
}
static int bins_zeroed_late(int bug) {
  return histogram(bug ? bins_zeroed_late_bug : bins_zeroed_late_twin);
}
static int bins_not_atomic(int bug) {
  return histogram(bug ? bins_not_atomic_bug : bins_not_atomic_twin);
}

// CASE total_by_one: One thread computes the total for all, and the others read it at once: they must wait at
// a barrier until it is there.
static __global__ void total_by_one_bug(const int *in, int *out) {
  __shared__ int part[THREADS], total;
  const int t = threadIdx.x;
  part[t] = in[t];
  __syncthreads();
  if (t == 0) {
    int sum = 0;
    for (int k = 0; k < THREADS; k++) sum += part[k];
    total = sum;  // BUG: race-shared
  }
  out[t] = total - in[t];  // BUG: race-shared
}
static __global__ void total_by_one_twin(const int *in, int *out) {
  __shared__ int part[THREADS], total;
  const int t = threadIdx.x;
  part[t] = in[t];
  __syncthreads();
  if (t == 0) {
    int sum = 0;
    for (int k = 0; k < THREADS; k++) sum += part[k];
    total = sum;
  }
  __syncthreads();
  out[t] = total - in[t];
}
static int total_by_one(int bug) {
  void (*kernel)(const int *, int *) = bug ? total_by_one_bug : total_by_one_twin;
  int *in = device_numbers(THREADS), *out = device_zeros(THREADS), host[THREADS], wrong = 0;
  kernel<<<1, THREADS>>>(in, out);
  finish();
  fetch(host, out, THREADS);
  for (int t = 0; t < THREADS; t++) wrong += host[t] != THREADS * (THREADS - 1) / 2 - t;
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE changed_flag: "Repeat until nothing changed": thread 0 clears the flag for the next round while others
// have not tested it yet, so they leave the loop and thread 0 waits alone. Several threads raise the flag
// with the same value, which is fine.
static __global__ void changed_flag_bug(int *data) {
  __shared__ int s[THREADS], changed;
  const int t = threadIdx.x;
  s[t] = data[t];
  do {
    if (t == 0) changed = 0;  // BUG: race-shared
    __syncthreads();
    const int next = t > 0 ? s[t - 1] : 0;
    __syncthreads();
    if (s[t] < next) {
      s[t] = next;
      changed = 1;
    }
    __syncthreads();
  } while (changed);  // BUG: race-shared
  data[t] = s[t];
}
static __global__ void changed_flag_twin(int *data) {
  __shared__ int s[THREADS], changed;
  const int t = threadIdx.x;
  int again;
  s[t] = data[t];
  do {
    if (t == 0) changed = 0;
    __syncthreads();
    const int next = t > 0 ? s[t - 1] : 0;
    __syncthreads();
    if (s[t] < next) {
      s[t] = next;
      changed = 1;
    }
    __syncthreads();
    again = changed;
    __syncthreads();
  } while (again);
  data[t] = s[t];
}
static int changed_flag(int bug) {
  void (*kernel)(int *) = bug ? changed_flag_bug : changed_flag_twin;
  int host[THREADS], *data = device_zeros(THREADS), wrong = 0;
  const int highest = 5;
  CHECK(cudaMemcpy(data + THREADS - 9, &highest, sizeof highest, cudaMemcpyHostToDevice));
  kernel<<<1, THREADS>>>(data);
  finish();
  fetch(host, data, THREADS);
  for (int t = 0; t < THREADS; t++) wrong += host[t] != (t >= THREADS - 9 ? highest : 0);
  CHECK(cudaFree(data));
  return wrong;
}

// CASE count_read_early: The additions are atomic, the read of the result is not ordered with them: without a
// barrier a thread sees the count of whoever came before it.
static __global__ void count_read_early_bug(const int *in, int *out) {
  __shared__ int even;
  const int t = threadIdx.x;
  if (t == 0) even = 0;
  __syncthreads();
  if (in[t] % 2 == 0) atomicAdd(&even, 1);  // BUG: race-shared
  out[t] = even;                            // BUG: race-shared
}
static __global__ void count_read_early_twin(const int *in, int *out) {
  __shared__ int even;
  const int t = threadIdx.x;
  if (t == 0) even = 0;
  __syncthreads();
  if (in[t] % 2 == 0) atomicAdd(&even, 1);
  __syncthreads();
  out[t] = even;
}
static int count_read_early(int bug) {
  void (*kernel)(const int *, int *) = bug ? count_read_early_bug : count_read_early_twin;
  int *in = device_numbers(THREADS), *out = device_zeros(THREADS), host[THREADS], wrong = 0;
  kernel<<<1, THREADS>>>(in, out);
  finish();
  fetch(host, out, THREADS);
  for (int t = 0; t < THREADS; t++) wrong += host[t] != THREADS / 2;
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE carved_overlap: Two arrays carved out of dynamic shared memory overlap, because the offset counts half
// the elements of the first: threads write each other's values.
static __global__ void carved_overlap_bug(const int *in, int *out) {
  extern __shared__ int carved[];
  int *left = carved, *right = carved + THREADS / 2;
  const int t = threadIdx.x;
  left[t] = in[t];          // BUG: race-shared
  right[t] = in[t] * 1000;  // BUG: race-shared
  __syncthreads();
  out[t] = left[THREADS - 1 - t] + right[THREADS - 1 - t];
}
static __global__ void carved_overlap_twin(const int *in, int *out) {
  extern __shared__ int carved[];
  int *left = carved, *right = carved + THREADS;
  const int t = threadIdx.x;
  left[t] = in[t];
  right[t] = in[t] * 1000;
  __syncthreads();
  out[t] = left[THREADS - 1 - t] + right[THREADS - 1 - t];
}
static int carved_overlap(int bug) {
  void (*kernel)(const int *, int *) = bug ? carved_overlap_bug : carved_overlap_twin;
  int *in = device_numbers(THREADS), *out = device_zeros(THREADS), host[THREADS], wrong = 0;
  kernel<<<1, THREADS, 2 * THREADS * sizeof(int)>>>(in, out);
  finish();
  fetch(host, out, THREADS);
  for (int t = 0; t < THREADS; t++) wrong += host[t] != 1001 * (THREADS - 1 - t);
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE warp_barrier_for_block: __syncwarp() makes 32 threads wait for each other; the tile is read across
// warps, which takes __syncthreads().
static __global__ void warp_barrier_for_block_bug(const int *in, int *out) {
  __shared__ int tile[THREADS];
  const int t = threadIdx.x;
  tile[t] = in[t];  // BUG: race-shared
  __syncwarp();
  out[t] = tile[(t + 1) % THREADS];  // BUG: race-shared
}
static __global__ void warp_barrier_for_block_twin(const int *in, int *out) {
  __shared__ int tile[THREADS];
  const int t = threadIdx.x;
  tile[t] = in[t];
  __syncwarp();
  out[t] = tile[t ^ 1];
  __syncthreads();
  out[t] += tile[(t + 32) % THREADS];
}
static int warp_barrier_for_block(int bug) {
  void (*kernel)(const int *, int *) = bug ? warp_barrier_for_block_bug : warp_barrier_for_block_twin;
  int *in = device_numbers(THREADS), *out = device_zeros(THREADS), host[THREADS], wrong = 0;
  kernel<<<1, THREADS>>>(in, out);
  finish();
  fetch(host, out, THREADS);
  for (int t = 0; t < THREADS; t++)
    wrong += host[t] != (bug ? (t + 1) % THREADS : (t ^ 1) + (t + 32) % THREADS);
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}

PLANTED_MAIN(PLANTED(load_then_read), PLANTED(tile_reuse), PLANTED(double_buffer), PLANTED(reduction_tree),
             PLANTED(scan_in_place), PLANTED(bins_zeroed_late), PLANTED(bins_not_atomic),
             PLANTED(total_by_one), PLANTED(changed_flag), PLANTED(count_read_early), PLANTED(carved_overlap),
             PLANTED(warp_barrier_for_block))
