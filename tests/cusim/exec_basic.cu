// SPDX-License-Identifier: MIT
// Kernels everybody writes first, at awkward sizes: vector sum, transposes through shared memory of every
// kind, matrix product in tiles.
#include "exec_check.h"

enum { TILE = 16, GUARD = 64 };

__global__ void add(const float *a, const float *b, float *c, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) c[i] = a[i] + b[i];
}

__global__ void transpose(const float *in, float *out, int rows, int columns) {
  __shared__ float tile[TILE][TILE + 1];
  int x = blockIdx.x * TILE + threadIdx.x, y = blockIdx.y * TILE + threadIdx.y;
  if (x < columns && y < rows) tile[threadIdx.y][threadIdx.x] = in[(size_t)y * columns + x];
  __syncthreads();
  x = blockIdx.y * TILE + threadIdx.x;
  y = blockIdx.x * TILE + threadIdx.y;
  if (x < rows && y < columns) out[(size_t)y * rows + x] = tile[threadIdx.x][threadIdx.y];
}

__global__ void multiply(const float *a, const float *b, float *c, int n) {
  __shared__ float a_tile[TILE][TILE], b_tile[TILE][TILE];
  const int x = threadIdx.x, y = threadIdx.y, row = blockIdx.y * TILE + y, column = blockIdx.x * TILE + x;
  float sum = 0;
  for (int k = 0; k < n; k += TILE) {
    a_tile[y][x] = row < n && k + x < n ? a[row * n + k + x] : 0;
    b_tile[y][x] = k + y < n && column < n ? b[(k + y) * n + column] : 0;
    __syncthreads();
    for (int i = 0; i < TILE; i++) sum += a_tile[y][i] * b_tile[i][x];
    __syncthreads();
  }
  if (row < n && column < n) c[row * n + column] = sum;
}

extern __shared__ int file_scope_memory[];

__global__ void reverse_file_scope(int *x) {
  file_scope_memory[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = file_scope_memory[blockDim.x - 1 - threadIdx.x];
}

__global__ void reverse_in_function(double *x) {
  extern __shared__ __align__(16) unsigned char bytes[];
  double *values = (double *)bytes;
  values[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = values[blockDim.x - 1 - threadIdx.x];
}

// Dimensions in all three directions, each thread and block exactly once.
__global__ void visit(unsigned *count) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  count[block * blockDim.x * blockDim.y * blockDim.z + thread] += 1 + block;
}

static void *device_copy(const void *host, size_t bytes) {
  void *device;
  CHECK(cudaMalloc(&device, bytes));
  CHECK(cudaMemcpy(device, host, bytes, cudaMemcpyHostToDevice));
  return device;
}

static void test_add(int n) {
  const size_t room = n + GUARD;
  float *host = (float *)malloc(3 * room * sizeof *host), *a = host, *b = a + room, *c = b + room;
  for (size_t i = 0; i < room; i++) a[i] = (float)(i % 1000), b[i] = 0.5f * (float)(i % 77), c[i] = -1;
  float *d_a = (float *)device_copy(a, room * sizeof *a), *d_b = (float *)device_copy(b, room * sizeof *b);
  float *d_c = (float *)device_copy(c, room * sizeof *c);
  if (n) add<<<(n + 255) / 256, 256>>>(d_a, d_b, d_c, n);
  CHECK(cudaGetLastError());
  CHECK(cudaMemcpy(c, d_c, room * sizeof *c, cudaMemcpyDeviceToHost));
  size_t wrong = 0;
  for (size_t i = 0; i < room; i++) wrong += !(c[i] == (i < (size_t)n ? a[i] + b[i] : -1));
  EXPECT(wrong == 0, "n = %d, %zu wrong", n, wrong);
  CHECK(cudaFree(d_a));
  CHECK(cudaFree(d_b));
  CHECK(cudaFree(d_c));
  free(host);
}

static void test_transpose(int rows, int columns) {
  const size_t count = (size_t)rows * columns;
  float *host = (float *)malloc(count * sizeof *host), *back = (float *)malloc(count * sizeof *host);
  for (size_t i = 0; i < count; i++) host[i] = (float)i, back[i] = -1;
  float *in = (float *)device_copy(host, count * sizeof *host),
        *out = (float *)device_copy(back, count * sizeof *back);
  transpose<<<dim3((columns + TILE - 1) / TILE, (rows + TILE - 1) / TILE), dim3(TILE, TILE)>>>(in, out, rows,
                                                                                               columns);
  CHECK(cudaMemcpy(back, out, count * sizeof *back, cudaMemcpyDeviceToHost));
  size_t wrong = 0;
  for (int y = 0; y < rows; y++)
    for (int x = 0; x < columns; x++) wrong += !(back[(size_t)x * rows + y] == host[(size_t)y * columns + x]);
  EXPECT(wrong == 0, "%d x %d, %zu wrong", rows, columns, wrong);
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  free(host);
  free(back);
}

static void test_multiply(int n) {
  const size_t bytes = sizeof(float) * n * n;
  float *a = (float *)malloc(bytes), *b = (float *)malloc(bytes), *c = (float *)malloc(bytes);
  for (int i = 0; i < n * n; i++) a[i] = (float)(i % 7 - 3), b[i] = (float)(i % 5 - 2), c[i] = -1;
  float *d_a = (float *)device_copy(a, bytes), *d_b = (float *)device_copy(b, bytes),
        *d_c = (float *)device_copy(c, bytes);
  const unsigned tiles = (n + TILE - 1) / TILE;
  multiply<<<dim3(tiles, tiles), dim3(TILE, TILE)>>>(d_a, d_b, d_c, n);
  CHECK(cudaMemcpy(c, d_c, bytes, cudaMemcpyDeviceToHost));
  int wrong = 0;
  for (int y = 0; y < n; y++)
    for (int x = 0; x < n; x++) {
      float sum = 0;  // small whole numbers: exact in any order
      for (int k = 0; k < n; k++) sum += a[y * n + k] * b[k * n + x];
      wrong += !(c[y * n + x] == sum);
    }
  EXPECT(wrong == 0, "n = %d, %d wrong", n, wrong);
  CHECK(cudaFree(d_a));
  CHECK(cudaFree(d_b));
  CHECK(cudaFree(d_c));
  free(a);
  free(b);
  free(c);
}

static void test_dynamic_shared(void) {
  int whole[100];
  double real[777];
  for (int i = 0; i < 100; i++) whole[i] = i;
  for (int i = 0; i < 777; i++) real[i] = i + 0.5;
  int *d_whole = (int *)device_copy(whole, sizeof whole);
  double *d_real = (double *)device_copy(real, sizeof real);
  reverse_file_scope<<<1, 100, sizeof whole>>>(d_whole);
  reverse_in_function<<<1, 777, sizeof real>>>(d_real);
  CHECK(cudaMemcpy(whole, d_whole, sizeof whole, cudaMemcpyDeviceToHost));
  CHECK(cudaMemcpy(real, d_real, sizeof real, cudaMemcpyDeviceToHost));
  for (int i = 0; i < 100; i++) EXPECT(whole[i] == 99 - i, "[%d] is %d", i, whole[i]);
  for (int i = 0; i < 777; i++) EXPECT(real[i] == 776.5 - i, "[%d] is %f", i, real[i]);
  CHECK(cudaFree(d_whole));
  CHECK(cudaFree(d_real));
}

static void test_visit(void) {
  const dim3 grid(3, 5, 2), block(7, 3, 4);
  unsigned host[30 * 84] = {0};
  unsigned *device = (unsigned *)device_copy(host, sizeof host);
  visit<<<grid, block>>>(device);
  CHECK(cudaMemcpy(host, device, sizeof host, cudaMemcpyDeviceToHost));
  for (unsigned i = 0; i < 30 * 84; i++) EXPECT(host[i] == 1 + i / 84, "[%u] is %u", i, host[i]);
  CHECK(cudaFree(device));
}

int main(void) {
  const int sizes[] = {0, 1, 33, 1000, 1000003};
  for (int n : sizes) test_add(n);
  test_transpose(1, 1);
  test_transpose(33, 1000);
  test_transpose(257, 31);
  test_multiply(1);
  test_multiply(33);
  test_multiply(96);
  test_dynamic_shared();
  test_visit();
  CHECK(cudaDeviceSynchronize());
  FINISH();
}
