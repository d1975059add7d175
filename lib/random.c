// SPDX-License-Identifier: MIT
#include "heddle/random.h"

#include "heddle/error.h"

void hd_fill_normal(float *x, size_t count, uint64_t seed, uint64_t stream) {
  // Every element knows its own counter, so any division of the loop gives the same array.
#pragma omp parallel for schedule(static)
  for (size_t i = 0; i < count; i++) x[i] = hd_random_normal(seed, stream, i);
}

float *hd_new_normal(size_t count, uint64_t seed, uint64_t stream, float deviation) {
  float *x = hd_alloc(count, sizeof *x);
  hd_fill_normal(x, count, seed, stream);
  for (size_t i = 0; i < count; i++) x[i] *= deviation;
  return x;
}
