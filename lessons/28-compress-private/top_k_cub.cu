// SPDX-License-Identifier: MIT
// The library beside our own selection: CUB sorts all magnitudes with their places (a radix sort is stable:
// of equal ones the first come first), then the places of the largest k. Prediction: several times the work,
// for a sort also puts the 99 % in an order that nobody asks for.
#include <heddle/device.h>

#include <cub/device/device_radix_sort.cuh>

#include "top_k.h"

enum { THREADS = 256, BITS = 31 };

// Of encode: keys and places, unsorted and sorted, each n; places of the message, k; then CUB's own.
typedef struct arrays {
  uint32_t *keys, *sorted_keys, *places, *sorted_places;
  void *storage;
} arrays;

static arrays arrays_in(void *work, size_t n) {
  uint32_t *words = (uint32_t *)work;
  const size_t each = (n + 63) / 64 * 64;  // CUB wants its storage aligned to 256 bytes
  arrays a = {words, words + each, words + 2 * each, words + 3 * each, words + 4 * each};
  return a;
}

// Both sorts are of the same kind, for it takes seconds to compile one: the second is of inverted places.
static void sort(const arrays *a, size_t bytes, uint32_t *places, uint32_t *sorted, size_t n, int bits,
                 cudaStream_t stream) {
  HD_CUDA(cub::DeviceRadixSort::SortPairsDescending(a->storage, bytes, a->keys, a->sorted_keys, places,
                                                    sorted, (int)n, 0, bits, stream));
}

static size_t storage_bytes(size_t n) {
  size_t bytes = 0;
  const uint32_t *in = NULL;
  uint32_t *out = NULL;
  HD_CUDA(cub::DeviceRadixSort::SortPairsDescending(NULL, bytes, in, out, in, out, (int)n));
  return bytes;
}

size_t top_k_cub_work(size_t n) {
  return n ? 4 * ((n + 63) / 64 * 64) * sizeof(uint32_t) + storage_bytes(n) : 0;
}

__global__ static void magnitudes_kernel(const float *x, size_t n, uint32_t *keys, uint32_t *places) {
  const size_t i = blockIdx.x * (size_t)THREADS + threadIdx.x;
  if (i >= n) return;
  keys[i] = magnitude(x[i]);
  places[i] = (uint32_t)i;
}

__global__ static void invert_kernel(const uint32_t *places, uint32_t *keys, uint32_t k) {
  const uint32_t i = blockIdx.x * THREADS + threadIdx.x;
  if (i < k) keys[i] = ~places[i];
}

// The places stand in the message already.
__global__ static void take_kernel(float *x, uint32_t *message, uint32_t k) {
  const uint32_t i = blockIdx.x * THREADS + threadIdx.x;
  if (i >= k) return;
  const uint32_t place = message[i];
  message[k + i] = __float_as_uint(x[place]);
  x[place] = 0;
}

static void encode(hd_ops *o, float *x, size_t n, uint32_t *message, void *work, uint64_t seed,
                   uint64_t stream) {
  (void)seed, (void)stream;
  if (n == 0) return;
  const cudaStream_t to = (cudaStream_t)o->stream;
  const uint32_t k = (uint32_t)top_k_kept(n);
  const arrays a = arrays_in(work, n);
  const size_t bytes = storage_bytes(n);
  const unsigned blocks = (unsigned)((n + THREADS - 1) / THREADS), few = (k + THREADS - 1) / THREADS;
  magnitudes_kernel<<<blocks, THREADS, 0, to>>>(x, n, a.keys, a.places);
  HD_LAUNCHED();
  sort(&a, bytes, a.places, a.sorted_places, n, BITS, to);
  invert_kernel<<<few, THREADS, 0, to>>>(a.sorted_places, a.keys, k);
  HD_LAUNCHED();
  sort(&a, bytes, a.sorted_places, message, k, 32, to);
  take_kernel<<<few, THREADS, 0, to>>>(x, message, k);
  HD_LAUNCHED();
}

const codec top_k_cub = {encode, top_k_sum};
