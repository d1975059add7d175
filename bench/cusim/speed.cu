// SPDX-License-Identifier: MIT
// How fast cusim executes, in wall time: six kernels with known times of other runtimes that run CUDA on a
// CPU, and the launch of one block. Run it untraced, as `make cusim-speed` does.
// usage: cusim-speed [--check]     --check: only that a wait of a thread costs no more than so much
// arithmetic
#include <cuda_runtime.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COUNT = 16 << 20, SIDE = 2048, N = 512, TILE = 16, BLOCK = 256, SAMPLES = 7 };

__global__ void vector_add(const float *x, const float *y, float *z, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) z[i] = x[i] + y[i];
}

__global__ void transpose_naive(const float *in, float *out, int n) {
  const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  out[x * n + y] = in[y * n + x];
}

__global__ void transpose_tiled(const float *in, float *out, int n) {
  __shared__ float tile[TILE][TILE + 1];
  const int x = blockIdx.x * TILE + threadIdx.x, y = blockIdx.y * TILE + threadIdx.y;
  tile[threadIdx.y][threadIdx.x] = in[y * n + x];
  __syncthreads();
  out[(blockIdx.x * TILE + threadIdx.y) * n + blockIdx.y * TILE + threadIdx.x] =
      tile[threadIdx.x][threadIdx.y];
}

__global__ void sgemm_tiled(const float *a, const float *b, float *c, int n) {
  __shared__ float a_tile[TILE][TILE], b_tile[TILE][TILE];
  const int row = blockIdx.y * TILE + threadIdx.y, column = blockIdx.x * TILE + threadIdx.x;
  float sum = 0;
  for (int k = 0; k < n; k += TILE) {
    a_tile[threadIdx.y][threadIdx.x] = a[row * n + k + threadIdx.x];
    b_tile[threadIdx.y][threadIdx.x] = b[(k + threadIdx.y) * n + column];
    __syncthreads();
    for (int i = 0; i < TILE; i++) sum += a_tile[threadIdx.y][i] * b_tile[i][threadIdx.x];
    __syncthreads();
  }
  c[row * n + column] = sum;
}

__global__ void block_reduction(const float *x, float *sums) {
  __shared__ float part[BLOCK];
  const unsigned t = threadIdx.x;
  part[t] = x[blockIdx.x * BLOCK + t];
  __syncthreads();
  for (unsigned s = BLOCK / 2; s > 0; s /= 2) {
    if (t < s) part[t] += part[t + s];
    __syncthreads();
  }
  if (t == 0) sums[blockIdx.x] = part[0];
}

__global__ void shuffle_reduction(const float *x, float *sums) {
  __shared__ float part[BLOCK / 32];
  const unsigned t = threadIdx.x;
  float v = x[blockIdx.x * BLOCK + t];
  for (int s = 16; s > 0; s /= 2) v += __shfl_down_sync(0xffffffffu, v, s);
  if (t % 32 == 0) part[t / 32] = v;
  __syncthreads();
  if (t < 32) {
    v = t < BLOCK / 32 ? part[t] : 0;
    for (int s = 16; s > 0; s /= 2) v += __shfl_down_sync(0xffffffffu, v, s);
    if (t == 0) sums[blockIdx.x] = v;
  }
}

__global__ void one_block(float *x) {
  x[threadIdx.x] += 1;
}

__global__ void many_barriers(float *x, int count) {
  for (int i = 0; i < count; i++) __syncthreads();
  x[threadIdx.x] = 0;
}

__global__ void many_shuffles(float *x, int count) {
  float v = (float)threadIdx.x;
  for (int i = 0; i < count; i++) v = __shfl_xor_sync(0xffffffffu, v, 1);
  x[threadIdx.x] = v;
}

static float *x, *y, *z;

static double read_clock(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void done(const char *what) {
  const cudaError_t error = cudaDeviceSynchronize();
  if (error == cudaSuccess) return;
  fprintf(stderr, "cusim-speed: %s: %s\n", what, cudaGetErrorString(error));
  exit(1);
}

static void run_add(void) {
  vector_add<<<COUNT / BLOCK, BLOCK>>>(x, y, z, COUNT);
}
static void run_naive(void) {
  transpose_naive<<<dim3(SIDE / TILE, SIDE / TILE), dim3(TILE, TILE)>>>(x, z, SIDE);
}
static void run_tiled(void) {
  transpose_tiled<<<dim3(SIDE / TILE, SIDE / TILE), dim3(TILE, TILE)>>>(x, z, SIDE);
}
static void run_sgemm(void) {
  sgemm_tiled<<<dim3(N / TILE, N / TILE), dim3(TILE, TILE)>>>(x, y, z, N);
}
static void run_block(void) {
  block_reduction<<<COUNT / BLOCK, BLOCK>>>(x, z);
}
static void run_shuffle(void) {
  shuffle_reduction<<<COUNT / BLOCK, BLOCK>>>(x, z);
}
enum { LAUNCHES = 1000, WAITS = 1000, CHAIN = 64 };
static void run_launch(void) {
  for (int i = 0; i < LAUNCHES; i++) one_block<<<1, 32>>>(z);
}
static void run_barriers(void) {
  many_barriers<<<1, BLOCK>>>(z, WAITS);
}
static void run_shuffles(void) {
  many_shuffles<<<1, BLOCK>>>(z, WAITS);
}

// The yardstick of --check: a chain of CHAIN dependent multiplications for every wait of every thread.
static void run_chain(void) {
  volatile float start = 1.0000001f;
  float v = start;
  for (int i = 0; i < WAITS * BLOCK; i++)
    for (int k = 0; k < CHAIN; k++) v = v * start;
  start = v;
}

// The shortest of several runs, by the wall clock and in processor time of all threads: what others do on the
// machine only makes a run longer, the former much more so.
typedef struct {
  double wall, processor;
} seconds;

static seconds shortest(void (*run)(void), const char *what, int samples) {
  seconds best = {INFINITY, INFINITY};
  for (int i = 0; i <= samples; i++) {
    const double wall = read_clock(CLOCK_MONOTONIC), processor = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    run();
    done(what);
    if (i == 0) continue;
    best.processor = fmin(best.processor, read_clock(CLOCK_PROCESS_CPUTIME_ID) - processor);
    best.wall = fmin(best.wall, read_clock(CLOCK_MONOTONIC) - wall);
  }
  return best;
}

static int right(const char *what) {
  if (strncmp(what, "vector", 6) == 0) return z[12345] == x[12345] + y[12345];
  if (strncmp(what, "transpose", 9) == 0) return z[5 * SIDE + 7] == x[7 * SIDE + 5];
  double want = 0;
  if (strncmp(what, "SGEMM", 5) == 0)
    for (int k = 0; k < N; k++) want += (double)x[3 * N + k] * (double)y[k * N + 5];
  else
    for (int i = 0; i < BLOCK; i++) want += (double)x[2 * BLOCK + i];
  const double got = strncmp(what, "SGEMM", 5) == 0 ? z[3 * N + 5] : z[2];
  return fabs(got - want) <= 1e-4 * fabs(want);
}

static int check(void) {
  const double chain = shortest(run_chain, "chain", 3).processor;
  const double barriers = shortest(run_barriers, "barriers", 5).processor / chain;
  const double shuffles = shortest(run_shuffles, "shuffles", 5).processor / chain;
  printf("a wait of a thread in units of %d dependent multiplications: barrier %.2f, shuffle %.2f\n", CHAIN,
         barriers, shuffles);
  const int passed = barriers < 1 && shuffles < 1;
  printf("%s\n", passed ? "PASS" : "FAIL: each must be below 1");
  return !passed;
}

int main(int argc, char **argv) {
  const size_t bytes = COUNT * sizeof(float);
  if (cudaMallocManaged(&x, bytes) || cudaMallocManaged(&y, bytes) || cudaMallocManaged(&z, bytes)) {
    fprintf(stderr, "cusim-speed: needs %zu MiB of memory\n", 3 * bytes >> 20);
    return 1;
  }
  for (int i = 0; i < COUNT; i++) {
    x[i] = (float)(i % 1000) * 0.001f;
    y[i] = (float)(i % 777) * 0.002f;
    z[i] = 0;
  }
  if (argc > 1 && strcmp(argv[1], "--check") == 0) return check();
  static const struct {
    const char *name;
    void (*run)(void);
    double target_ms;
    int launches;
  } row[] = {{"vector add 16 M", run_add, 6.8, 1},
             {"transpose naive 2048^2", run_naive, 5.5, 1},
             {"transpose tiled 2048^2, 1 barrier", run_tiled, 62, 1},
             {"SGEMM 16x16 tiles, n = 512", run_sgemm, 62, 1},
             {"block reduction 16 M, 9 barriers", run_block, 587, 1},
             {"warp-shuffle reduction 16 M", run_shuffle, 1339, 1},
             {"launch of one block", run_launch, 0.002, LAUNCHES}};
  int failed = 0;
  const char *only = argc > 1 ? argv[1] : "";
  printf("%-36s%10s%10s%18s%18s\n", "kernel", "ms", "target", "share of target", "processor ms");
  for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
    if (!strstr(row[i].name, only)) continue;
    const seconds took = shortest(row[i].run, row[i].name, SAMPLES);
    const double ms = 1e3 * took.wall / row[i].launches;
    const int good = row[i].launches > 1 || right(row[i].name);
    failed |= !good;
    printf("%-36s%10.4g%10.4g%18.2f%18.4g%s\n", row[i].name, ms, row[i].target_ms, ms / row[i].target_ms,
           1e3 * took.processor / row[i].launches, good ? "" : "  WRONG RESULT");
  }
  return failed;
}
