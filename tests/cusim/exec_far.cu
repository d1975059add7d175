// SPDX-License-Identifier: MIT
// What memory that is not the device's own costs, in virtual time: copies of pageable and pinned memory, host
// memory that a kernel reaches over the link, managed memory whose pages move. All held against one copy of
// pinned memory.
#include "exec_check.h"

#include <string.h>

enum { N = 1 << 22, BYTES = N * sizeof(float), THREADS = 256 };

// Reads `floats`, writes half as many.
__global__ void halve(const float *from, float *to, int floats) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < floats / 2) to[i] = from[i] + from[i + floats / 2];
}

static cudaEvent_t start, stop;

static void begin() {
  CHECK(cudaDeviceSynchronize());
  CHECK(cudaEventRecord(start));
}
// Microseconds since begin().
static double end() {
  float ms = 0;
  CHECK(cudaEventRecord(stop));
  CHECK(cudaEventSynchronize(stop));
  CHECK(cudaEventElapsedTime(&ms, start, stop));
  return ms * 1e3;
}

static double copy(void *to, const void *from) {
  begin();
  CHECK(cudaMemcpy(to, from, BYTES, cudaMemcpyHostToDevice));
  return end();
}
static double kernel(const float *from, float *to, int floats) {
  begin();
  halve<<<floats / 2 / THREADS, THREADS>>>(from, to, floats);
  return end();
}
static double prefetch(float *p, bool to_host) {
  cudaMemLocation where;
  where.type = to_host ? cudaMemLocationTypeHost : cudaMemLocationTypeDevice;
  where.id = 0;
  begin();
  CHECK(cudaMemPrefetchAsync(p, BYTES, where, 0, 0));
  return end();
}

static void expect_near(int line, double us, double expected, double tolerance) {
  EXPECT(us > expected * (1 - tolerance) && us < expected * (1 + tolerance), "line %d: %g us, expected %g",
         line, us, expected);
}

int main() {
  float *device, *half, *pinned, *pinned_half, *pageable = (float *)malloc(BYTES), *managed;
  CHECK(cudaEventCreate(&start));
  CHECK(cudaEventCreate(&stop));
  CHECK(cudaMalloc(&device, BYTES));
  CHECK(cudaMalloc(&half, BYTES));
  CHECK(cudaHostAlloc(&pinned, BYTES, cudaHostAllocMapped));
  CHECK(cudaHostAlloc(&pinned_half, BYTES, cudaHostAllocMapped));
  CHECK(cudaMallocManaged(&managed, BYTES));
  for (int i = 0; i < N; i++) pinned[i] = pageable[i] = managed[i] = 1;

  const double link = copy(device, pinned);
  expect_near(__LINE__, copy(device, pageable), link / 0.4, 0.05);
  const double resident = kernel(device, half, N);
  EXPECT(resident < link / 20, "%g us", resident);

  // Over the link, both ways at once: the reads take longer. Twice the bytes, twice the time, less a round
  // trip.
  expect_near(__LINE__, kernel(pinned, pinned_half, N), link, 0.05);
  expect_near(__LINE__, kernel(pinned, half, N), link, 0.05);
  expect_near(__LINE__, kernel(device, pinned_half, N), link / 2, 0.05);
  expect_near(__LINE__, kernel(pinned, half, N / 2), link / 2, 0.05);

  // The first kernel faults; the second finds its pages.
  const double faults = kernel(managed, half, N);
  expect_near(__LINE__, faults, 2 * link + 20, 0.05);
  expect_near(__LINE__, kernel(managed, half, N), resident, 0.5);
  expect_near(__LINE__, prefetch(managed, true), link, 0.05);
  EXPECT(prefetch(managed, true) < link / 20, "pages move that are there");  // they are there
  expect_near(__LINE__, kernel(managed, half, N / 2), faults / 2, 0.1);
  expect_near(__LINE__, kernel(managed, half, N), faults / 2, 0.1);  // the other half
  expect_near(__LINE__, prefetch(managed, true), link, 0.05);
  expect_near(__LINE__, prefetch(managed, false), link, 0.05);
  expect_near(__LINE__, kernel(managed, half, N), resident, 0.5);

  // New memory is the host's, even where old memory was.
  CHECK(cudaFree(managed));
  CHECK(cudaMallocManaged(&managed, BYTES));
  memset(managed, 0, BYTES);
  expect_near(__LINE__, kernel(managed, half, N), faults, 0.05);

  CHECK(cudaFree(managed));
  CHECK(cudaFree(device));
  CHECK(cudaFree(half));
  CHECK(cudaFreeHost(pinned));
  CHECK(cudaFreeHost(pinned_half));
  free(pageable);
  FINISH();
}
