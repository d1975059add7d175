// SPDX-License-Identifier: MIT
// Memory that is read before anybody has written it.
#include "planted.h"

enum { THREADS = 64, N = 200, BLOCKS = (N + THREADS - 1) / THREADS, BINS = 8, RADIUS = 3 };

// CASE accumulator_in_global: cudaMalloc does not clear: an accumulator must be set to zero before anything
// is added to it.
static __global__ void accumulator_in_global_any(const int *in, int *sum, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) atomicAdd(sum, in[i]);  // BUG: uninitialised-global
}
static int accumulator_in_global(int bug) {
  int *in = device_numbers(N), *sum = (int *)device_bytes(sizeof *sum), host;
  if (!bug) CHECK(cudaMemset(sum, 0, sizeof *sum));
  accumulator_in_global_any<<<BLOCKS, THREADS>>>(in, sum, N);
  finish();
  fetch(&host, sum, 1);
  CHECK(cudaFree(in));
  CHECK(cudaFree(sum));
  return host != N * (N - 1) / 2;
}

// CASE accumulator_in_shared: Shared memory starts with whatever the last block left: the block's sum must be
// set to zero first, behind a barrier.
static __global__ void accumulator_in_shared_bug(const int *in, int *out, int n) {
  __shared__ int sum;
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) atomicAdd(&sum, in[i]);  // BUG: uninitialised-shared
  __syncthreads();
  if (threadIdx.x == 0) atomicAdd(out, sum);
}
static __global__ void accumulator_in_shared_twin(const int *in, int *out, int n) {
  __shared__ int sum;
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (threadIdx.x == 0) sum = 0;
  __syncthreads();
  if (i < n) atomicAdd(&sum, in[i]);
  __syncthreads();
  if (threadIdx.x == 0) atomicAdd(out, sum);
}
// CASE tail_of_tile: The last block fills a part of its tile only, and the reduction adds up all of it: what
// is not loaded must be set to the neutral element.
static __global__ void tail_of_tile_bug(const int *in, int *out, int n) {
  __shared__ int tile[THREADS];
  const int t = threadIdx.x, i = blockIdx.x * THREADS + t;
  if (i < n) tile[t] = in[i];
  __syncthreads();
  for (int half = THREADS / 2; half > 0; half /= 2) {
    if (t < half) tile[t] += tile[t + half];  // BUG: uninitialised-shared
    __syncthreads();
  }
  if (t == 0) atomicAdd(out, tile[0]);
}
static __global__ void tail_of_tile_twin(const int *in, int *out, int n) {
  __shared__ int tile[THREADS];
  const int t = threadIdx.x, i = blockIdx.x * THREADS + t;
  tile[t] = i < n ? in[i] : 0;
  __syncthreads();
  for (int half = THREADS / 2; half > 0; half /= 2) {
    if (t < half) tile[t] += tile[t + half];
    __syncthreads();
  }
  if (t == 0) atomicAdd(out, tile[0]);
}
// CASE dynamic_bins: Dynamic shared memory is not cleared either; the loop that clears the bins stops one bin
// too early.
static __global__ void dynamic_bins_bug(const int *in, int *out, int n) {
  extern __shared__ int bins[];
  const int t = threadIdx.x, i = blockIdx.x * THREADS + t;
  if (t < BINS - 1) bins[t] = 0;
  __syncthreads();
  if (i < n) atomicAdd(&bins[in[i] % BINS], in[i]);  // BUG: uninitialised-shared
  __syncthreads();
  if (t < BINS) atomicAdd(out, bins[t]);
}
static __global__ void dynamic_bins_twin(const int *in, int *out, int n) {
  extern __shared__ int bins[];
  const int t = threadIdx.x, i = blockIdx.x * THREADS + t;
  if (t < BINS) bins[t] = 0;
  __syncthreads();
  if (i < n) atomicAdd(&bins[in[i] % BINS], in[i]);
  __syncthreads();
  if (t < BINS) atomicAdd(out, bins[t]);
}
static int wrong_sum(void (*kernel)(const int *, int *, int)) {
  int *in = device_numbers(N), *out = device_zeros(1), host;
  kernel<<<BLOCKS, THREADS, BINS * sizeof(int)>>>(in, out, N);
  finish();
  fetch(&host, out, 1);
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return host != N * (N - 1) / 2;
}
static int accumulator_in_shared(int bug) {
  return wrong_sum(bug ? accumulator_in_shared_bug : accumulator_in_shared_twin);
}
static int tail_of_tile(int bug) {
  return wrong_sum(bug ? tail_of_tile_bug : tail_of_tile_twin);
}
static int dynamic_bins(int bug) {
  return wrong_sum(bug ? dynamic_bins_bug : dynamic_bins_twin);
}

// CASE halo_not_loaded: The tile has a halo on both sides, and only the left one is loaded: the last threads
// of the block read what nobody stored.
static __global__ void halo_not_loaded_bug(const int *in, int *out, int n) {
  __shared__ int tile[THREADS + 2 * RADIUS];
  const int t = threadIdx.x, i = blockIdx.x * THREADS + t;
  tile[t + RADIUS] = i < n ? in[i] : 0;
  if (t < RADIUS) tile[t] = i >= RADIUS ? in[i - RADIUS] : 0;
  __syncthreads();
  int sum = 0;
  for (int k = 0; k <= 2 * RADIUS; k++) sum += tile[t + k];  // BUG: uninitialised-shared
  if (i < n) out[i] = sum;
}
static __global__ void halo_not_loaded_twin(const int *in, int *out, int n) {
  __shared__ int tile[THREADS + 2 * RADIUS];
  const int t = threadIdx.x, i = blockIdx.x * THREADS + t;
  tile[t + RADIUS] = i < n ? in[i] : 0;
  if (t < RADIUS) {
    tile[t] = i >= RADIUS ? in[i - RADIUS] : 0;
    tile[t + RADIUS + THREADS] = i + THREADS < n ? in[i + THREADS] : 0;
  }
  __syncthreads();
  int sum = 0;
  for (int k = 0; k <= 2 * RADIUS; k++) sum += tile[t + k];
  if (i < n) out[i] = sum;
}
static int halo_not_loaded(int bug) {
  void (*kernel)(const int *, int *, int) = bug ? halo_not_loaded_bug : halo_not_loaded_twin;
  int *in = device_numbers(N), *out = device_zeros(N), host[N], wrong = 0;
  kernel<<<BLOCKS, THREADS>>>(in, out, N);
  finish();
  fetch(host, out, N);
  for (int i = 0; i < N; i++) {
    int sum = 0;
    for (int k = i - RADIUS; k <= i + RADIUS; k++) sum += k >= 0 && k < N ? k : 0;
    wrong += host[i] != sum;
  }
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}

static __global__ void double_all(const int *in, int *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = 2 * in[i];
}
// A kernel of its own for each case, so that the marked line is the one that reads.
#define DOUBLING(name) static __global__ void name(const int *in, int *out, int n)

// CASE copy_in_elements: cudaMemcpy counts bytes: given the number of elements it moves a quarter of them,
// and the kernel reads the rest as it was allocated.
DOUBLING(copy_in_elements_any) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = 2 * in[i];  // BUG: uninitialised-global
}
static int copy_in_elements(int bug) {
  int host[N], *in = (int *)device_bytes(sizeof host), *out = device_zeros(N), wrong = 0;
  for (int i = 0; i < N; i++) host[i] = i;
  CHECK(cudaMemcpy(in, host, bug ? (size_t)N : N * sizeof *host, cudaMemcpyHostToDevice));
  copy_in_elements_any<<<BLOCKS, THREADS>>>(in, out, N);
  finish();
  fetch(host, out, N);
  for (int i = 0; i < N; i++) wrong += host[i] != 2 * i;
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE memset_in_elements: cudaMemset counts bytes as well: three quarters of the counters start with
// garbage.
static __global__ void memset_in_elements_any(const int *in, int *counts, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) atomicAdd(&counts[in[i] % BINS], 1);  // BUG: uninitialised-global
}
static int memset_in_elements(int bug) {
  int *in = device_numbers(N), *counts = (int *)device_bytes(BINS * sizeof *counts), host[BINS], wrong = 0;
  CHECK(cudaMemset(counts, 0, bug ? (size_t)BINS : BINS * sizeof *counts));
  memset_in_elements_any<<<BLOCKS, THREADS>>>(in, counts, N);
  finish();
  fetch(host, counts, BINS);
  for (int b = 0; b < BINS; b++) wrong += host[b] != N / BINS;
  CHECK(cudaFree(in));
  CHECK(cudaFree(counts));
  return wrong;
}

// CASE grid_too_small: The number of blocks is rounded down, so the last elements are never computed, and the
// next kernel reads them.
DOUBLING(grid_too_small_second) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = 2 * in[i];  // BUG: uninitialised-global
}
static int grid_too_small(int bug) {
  int *in = device_numbers(N), *middle = (int *)device_bytes(N * sizeof *middle), *out = device_zeros(N);
  int host[N], wrong = 0;
  double_all<<<bug ? N / THREADS : BLOCKS, THREADS>>>(in, middle, N);
  grid_too_small_second<<<BLOCKS, THREADS>>>(middle, out, N);
  finish();
  fetch(host, out, N);
  for (int i = 0; i < N; i++) wrong += host[i] != 4 * i;
  CHECK(cudaFree(in));
  CHECK(cudaFree(middle));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE every_other_written: A stride of two where one was meant leaves every other element unwritten for the
// next kernel.
static __global__ void every_other_written_bug(int *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (2 * i < n) out[2 * i] = 2 * i;
}
static __global__ void every_other_written_twin(int *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (2 * i < n) out[2 * i] = 2 * i;
  if (2 * i + 1 < n) out[2 * i + 1] = 2 * i + 1;
}
DOUBLING(every_other_written_reader) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = 2 * in[i];  // BUG: uninitialised-global
}
static int every_other_written(int bug) {
  void (*kernel)(int *, int) = bug ? every_other_written_bug : every_other_written_twin;
  int *middle = (int *)device_bytes(N * sizeof *middle), *out = device_zeros(N), host[N], wrong = 0;
  kernel<<<BLOCKS, THREADS>>>(middle, N);
  every_other_written_reader<<<BLOCKS, THREADS>>>(middle, out, N);
  finish();
  fetch(host, out, N);
  for (int i = 0; i < N; i++) wrong += host[i] != 2 * i;
  CHECK(cudaFree(middle));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE flat_copy_into_pitched: The rows of a pitched allocation are further apart than the image is wide; one
// flat copy fills the first rows with everything, and the kernel reads rows that got nothing.
static __global__ void flat_copy_into_pitched_any(const int *image, size_t pitch, int *sums, int width) {
  const int *row = (const int *)((const char *)image + blockIdx.x * pitch);
  int sum = 0;
  for (int x = 0; x < width; x++) sum += row[x];  // BUG: uninitialised-global
  sums[blockIdx.x] = sum;
}
static int flat_copy_into_pitched(int bug) {
  enum { WIDTH = 50, HEIGHT = 12 };
  int host[WIDTH * HEIGHT], *image, *sums = device_zeros(HEIGHT), results[HEIGHT], wrong = 0;
  const size_t row = WIDTH * sizeof *host;
  size_t pitch;
  for (int i = 0; i < WIDTH * HEIGHT; i++) host[i] = i;
  CHECK(cudaMallocPitch(&image, &pitch, row, HEIGHT));
  if (bug)
    CHECK(cudaMemcpy(image, host, sizeof host, cudaMemcpyHostToDevice));
  else
    CHECK(cudaMemcpy2D(image, pitch, host, row, row, HEIGHT, cudaMemcpyHostToDevice));
  flat_copy_into_pitched_any<<<HEIGHT, 1>>>(image, pitch, sums, WIDTH);
  finish();
  fetch(results, sums, HEIGHT);
  for (int y = 0; y < HEIGHT; y++) wrong += results[y] != WIDTH * WIDTH * y + WIDTH * (WIDTH - 1) / 2;
  CHECK(cudaFree(image));
  CHECK(cudaFree(sums));
  return wrong;
}

// CASE reused_memory: Memory that is freed and allocated again comes back at the same place with the old
// values in it; relying on them works until it does not.
static __global__ void reused_memory_any(int *data, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) data[i] = 2 * data[i];  // BUG: uninitialised-global
}
static int reused_memory(int bug) {
  int *data = device_numbers(N), host[N], wrong = 0;
  CHECK(cudaFree(data));
  data = bug ? (int *)device_bytes(N * sizeof *data) : device_numbers(N);
  reused_memory_any<<<BLOCKS, THREADS>>>(data, N);
  finish();
  fetch(host, data, N);
  for (int i = 0; i < N; i++) wrong += host[i] != 2 * i;
  CHECK(cudaFree(data));
  return wrong;
}

PLANTED_MAIN(PLANTED(accumulator_in_global), PLANTED(accumulator_in_shared), PLANTED(tail_of_tile),
             PLANTED(dynamic_bins), PLANTED(halo_not_loaded), PLANTED(copy_in_elements),
             PLANTED(memset_in_elements), PLANTED(grid_too_small), PLANTED(every_other_written),
             PLANTED(flat_copy_into_pitched), PLANTED(reused_memory))
