// SPDX-License-Identifier: MIT
// Counter-based random numbers: the i-th number of a stream is a pure function of (seed, stream, i), so CPU
// threads, ranks and GPU threads draw the same numbers without talking to each other. Philox4x32-10: Salmon
// et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#ifndef HEDDLE_RANDOM_H
#define HEDDLE_RANDOM_H
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __CUDACC__
#define HD_BOTH __host__ __device__ static inline
#else
#define HD_BOTH static inline
#endif

typedef struct hd_random4 {
  uint32_t v[4];
} hd_random4;

// The four 32-bit words of counter `index` in stream (seed, stream).
HD_BOTH hd_random4 hd_philox(uint64_t seed, uint64_t stream, uint64_t index) {
  uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32), c2 = (uint32_t)stream,
           c3 = (uint32_t)(stream >> 32);
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = 0xD2511F53ull * c0, p1 = 0xCD9E8D57ull * c2;
    const uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  hd_random4 r = {{c0, c1, c2, c3}};
  return r;
}

// Uniform in (0, 1): never 0, so its logarithm is finite.
HD_BOTH float hd_uniform(uint32_t word) {
  return ((float)(word >> 9) + 0.5f) * (1.0f / 8388608.0f);
}

// The index-th uniform number in (0, 1) of a stream.
HD_BOTH float hd_random_uniform(uint64_t seed, uint64_t stream, uint64_t index) {
  return hd_uniform(hd_philox(seed, stream, index / 4).v[index % 4]);
}

// A standard normal number of two words (Box and Muller).
HD_BOTH float hd_normal(uint32_t first, uint32_t second) {
  return sqrtf(-2.0f * logf(hd_uniform(first))) * cosf(6.28318530717958648f * hd_uniform(second));
}

// The index-th standard normal number of a stream.
HD_BOTH float hd_random_normal(uint64_t seed, uint64_t stream, uint64_t index) {
  const hd_random4 r = hd_philox(seed, stream, index / 2);
  return hd_normal(r.v[2 * (index % 2)], r.v[2 * (index % 2) + 1]);
}

#ifdef __cplusplus
extern "C" {
#endif
// x[0..count) = N(0, 1) numbers of (seed, stream), by all OpenMP threads; the same for any number of threads.
void hd_fill_normal(float *x, size_t count, uint64_t seed, uint64_t stream);
// A new array of them times `deviation`, to be freed by the caller.
float *hd_new_normal(size_t count, uint64_t seed, uint64_t stream, float deviation);
#ifdef __cplusplus
}
#endif
#endif
