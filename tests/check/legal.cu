// SPDX-License-Identifier: MIT
// Nothing is planted here: correct programs that look like mistakes, and must not be accused.
#include <cooperative_groups.h>
#include <pthread.h>

#include "planted.h"

namespace cg = cooperative_groups;

enum { THREADS = 64, BLOCKS = 5, N = THREADS * BLOCKS, BYTES = N * sizeof(int) };

static int wrong_numbers(const int *device, int factor, int shift) {
  int host[N], wrong = 0;
  fetch(host, device, N);
  for (int i = 0; i < N; i++) wrong += host[i] != factor * i + shift;
  return wrong;
}

// LEGAL aggregated_atomics: One lane adds for all lanes that came along the same branch and hands out the
// places by a shuffle.
static __global__ void aggregate(const int *in, int *count, int *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n && in[i] % 3 == 0) {
    const cg::coalesced_group together = cg::coalesced_threads();
    int first = 0;
    if (together.thread_rank() == 0) first = atomicAdd(count, (int)together.size());
    out[together.shfl(first, 0) + (int)together.thread_rank()] = in[i];
  }
}
static int aggregated_atomics(int bug) {
  (void)bug;
  int *in = device_numbers(N), *count = device_zeros(1), *out = device_zeros(N), host[N], found, sum = 0;
  aggregate<<<BLOCKS, THREADS>>>(in, count, out, N);
  finish();
  fetch(&found, count, 1);
  fetch(host, out, N);
  for (int i = 0; i < found; i++) sum += host[i];
  CHECK(cudaFree(in));
  CHECK(cudaFree(count));
  CHECK(cudaFree(out));
  const int most = (N - 1) / 3;
  return found != most + 1 || sum != 3 * most * (most + 1) / 2;
}

// LEGAL packed_look_back: A one-pass scan whose value and flag are one 64-bit word: they arrive together, so
// there is nothing that a fence would have to order.
static __global__ void packed_scan(const int *in, int *out, int *tickets, unsigned long long *state) {
  __shared__ int number, before;
  const int t = threadIdx.x;
  if (t == 0) {
    number = atomicAdd(tickets, 1);
    unsigned sum = 0;
    for (int k = 0; k < THREADS; k++) sum += (unsigned)in[number * THREADS + k];
    unsigned carried = 0;
    if (number > 0) {
      unsigned long long seen;
      do seen = *(volatile unsigned long long *)&state[number - 1];
      while (seen >> 32 == 0);
      carried = (unsigned)seen;
    }
    atomicExch(&state[number], 1ull << 32 | (carried + sum));
    before = (int)carried;
  }
  __syncthreads();
  out[number * THREADS + t] = before;
}
static int packed_look_back(int bug) {
  (void)bug;
  int *in = device_numbers(N), *out = device_zeros(N), *tickets = device_zeros(1), host[N], wrong = 0;
  unsigned long long *state = (unsigned long long *)device_zeros(2 * BLOCKS);
  packed_scan<<<BLOCKS, THREADS>>>(in, out, tickets, state);
  finish();
  fetch(host, out, N);
  for (int i = 0; i < N; i++) wrong += host[i] != i / THREADS * THREADS * (i / THREADS * THREADS - 1) / 2;
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  CHECK(cudaFree(tickets));
  CHECK(cudaFree(state));
  return wrong;
}

// LEGAL padded_structs: Structures with holes are copied as a whole: what is in the holes does not matter.
typedef struct padded {
  char tag;
  double value;
  short end;
} padded;
static __global__ void make_padded(padded *to) {
  const int t = threadIdx.x;
  to[t].tag = (char)t;
  to[t].value = 0.5 * t;
  to[t].end = (short)-t;
}
static __global__ void move_padded(const padded *from, padded *to) {
  __shared__ padded tile[THREADS];
  const int t = threadIdx.x;
  tile[t] = from[t];
  __syncthreads();
  to[t] = tile[THREADS - 1 - t];
}
static int padded_structs(int bug) {
  (void)bug;
  padded host[THREADS], *from = (padded *)device_bytes(sizeof host),
                        *to = (padded *)device_bytes(sizeof host);
  int wrong = 0;
  make_padded<<<1, THREADS>>>(from);
  move_padded<<<1, THREADS>>>(from, to);
  finish();
  CHECK(cudaMemcpy(host, to, sizeof host, cudaMemcpyDeviceToHost));
  for (int t = 0; t < THREADS; t++) {
    const int k = THREADS - 1 - t;
    wrong += host[t].tag != k || host[t].value != 0.5 * k || host[t].end != -k;
  }
  CHECK(cudaFree(from));
  CHECK(cudaFree(to));
  return wrong;
}

// LEGAL tiles_of_eight: Groups of eight lanes exchange through their own part of shared memory and wait for
// nobody else.
static __global__ void reverse_eights(int *data) {
  __shared__ int s[THREADS];
  const cg::thread_block_tile<8> tile = cg::tiled_partition<8>(cg::this_thread_block());
  const int t = threadIdx.x, i = blockIdx.x * THREADS + t;
  for (int round = 0; round <= (int)tile.meta_group_rank() % 3 * 2;
       round++) {  // each tile as often as it likes
    s[t] = data[i];
    tile.sync();
    data[i] = s[t ^ 7];
    tile.sync();
  }
}
static int tiles_of_eight(int bug) {
  (void)bug;
  int *data = device_numbers(N), host[N], wrong = 0;
  reverse_eights<<<BLOCKS, THREADS>>>(data);
  finish();
  fetch(host, data, N);
  for (int i = 0; i < N; i++) wrong += host[i] != (i ^ 7);
  CHECK(cudaFree(data));
  return wrong;
}

// LEGAL shared_used_twice: The same shared memory holds numbers of one type in the first phase and of another
// in the second; a barrier lies between.
static __global__ void two_phases(int *data) {
  __shared__ double room[THREADS];
  const int t = threadIdx.x, i = blockIdx.x * THREADS + t;
  short *small = (short *)room;
  small[t] = (short)data[i];
  __syncthreads();
  const int mirrored = small[THREADS - 1 - t];
  __syncthreads();
  room[t] = 2.0 * mirrored;
  __syncthreads();
  data[i] = (int)room[THREADS - 1 - t];
}
static int shared_used_twice(int bug) {
  (void)bug;
  int *data = device_numbers(N);
  two_phases<<<BLOCKS, THREADS>>>(data);
  finish();
  const int wrong = wrong_numbers(data, 2, 0);
  CHECK(cudaFree(data));
  return wrong;
}

// LEGAL shifted_pointer: A pointer in front of the array is no mistake as long as what it is indexed to lies
// inside.
static __global__ void count_from_one(const int *in, int *out, int n) {
  const int *from_one = in - 1;
  const int i = blockIdx.x * blockDim.x + threadIdx.x + 1;
  if (i <= n) out[i - 1] = from_one[i] + 1;
}
static int shifted_pointer(int bug) {
  (void)bug;
  int *in = device_numbers(N), *out = device_zeros(N);
  count_from_one<<<BLOCKS + 1, THREADS>>>(in, out, N);
  finish();
  const int wrong = wrong_numbers(out, 1, 1);
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}

// LEGAL ping_pong_grid: Steps of a stencil in one cooperative launch: two arrays in turn, and one grid
// barrier a step.
static __global__ void smooth_steps(int *from, int *to, int n, int steps) {
  const cg::grid_group grid = cg::this_grid();
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  for (int step = 0; step < steps; step++) {
    if (i < n) to[i] = from[(i + 1) % n];
    grid.sync();
    int *swap = from;
    from = to;
    to = swap;
  }
}
static int ping_pong_grid(int bug) {
  (void)bug;
  int *from = device_numbers(N), *to = device_zeros(N), n = N, steps = 7, host[N], wrong = 0;
  void *arguments[] = {&from, &to, &n, &steps};
  CHECK(cudaLaunchCooperativeKernel((void *)smooth_steps, dim3(BLOCKS), dim3(THREADS), arguments, 0, 0));
  finish();
  fetch(host, to, N);
  for (int i = 0; i < N; i++) wrong += host[i] != (i + steps) % N;
  CHECK(cudaFree(from));
  CHECK(cudaFree(to));
  return wrong;
}

// LEGAL atomic_as_read: A value that others update is read with an atomic that adds nothing: every block sees
// some value of it, none is lost.
static __global__ void add_and_look(int *sum, int *seen) {
  if (threadIdx.x == 0) {
    atomicAdd(sum, 1);
    seen[blockIdx.x] = atomicAdd(sum, 0);
  }
}
static int atomic_as_read(int bug) {
  (void)bug;
  int *sum = device_zeros(1), *seen = device_zeros(BLOCKS), host[BLOCKS], wrong = 0;
  add_and_look<<<BLOCKS, THREADS>>>(sum, seen);
  finish();
  fetch(host, seen, BLOCKS);
  for (int b = 0; b < BLOCKS; b++) wrong += host[b] < 1 || host[b] > BLOCKS;
  CHECK(cudaFree(sum));
  CHECK(cudaFree(seen));
  return wrong;
}

static __global__ void add_one(int *data) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  data[i] += 1;
}

// LEGAL default_stream_between: Work in the legacy default stream comes after what was issued to blocking
// streams before, and ahead of what is issued to them later, without an event.
static int default_stream_between(int bug) {
  (void)bug;
  int *data = device_numbers(N);
  cudaStream_t a, b;
  CHECK(cudaStreamCreate(&a));
  CHECK(cudaStreamCreate(&b));
  add_one<<<BLOCKS, THREADS, 0, a>>>(data);
  add_one<<<BLOCKS, THREADS>>>(data);
  add_one<<<BLOCKS, THREADS, 0, b>>>(data);
  const int wrong = wrong_numbers(data, 1, 3);  // a copy in the default stream: it waits for b
  CHECK(cudaStreamDestroy(a));
  CHECK(cudaStreamDestroy(b));
  CHECK(cudaFree(data));
  return wrong;
}

// LEGAL event_chain: The first stream's work is ordered before the third's by way of the second, and the host
// waits for the third only.
static int event_chain(int bug) {
  (void)bug;
  int *data = device_numbers(N), *host, wrong = 0;
  cudaStream_t stream[3];
  cudaEvent_t done[3];
  CHECK(cudaMallocHost(&host, BYTES));
  CHECK(cudaDeviceSynchronize());
  for (int k = 0; k < 3; k++) {
    CHECK(cudaStreamCreateWithFlags(&stream[k], cudaStreamNonBlocking));
    CHECK(cudaEventCreateWithFlags(&done[k], cudaEventDisableTiming));
    if (k > 0) CHECK(cudaStreamWaitEvent(stream[k], done[k - 1], 0));
    add_one<<<BLOCKS, THREADS, 0, stream[k]>>>(data);
    if (k == 2) CHECK(cudaMemcpyAsync(host, data, BYTES, cudaMemcpyDeviceToHost, stream[k]));
    CHECK(cudaEventRecord(done[k], stream[k]));
  }
  CHECK(cudaEventSynchronize(done[2]));
  for (int i = 0; i < N; i++) wrong += host[i] != i + 3;
  for (int k = 0; k < 3; k++) {
    CHECK(cudaEventDestroy(done[k]));
    CHECK(cudaStreamDestroy(stream[k]));
  }
  CHECK(cudaFree(data));
  CHECK(cudaFreeHost(host));
  return wrong;
}

// LEGAL stream_at_old_address: Non-blocking streams are destroyed; blocking ones made afterwards, which may
// get their addresses, are waited for by the default stream, however many there are.
static int stream_at_old_address(int bug) {
  (void)bug;
  enum { STREAMS = 100 };
  int *data[STREAMS], host[N], wrong = 0;
  for (int i = 0; i < STREAMS; i++) {
    cudaStream_t stream;
    data[i] = device_numbers(N);
    CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    add_one<<<BLOCKS, THREADS, 0, stream>>>(data[i]);
    CHECK(cudaStreamSynchronize(stream));
    CHECK(cudaStreamDestroy(stream));
  }
  cudaStream_t stream[STREAMS];
  for (int i = 0; i < STREAMS; i++) {
    CHECK(cudaStreamCreate(&stream[i]));
    add_one<<<BLOCKS, THREADS, 0, stream[i]>>>(data[i]);
  }
  for (int i = 0; i < STREAMS; i++) {
    fetch(host, data[i], N);
    for (int k = 0; k < N; k++) wrong += host[k] != k + 2;
    CHECK(cudaStreamDestroy(stream[i]));
    CHECK(cudaFree(data[i]));
  }
  return wrong;
}

// LEGAL callback_reads_pinned: A host function in the stream runs when the copy before it is done, so it may
// read what was copied while the host itself goes on.
typedef struct summed {
  const int *values;
  int sum;
} summed;
static void CUDART_CB add_up(void *arg) {
  summed *s = (summed *)arg;
  for (int i = 0; i < N; i++) s->sum += s->values[i];
}
static int callback_reads_pinned(int bug) {
  (void)bug;
  int *data = device_numbers(N), *host;
  cudaStream_t stream;
  CHECK(cudaMallocHost(&host, BYTES));
  CHECK(cudaStreamCreate(&stream));
  summed s = {host, 0};
  add_one<<<BLOCKS, THREADS, 0, stream>>>(data);
  CHECK(cudaMemcpyAsync(host, data, BYTES, cudaMemcpyDeviceToHost, stream));
  CHECK(cudaLaunchHostFunc(stream, add_up, &s));
  CHECK(cudaStreamSynchronize(stream));
  CHECK(cudaStreamDestroy(stream));
  CHECK(cudaFree(data));
  CHECK(cudaFreeHost(host));
  return s.sum != N * (N + 1) / 2;
}

// LEGAL halves_of_pinned: The host fills one half of a pinned buffer while the other half is being sent.
static int halves_of_pinned(int bug) {
  (void)bug;
  int *data = device_zeros(N), *host;
  cudaStream_t stream;
  CHECK(cudaMallocHost(&host, BYTES));
  CHECK(cudaStreamCreate(&stream));
  CHECK(cudaDeviceSynchronize());
  for (int i = 0; i < N / 2; i++) host[i] = i;
  CHECK(cudaMemcpyAsync(data, host, BYTES / 2, cudaMemcpyHostToDevice, stream));
  for (int i = N / 2; i < N; i++) host[i] = i;
  CHECK(cudaMemcpyAsync(data + N / 2, host + N / 2, BYTES / 2, cudaMemcpyHostToDevice, stream));
  CHECK(cudaStreamSynchronize(stream));
  const int wrong = wrong_numbers(data, 1, 0);
  CHECK(cudaStreamDestroy(stream));
  CHECK(cudaFree(data));
  CHECK(cudaFreeHost(host));
  return wrong;
}

// LEGAL copied_uninitialised: Copying a buffer that is filled in part is no mistake: only what is used must
// have been written.
static int copied_uninitialised(int bug) {
  (void)bug;
  int *half = (int *)device_bytes(BYTES), *data = (int *)device_bytes(BYTES), host[N], wrong = 0;
  CHECK(cudaMemset(half, 0, BYTES / 2));
  CHECK(cudaMemcpy(data, half, BYTES, cudaMemcpyDeviceToDevice));
  add_one<<<1, N / 2>>>(data);
  finish();
  fetch(host, data, N);
  for (int i = 0; i < N / 2; i++) wrong += host[i] != 1;
  CHECK(cudaFree(half));
  CHECK(cudaFree(data));
  return wrong;
}

// LEGAL allocated_in_order: Stream-ordered memory is used, freed and allocated anew in one stream without any
// synchronization; the second allocation may have the first one's address.
static int allocated_in_order(int bug) {
  (void)bug;
  int *first, *second, *out = device_zeros(N);
  cudaStream_t stream;
  CHECK(cudaStreamCreate(&stream));
  CHECK(cudaMallocAsync(&first, BYTES, stream));
  CHECK(cudaMemsetAsync(first, 0, BYTES, stream));
  add_one<<<BLOCKS, THREADS, 0, stream>>>(first);
  CHECK(cudaFreeAsync(first, stream));
  CHECK(cudaMallocAsync(&second, BYTES, stream));
  CHECK(cudaMemcpyAsync(second, out, BYTES, cudaMemcpyDeviceToDevice, stream));
  add_one<<<BLOCKS, THREADS, 0, stream>>>(second);
  CHECK(cudaMemcpyAsync(out, second, BYTES, cudaMemcpyDeviceToDevice, stream));
  CHECK(cudaFreeAsync(second, stream));
  CHECK(cudaStreamSynchronize(stream));
  const int wrong = wrong_numbers(out, 0, 1);
  CHECK(cudaStreamDestroy(stream));
  CHECK(cudaFree(out));
  return wrong;
}

// LEGAL other_managed_array: The host works on one managed array while a kernel works on another.
static int other_managed_array(int bug) {
  (void)bug;
  int *mine, *yours, wrong = 0;
  CHECK(cudaMallocManaged(&mine, BYTES));
  CHECK(cudaMallocManaged(&yours, BYTES));
  for (int i = 0; i < N; i++) yours[i] = i;
  add_one<<<BLOCKS, THREADS>>>(yours);
  for (int i = 0; i < N; i++) mine[i] = i + 1;
  CHECK(cudaDeviceSynchronize());
  for (int i = 0; i < N; i++) wrong += mine[i] != yours[i];
  CHECK(cudaFree(mine));
  CHECK(cudaFree(yours));
  return wrong;
}

// LEGAL table_as_argument: A table of 16 KiB is a parameter: each thread reads its own copy, which came with
// the launch.
struct table {
  int value[4096];
};
static __global__ void look_up(const table known, int *out) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  out[i] = known.value[i * 7 % 4096];
}
static int table_as_argument(int bug) {
  (void)bug;
  static table known;
  for (int i = 0; i < 4096; i++) known.value[i * 7 % 4096] = i + 3;
  int *out = device_zeros(N);
  look_up<<<BLOCKS, THREADS>>>(known, out);
  finish();
  const int wrong = wrong_numbers(out, 1, 3);
  CHECK(cudaFree(out));
  return wrong;
}

// LEGAL threads_that_shuffle: Several threads of the host, one after the other and together, launch kernels
// whose lanes exchange values and which have no shared memory at all.
static __global__ void warp_sums(const int *data, int *out) {
  int value = data[blockIdx.x * blockDim.x + threadIdx.x];
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
  out[blockIdx.x * blockDim.x + threadIdx.x] = value;
}
static void *shuffle_some(void *wrong) {
  int *data = device_numbers(N), *out = device_zeros(N), host[N];
  warp_sums<<<BLOCKS, THREADS>>>(data, out);
  finish();
  fetch(host, out, N);
  for (int i = 0; i < N; i++) *(int *)wrong += host[i] != 32 * (i / 32 * 32) + 31 * 32 / 2;
  CHECK(cudaFree(data));
  CHECK(cudaFree(out));
  return NULL;
}
static int threads_that_shuffle(int bug) {
  (void)bug;
  enum { AT_ONCE = 4, ROUNDS = 3 };
  int wrong[ROUNDS][AT_ONCE] = {}, sum = 0;
  for (int round = 0; round < ROUNDS; round++) {
    pthread_t thread[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++)
      if (pthread_create(&thread[i], NULL, shuffle_some, &wrong[round][i])) exit(3);
    for (int i = 0; i < AT_ONCE; i++) {
      pthread_join(thread[i], NULL);
      sum += wrong[round][i];
    }
  }
  return sum;
}

PLANTED_MAIN(PLANTED(aggregated_atomics), PLANTED(packed_look_back), PLANTED(padded_structs),
             PLANTED(tiles_of_eight), PLANTED(shared_used_twice), PLANTED(shifted_pointer),
             PLANTED(ping_pong_grid), PLANTED(atomic_as_read), PLANTED(default_stream_between),
             PLANTED(event_chain), PLANTED(stream_at_old_address), PLANTED(callback_reads_pinned),
             PLANTED(halves_of_pinned), PLANTED(copied_uninitialised), PLANTED(allocated_in_order),
             PLANTED(other_managed_array), PLANTED(table_as_argument), PLANTED(threads_that_shuffle))
