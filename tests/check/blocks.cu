// SPDX-License-Identifier: MIT
// Blocks of one launch that meet in global memory: nothing orders them but atomics with fences, or a grid
// barrier.
#include <cooperative_groups.h>

#include "planted.h"

enum { THREADS = 64, BLOCKS = 6, N = THREADS * BLOCKS, BINS = 16 };

// CASE counter_not_atomic: (*count)++ loads, adds and stores: two blocks load the same old value, and one of
// the additions is lost.
static __global__ void counter_not_atomic_bug(int *count) {
  if (threadIdx.x == 0) (*count)++;  // BUG: race-global
}
static __global__ void counter_not_atomic_twin(int *count) {
  if (threadIdx.x == 0) atomicAdd(count, 1);
}
static int counter_not_atomic(int bug) {
  void (*kernel)(int *) = bug ? counter_not_atomic_bug : counter_not_atomic_twin;
  int *count = device_zeros(1), host;
  kernel<<<BLOCKS, THREADS>>>(count);
  finish();
  fetch(&host, count, 1);
  CHECK(cudaFree(count));
  return host != BLOCKS;
}

// CASE histogram_not_atomic: Blocks add to the same bins of a histogram in global memory with +=: counts are
// lost as soon as two meet.
static __global__ void histogram_not_atomic_bug(const int *in, int *bins) {
  const int i = blockIdx.x * THREADS + threadIdx.x;
  bins[in[i] % BINS] += 1;  // BUG: race-global
}
static __global__ void histogram_not_atomic_twin(const int *in, int *bins) {
  const int i = blockIdx.x * THREADS + threadIdx.x;
  atomicAdd(&bins[in[i] % BINS], 1);
}
static int histogram_not_atomic(int bug) {
  void (*kernel)(const int *, int *) = bug ? histogram_not_atomic_bug : histogram_not_atomic_twin;
  int *in = device_numbers(N), *bins = device_zeros(BINS), host[BINS], wrong = 0;
  kernel<<<BLOCKS, THREADS>>>(in, bins);
  finish();
  fetch(host, bins, BINS);
  for (int b = 0; b < BINS; b++) wrong += host[b] != N / BINS;
  CHECK(cudaFree(in));
  CHECK(cudaFree(bins));
  return wrong;
}

// CASE maximum_in_two_steps: The old value is read first and replaced afterwards by an atomic: between the
// two another block may store a larger one. Only atomicMax does both at once.
static __global__ void maximum_in_two_steps_bug(const int *in, int *maximum) {
  const int i = blockIdx.x * THREADS + threadIdx.x;
  if (in[i] > *maximum) *maximum = in[i];  // BUG: race-global
}
static __global__ void maximum_in_two_steps_twin(const int *in, int *maximum) {
  const int i = blockIdx.x * THREADS + threadIdx.x;
  atomicMax(maximum, in[i]);
}
static int maximum_in_two_steps(int bug) {
  void (*kernel)(const int *, int *) = bug ? maximum_in_two_steps_bug : maximum_in_two_steps_twin;
  int *in = device_numbers(N), *maximum = device_zeros(1), host;
  kernel<<<BLOCKS, THREADS>>>(in, maximum);
  finish();
  fetch(&host, maximum, 1);
  CHECK(cudaFree(in));
  CHECK(cudaFree(maximum));
  return host != N - 1;
}

// CASE stencil_in_place: A block's edge elements are read by its neighbours, which may come before or after
// it has overwritten them: a stencil needs a second array.
static __global__ void stencil_in_place_bug(int *data, int *unused, int n) {
  const int i = blockIdx.x * THREADS + threadIdx.x;
  const int sum = data[i] + (i + 1 < n ? data[i + 1] : 0);  // BUG: race-global
  __syncthreads();
  (void)unused;
  data[i] = sum;  // BUG: race-global
}
static __global__ void stencil_in_place_twin(int *data, int *result, int n) {
  const int i = blockIdx.x * THREADS + threadIdx.x;
  result[i] = data[i] + (i + 1 < n ? data[i + 1] : 0);
}
static int stencil_in_place(int bug) {
  void (*kernel)(int *, int *, int) = bug ? stencil_in_place_bug : stencil_in_place_twin;
  int *data = device_numbers(N), *result = device_zeros(N), host[N], wrong = 0;
  kernel<<<BLOCKS, THREADS>>>(data, result, N);
  finish();
  fetch(host, bug ? data : result, N);
  for (int i = 0; i < N; i++) wrong += host[i] != i + (i + 1 < N ? i + 1 : 0);
  CHECK(cudaFree(data));
  CHECK(cudaFree(result));
  return wrong;
}

// CASE transpose_in_place: Every element is exchanged with its mirror image by both of them, so the exchange
// happens twice, or half; only the threads above the diagonal may do it, each pair once.
enum { SIDE = 24 };
static __global__ void transpose_in_place_bug(int *matrix) {
  const int x = threadIdx.x, y = blockIdx.x;
  const int here = matrix[y * SIDE + x], there = matrix[x * SIDE + y];  // BUG: race-global
  matrix[y * SIDE + x] = there;                                         // BUG: race-global
  matrix[x * SIDE + y] = here;                                          // BUG: race-global
}
static __global__ void transpose_in_place_twin(int *matrix) {
  const int x = threadIdx.x, y = blockIdx.x;
  if (x <= y) return;
  const int here = matrix[y * SIDE + x], there = matrix[x * SIDE + y];
  matrix[y * SIDE + x] = there;
  matrix[x * SIDE + y] = here;
}
static int transpose_in_place(int bug) {
  void (*kernel)(int *) = bug ? transpose_in_place_bug : transpose_in_place_twin;
  int *matrix = device_numbers(SIDE * SIDE), host[SIDE * SIDE], wrong = 0;
  kernel<<<SIDE, SIDE>>>(matrix);
  finish();
  fetch(host, matrix, SIDE * SIDE);
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++) wrong += host[y * SIDE + x] != x * SIDE + y;
  CHECK(cudaFree(matrix));
  return wrong;
}

// CASE phases_without_grid_sync: The second phase reads what other blocks wrote in the first, with only a
// block barrier between: it takes grid.sync() in a cooperative launch, or two launches.
static __global__ void phases_without_grid_sync_bug(int *from, int *to, int n) {
  const int i = blockIdx.x * THREADS + threadIdx.x;
  from[i] = 3 * i;  // BUG: race-global
  __syncthreads();
  to[i] = from[n - 1 - i];  // BUG: race-global
}
static __global__ void phases_without_grid_sync_twin(int *from, int *to, int n) {
  const int i = blockIdx.x * THREADS + threadIdx.x;
  from[i] = 3 * i;
  cooperative_groups::this_grid().sync();
  to[i] = from[n - 1 - i];
}
static int phases_without_grid_sync(int bug) {
  int *from = device_zeros(N), *to = device_zeros(N), host[N], n = N, wrong = 0;
  void *arguments[] = {&from, &to, &n};
  if (bug)
    phases_without_grid_sync_bug<<<BLOCKS, THREADS>>>(from, to, n);
  else
    CHECK(cudaLaunchCooperativeKernel((void *)phases_without_grid_sync_twin, dim3(BLOCKS), dim3(THREADS),
                                      arguments, 0, 0));
  finish();
  fetch(host, to, N);
  for (int i = 0; i < N; i++) wrong += host[i] != 3 * (N - 1 - i);
  CHECK(cudaFree(from));
  CHECK(cudaFree(to));
  return wrong;
}

// CASE last_block_without_fence: The last block to arrive adds up the others' partial sums, but without
// __threadfence() between the sum and the ticket, a sum may arrive after its ticket.
static __global__ void last_block_without_fence_bug(const int *in, int *part, unsigned *tickets, int *sum) {
  __shared__ int mine, last;
  const int t = threadIdx.x, i = blockIdx.x * THREADS + t;
  if (t == 0) mine = 0;
  __syncthreads();
  atomicAdd(&mine, in[i]);
  __syncthreads();
  if (t == 0) {
    part[blockIdx.x] = mine;  // BUG: race-global
    last = atomicAdd(tickets, 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && t == 0)
    for (unsigned b = 0; b < gridDim.x; b++) *sum += ((volatile int *)part)[b];  // BUG: race-global
}
static __global__ void last_block_without_fence_twin(const int *in, int *part, unsigned *tickets, int *sum) {
  __shared__ int mine, last;
  const int t = threadIdx.x, i = blockIdx.x * THREADS + t;
  if (t == 0) mine = 0;
  __syncthreads();
  atomicAdd(&mine, in[i]);
  __syncthreads();
  if (t == 0) {
    part[blockIdx.x] = mine;
    __threadfence();
    last = atomicAdd(tickets, 1) == gridDim.x - 1;
    __threadfence();
  }
  __syncthreads();
  if (last && t == 0)
    for (unsigned b = 0; b < gridDim.x; b++) *sum += ((volatile int *)part)[b];
}
static int last_block_without_fence(int bug) {
  void (*kernel)(const int *, int *, unsigned *, int *) =
      bug ? last_block_without_fence_bug : last_block_without_fence_twin;
  int *in = device_numbers(N), *part = device_zeros(BLOCKS), *sum = device_zeros(1), host;
  unsigned *tickets = (unsigned *)device_zeros(1);
  kernel<<<BLOCKS, THREADS>>>(in, part, tickets, sum);
  finish();
  fetch(&host, sum, 1);
  CHECK(cudaFree(in));
  CHECK(cudaFree(part));
  CHECK(cudaFree(tickets));
  CHECK(cudaFree(sum));
  return host != N * (N - 1) / 2;
}

// CASE look_back_without_fence: A scan in one pass: each block waits for the total of the block before it.
// The value is published by a flag, and without __threadfence() the flag may overtake the value. Blocks take
// their number from a ticket, so that a block only waits for one that already runs.
static __global__ void look_back_without_fence_bug(int *data, int *tickets, int *total, volatile int *ready) {
  __shared__ int number, before;
  if (threadIdx.x == 0) {
    number = atomicAdd(tickets, 1);
    const int first = number * THREADS;
    int sum = 0;
    for (int k = 0; k < THREADS; k++) sum += data[first + k];
    before = 0;
    if (number > 0) {
      while (!ready[number - 1]) {
      }
      before = total[number - 1];  // BUG: race-global
    }
    total[number] = before + sum;  // BUG: race-global
    ready[number] = 1;
  }
  __syncthreads();
  data[number * THREADS + threadIdx.x] = before;
}
static __global__ void look_back_without_fence_twin(int *data, int *tickets, int *total,
                                                    volatile int *ready) {
  __shared__ int number, before;
  if (threadIdx.x == 0) {
    number = atomicAdd(tickets, 1);
    const int first = number * THREADS;
    int sum = 0;
    for (int k = 0; k < THREADS; k++) sum += data[first + k];
    before = 0;
    if (number > 0) {
      while (!ready[number - 1]) {
      }
      __threadfence();
      before = ((volatile int *)total)[number - 1];
    }
    ((volatile int *)total)[number] = before + sum;
    __threadfence();
    ready[number] = 1;
  }
  __syncthreads();
  data[number * THREADS + threadIdx.x] = before;
}
static int look_back_without_fence(int bug) {
  void (*kernel)(int *, int *, int *, volatile int *) =
      bug ? look_back_without_fence_bug : look_back_without_fence_twin;
  int *data = device_numbers(N), *tickets = device_zeros(1), *total = device_zeros(BLOCKS);
  int *ready = device_zeros(BLOCKS), host[N], wrong = 0;
  kernel<<<BLOCKS, THREADS>>>(data, tickets, total, ready);
  finish();
  fetch(host, data, N);
  for (int i = 0; i < N; i++) {
    const int first = i / THREADS * THREADS;
    wrong += host[i] != first * (first - 1) / 2;
  }
  CHECK(cudaFree(data));
  CHECK(cudaFree(tickets));
  CHECK(cudaFree(total));
  CHECK(cudaFree(ready));
  return wrong;
}

// CASE lock_without_fence: The lock is given back by a plain store that nothing orders behind the work it
// guards: the next owner may see the lock free and the sum old.
static __global__ void lock_without_fence_bug(int *lock, int *sum) {
  if (threadIdx.x != 0) return;
  while (atomicCAS(lock, 0, 1) != 0) {
  }
  *sum += (int)blockIdx.x;  // BUG: race-global
  *(volatile int *)lock = 0;
}
static __global__ void lock_without_fence_twin(int *lock, int *sum) {
  if (threadIdx.x != 0) return;
  while (atomicCAS(lock, 0, 1) != 0) {
  }
  __threadfence();
  *sum += (int)blockIdx.x;
  __threadfence();
  atomicExch(lock, 0);
}
static int lock_without_fence(int bug) {
  void (*kernel)(int *, int *) = bug ? lock_without_fence_bug : lock_without_fence_twin;
  int *lock = device_zeros(1), *sum = device_zeros(1), host;
  kernel<<<BLOCKS, THREADS>>>(lock, sum);
  finish();
  fetch(&host, sum, 1);
  CHECK(cudaFree(lock));
  CHECK(cudaFree(sum));
  return host != BLOCKS * (BLOCKS - 1) / 2;
}

// CASE halo_written_by_both: Each block writes its own elements and one of its neighbour's: who comes last
// wins. Blocks must own what they write. (All of them raise the same flag to the same value, which is fine.)
static __global__ void halo_written_by_both_bug(int *out, int *any, int n) {
  const int i = blockIdx.x * THREADS + threadIdx.x;
  out[i] = blockIdx.x;                                                               // BUG: race-global
  if (threadIdx.x == THREADS - 1 && i + 1 < n) out[i + 1] = 1000 + (int)blockIdx.x;  // BUG: race-global
  *any = 1;
}
static __global__ void halo_written_by_both_twin(int *out, int *any, int n) {
  const int i = blockIdx.x * THREADS + threadIdx.x;
  if (i < n) out[i] = blockIdx.x;
  *any = 1;
}
static int halo_written_by_both(int bug) {
  void (*kernel)(int *, int *, int) = bug ? halo_written_by_both_bug : halo_written_by_both_twin;
  int *out = device_zeros(N), *any = device_zeros(1), host[N], flag, wrong = 0;
  kernel<<<BLOCKS, THREADS>>>(out, any, N);
  finish();
  fetch(host, out, N);
  fetch(&flag, any, 1);
  for (int i = 0; i < N; i++) wrong += host[i] != i / THREADS;
  CHECK(cudaFree(out));
  CHECK(cudaFree(any));
  return wrong + (flag != 1);
}

// CASE scratch_shared_by_blocks: A scratch array in global memory is indexed by the thread alone, so all
// blocks use the same one. Neighbouring bytes of one word may belong to different blocks, as in the twin.
static __global__ void scratch_shared_by_blocks_bug(const int *in, char *scratch, int *out) {
  const int t = threadIdx.x, i = blockIdx.x * THREADS + t;
  scratch[t] = (char)(in[i] / THREADS);  // BUG: race-global
  __syncthreads();
  out[i] = scratch[t ^ 1];  // BUG: race-global
}
static __global__ void scratch_shared_by_blocks_twin(const int *in, char *scratch, int *out) {
  const int t = threadIdx.x, i = blockIdx.x * THREADS + t;
  char *own = scratch + gridDim.x * t;  // a byte for each block
  own[blockIdx.x] = (char)(in[i] / THREADS);
  __syncthreads();
  out[i] = scratch[gridDim.x * (t ^ 1) + blockIdx.x];
}
static int scratch_shared_by_blocks(int bug) {
  void (*kernel)(const int *, char *, int *) =
      bug ? scratch_shared_by_blocks_bug : scratch_shared_by_blocks_twin;
  int *in = device_numbers(N), *scratch = device_zeros(N), *out = device_zeros(N), host[N], wrong = 0;
  kernel<<<BLOCKS, THREADS>>>(in, (char *)scratch, out);
  finish();
  fetch(host, out, N);
  for (int i = 0; i < N; i++) wrong += host[i] != i / THREADS;
  CHECK(cudaFree(in));
  CHECK(cudaFree(scratch));
  CHECK(cudaFree(out));
  return wrong;
}

PLANTED_MAIN(PLANTED(counter_not_atomic), PLANTED(histogram_not_atomic), PLANTED(maximum_in_two_steps),
             PLANTED(stencil_in_place), PLANTED(transpose_in_place), PLANTED(phases_without_grid_sync),
             PLANTED(last_block_without_fence), PLANTED(look_back_without_fence), PLANTED(lock_without_fence),
             PLANTED(halo_written_by_both), PLANTED(scratch_shared_by_blocks))
