// SPDX-License-Identifier: MIT
// Allocations: given back twice, too late, too early or never; copies that go the wrong way or too far.
#include "planted.h"

enum { THREADS = 64, BLOCKS = 4, N = THREADS * BLOCKS, BYTES = N * sizeof(int) };

static __global__ void increment(int *data) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  data[i] += 1;
}

// How many of the numbers on the device are not i + shift.
static int wrong_numbers(const int *device, int shift) {
  int host[N], wrong = 0;
  fetch(host, device, N);
  for (int i = 0; i < N; i++) wrong += host[i] != i + shift;
  return wrong;
}

// CASE leak_on_error_path: The function returns early when the input is refused, and the scratch memory it
// had allocated is lost.
static int leak_on_error_path_work(int refused, int bug) {
  int *scratch;
  CHECK(cudaMalloc(&scratch, BYTES));  // BUG: leak
  if (refused) {
    if (!bug) CHECK(cudaFree(scratch));
    return 0;
  }
  CHECK(cudaMemset(scratch, 0, BYTES));
  CHECK(cudaFree(scratch));
  return 1;
}
static int leak_on_error_path(int bug) {
  const int done = leak_on_error_path_work(0, bug) + leak_on_error_path_work(1, bug);
  return done != 1;
}

// CASE leak_in_loop: Each round allocates a buffer and overwrites the only pointer to the last one; one
// cudaFree behind the loop gives back the last buffer only.
static int leak_in_loop(int bug) {
  int *buffer = NULL, wrong = 0;
  for (int round = 0; round < 3; round++) {
    CHECK(cudaMalloc(&buffer, BYTES));  // BUG: leak
    CHECK(cudaMemset(buffer, 0, BYTES));
    increment<<<BLOCKS, THREADS>>>(buffer);
    finish();
    int first;
    fetch(&first, buffer, 1);
    wrong += first != 1;
    if (!bug && round < 2) CHECK(cudaFree(buffer));
  }
  CHECK(cudaFree(buffer));
  return wrong;
}

// CASE leak_pinned: Pinned host memory is given back with cudaFreeHost; until then it is lost to the machine,
// not just to the program.
static int leak_pinned(int bug) {
  int *host, *data = device_zeros(N), wrong = 0;
  CHECK(cudaMallocHost(&host, BYTES));  // BUG: leak
  CHECK(cudaMemcpy(host, data, BYTES, cudaMemcpyDeviceToHost));
  for (int i = 0; i < N; i++) wrong += host[i] != 0;
  if (!bug) CHECK(cudaFreeHost(host));
  CHECK(cudaFree(data));
  return wrong;
}

// CASE leak_async: What cudaMallocAsync took from the pool goes back with cudaFreeAsync, or cudaFree;
// destroying the stream does not do it.
static int leak_async(int bug) {
  int *data, host[N], wrong = 0;
  cudaStream_t stream;
  CHECK(cudaStreamCreate(&stream));
  CHECK(cudaMallocAsync(&data, BYTES, stream));  // BUG: leak
  CHECK(cudaMemsetAsync(data, 0, BYTES, stream));
  increment<<<BLOCKS, THREADS, 0, stream>>>(data);
  CHECK(cudaMemcpyAsync(host, data, BYTES, cudaMemcpyDeviceToHost, stream));
  if (!bug) CHECK(cudaFreeAsync(data, stream));
  CHECK(cudaStreamSynchronize(stream));
  CHECK(cudaStreamDestroy(stream));
  for (int i = 0; i < N; i++) wrong += host[i] != 1;
  return wrong;
}

// CASE double_free: Two owners of one pointer both give it back; by then it may be somebody else's.
static int double_free(int bug) {
  int *data = device_numbers(N), *also = data;
  const int wrong = wrong_numbers(data, 0);
  CHECK(cudaFree(data));
  if (bug) cudaFree(also);  // BUG: double-free
  // Memory that is allocated next may have the same address: freeing that is right.
  int *next = device_numbers(N);
  CHECK(cudaFree(next));
  return wrong;
}

// CASE free_of_the_middle: The pointer was moved along the array; only the address that cudaMalloc returned
// can be given back.
static int free_of_the_middle(int bug) {
  int *data = device_numbers(N), *at = data;
  increment<<<1, THREADS>>>(at);
  at += THREADS;
  finish();
  if (bug) cudaFree(at);  // BUG: invalid-free
  CHECK(cudaFree(at - THREADS));
  return 0;
}

// CASE free_of_host_memory: cudaFree takes device memory; what malloc returned goes to free.
static int free_of_host_memory(int bug) {
  int *host = (int *)malloc(BYTES), *data = device_numbers(N), wrong = 0;
  fetch(host, data, N);
  for (int i = 0; i < N; i++) wrong += host[i] != i;
  if (bug) cudaFree(host);  // BUG: invalid-free
  free(host);
  CHECK(cudaFree(data));
  return wrong;
}

// CASE pinned_given_to_free: Pinned memory belongs to cudaFreeHost: cudaFree refuses it, and so it is lost as
// well.
static int pinned_given_to_free(int bug) {
  int *host, wrong = 0;
  CHECK(cudaMallocHost(&host, BYTES));
  for (int i = 0; i < N; i++) host[i] = i;
  int *data = device_zeros(N);
  CHECK(cudaMemcpy(data, host, BYTES, cudaMemcpyHostToDevice));
  wrong = wrong_numbers(data, 0);
  if (bug) cudaFree(host);  // BUG: invalid-free
  CHECK(cudaFreeHost(host));
  CHECK(cudaFree(data));
  return wrong;
}

// CASE kernel_after_free: The buffer is given back before the last kernel that uses it is launched.
static __global__ void kernel_after_free_user(int *data) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  data[i] += 1;  // BUG: use-after-free
}
static int kernel_after_free(int bug) {
  int *data = device_numbers(N), wrong = 0;
  if (bug) CHECK(cudaFree(data));
  kernel_after_free_user<<<BLOCKS, THREADS>>>(data);
  finish();
  if (!bug) wrong = wrong_numbers(data, 1);
  if (!bug) CHECK(cudaFree(data));
  return wrong;
}

// CASE alias_after_growth: The array grows by moving to a new allocation; a second pointer still names the
// old one, which is free.
static __global__ void alias_after_growth_user(int *data) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  data[i] += 1;  // BUG: use-after-free
}
static int alias_after_growth(int bug) {
  int *data = device_numbers(N), *alias = data, *grown = (int *)device_bytes(2 * BYTES);
  CHECK(cudaMemcpy(grown, data, BYTES, cudaMemcpyDeviceToDevice));
  CHECK(cudaFree(data));
  if (!bug) alias = grown;
  alias_after_growth_user<<<BLOCKS, THREADS>>>(alias);
  finish();
  const int wrong = wrong_numbers(grown, 1);
  CHECK(cudaFree(grown));
  return wrong;
}

// CASE copy_after_free: Results are fetched after their memory has been given back.
static int copy_after_free(int bug) {
  int *data = device_numbers(N), host[N], wrong = 0;
  increment<<<BLOCKS, THREADS>>>(data);
  finish();
  if (bug) {
    CHECK(cudaFree(data));
    cudaMemcpy(host, data, BYTES, cudaMemcpyDeviceToHost);  // BUG: use-after-free
  } else {
    CHECK(cudaMemcpy(host, data, BYTES, cudaMemcpyDeviceToHost));
    CHECK(cudaFree(data));
  }
  for (int i = 0; i < N; i++) wrong += host[i] != i + 1;
  return wrong;
}

// CASE used_behind_free_async: In the stream's order, the memory is given back before the kernel that uses
// it.
static __global__ void used_behind_free_async_user(int *data, int *out) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  out[i] = data[i] + i;  // BUG: use-after-free
}
static int used_behind_free_async(int bug) {
  int *out = device_zeros(N), *data;
  cudaStream_t stream;
  CHECK(cudaStreamCreate(&stream));
  CHECK(cudaMallocAsync(&data, BYTES, stream));
  CHECK(cudaMemsetAsync(data, 0, BYTES, stream));
  if (bug) CHECK(cudaFreeAsync(data, stream));
  used_behind_free_async_user<<<BLOCKS, THREADS, 0, stream>>>(data, out);
  if (!bug) CHECK(cudaFreeAsync(data, stream));
  CHECK(cudaStreamSynchronize(stream));
  const int wrong = wrong_numbers(out, 0);
  CHECK(cudaStreamDestroy(stream));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE wrong_direction: The arguments were exchanged, the direction was not: the copy claims that device
// memory is the host's.
static int wrong_direction(int bug) {
  int *data = device_numbers(N), host[N], wrong = 0;
  increment<<<BLOCKS, THREADS>>>(data);
  finish();
  if (bug)
    cudaMemcpy(host, data, BYTES, cudaMemcpyHostToDevice);  // BUG: copy-direction
  else
    CHECK(cudaMemcpy(host, data, BYTES, cudaMemcpyDeviceToHost));
  for (int i = 0; i < N; i++) wrong += host[i] != i + 1;
  CHECK(cudaFree(data));
  return wrong;
}

// CASE copy_too_long: The copy is as long as the host's array with its halo, and the device has no room for
// the halo.
static int copy_too_long(int bug) {
  int host[N + 2], *data = device_zeros(N);
  for (int i = 0; i < N + 2; i++) host[i] = i;
  if (bug)
    cudaMemcpy(data, host, sizeof host, cudaMemcpyHostToDevice);  // BUG: copy-out-of-bounds
  else
    CHECK(cudaMemcpy(data, host, BYTES, cudaMemcpyHostToDevice));
  const int wrong = wrong_numbers(data, 0);
  CHECK(cudaFree(data));
  return wrong;
}

// CASE memset_too_long: The size was multiplied by the size of an element twice.
static int memset_too_long(int bug) {
  int *data = device_numbers(N), wrong = 0, host[N];
  const size_t bytes = N * sizeof *data;
  if (bug)
    cudaMemset(data, 0, bytes * sizeof *data);  // BUG: copy-out-of-bounds
  else
    CHECK(cudaMemset(data, 0, bytes));
  fetch(host, data, N);
  for (int i = 0; i < N; i++) wrong += host[i] != 0;
  CHECK(cudaFree(data));
  return wrong;
}

// CASE width_and_height_swapped: The copy of a pitched image gets rows and bytes per row the wrong way round:
// it leaves the image at its end.
static int width_and_height_swapped(int bug) {
  enum { WIDTH = 20, HEIGHT = 12 };
  int host[HEIGHT][WIDTH], back[HEIGHT][WIDTH], *image, wrong = 0;
  const size_t row = WIDTH * sizeof(int);
  size_t pitch;
  for (int y = 0; y < HEIGHT; y++)
    for (int x = 0; x < WIDTH; x++) host[y][x] = 100 * y + x;
  CHECK(cudaMallocPitch(&image, &pitch, row, HEIGHT));
  if (bug)
    cudaMemcpy2D(image, pitch, host, row, HEIGHT, row, cudaMemcpyHostToDevice);  // BUG: copy-out-of-bounds
  else
    CHECK(cudaMemcpy2D(image, pitch, host, row, row, HEIGHT, cudaMemcpyHostToDevice));
  if (!bug) CHECK(cudaMemcpy2D(back, row, image, pitch, row, HEIGHT, cudaMemcpyDeviceToHost));
  for (int y = 0; !bug && y < HEIGHT; y++)
    for (int x = 0; x < WIDTH; x++) wrong += back[y][x] != 100 * y + x;
  CHECK(cudaFree(image));
  return wrong;
}

// CASE symbol_too_small: A copy to a constant table is longer than the table.
static __constant__ int symbol_too_small_table[16];
static __global__ void symbol_too_small_reader(int *out) {
  out[threadIdx.x] = symbol_too_small_table[threadIdx.x];
}
static int symbol_too_small(int bug) {
  int values[17], host[16], *out = device_zeros(16), wrong = 0;
  for (int i = 0; i < 17; i++) values[i] = i * i;
  if (bug)
    cudaMemcpyToSymbol(symbol_too_small_table, values, sizeof values);  // BUG: copy-out-of-bounds
  else
    CHECK(cudaMemcpyToSymbol(symbol_too_small_table, values, 16 * sizeof *values));
  symbol_too_small_reader<<<1, 16>>>(out);
  CHECK(cudaDeviceSynchronize());
  fetch(host, out, 16);
  for (int i = 0; i < 16; i++) wrong += host[i] != i * i;
  CHECK(cudaFree(out));
  return wrong;
}

// CASE failed_launch_unseen: The first launch asks for more threads than a block can have, fails, and nobody
// asks for the error: the next kernel reads results that were never computed.
static __global__ void failed_launch_unseen_first(int *data) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < N) data[i] = i;
}
static __global__ void failed_launch_unseen_second(int *data) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  data[i] += 1;  // BUG: uninitialised-global
}
static int failed_launch_unseen(int bug) {
  int *data = (int *)device_bytes(BYTES);
  failed_launch_unseen_first<<<1, bug ? 2048 : 1024>>>(data);  // BUG: launch-failed
  failed_launch_unseen_second<<<BLOCKS, THREADS>>>(data);
  CHECK(cudaDeviceSynchronize());
  const int wrong = wrong_numbers(data, 1);
  CHECK(cudaFree(data));
  return wrong;
}

PLANTED_MAIN(PLANTED(leak_on_error_path), PLANTED(leak_in_loop), PLANTED(leak_pinned), PLANTED(leak_async),
             PLANTED(double_free), PLANTED(free_of_the_middle), PLANTED(free_of_host_memory),
             PLANTED(pinned_given_to_free), PLANTED(kernel_after_free), PLANTED(alias_after_growth),
             PLANTED(copy_after_free), PLANTED(used_behind_free_async), PLANTED(wrong_direction),
             PLANTED(copy_too_long), PLANTED(memset_too_long), PLANTED(width_and_height_swapped),
             PLANTED(symbol_too_small), PLANTED(failed_launch_unseen))
