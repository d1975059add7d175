// SPDX-License-Identifier: MIT
// SAXPY on a CPU: the loop, its vector form, all cores. A multiplication and an addition for 12 bytes: memory
// decides.
#include <string.h>

#include "saxpy.h"

void restore_y(hd_case *c) {
  saxpy_case *s = c->state;
  memcpy(s->y, s->y0, (size_t)c->size * sizeof s->y[0]);
}

const hd_place on_host = {.place = restore_y};

// Empty assembly that takes a value out of the compiler's hands: a loop with it isn't vectorized.
static inline float keep_scalar(float v) {
#ifdef __SSE2__
  __asm__("" : "+x"(v));
#else
  __asm__("" : "+m"(v));
#endif
  return v;
}

// One element at a time.
//
// Prediction: one core can have only so many cache lines under way; far from what the memory can give.
void run_serial(hd_case *c) {
  const saxpy_case *s = c->state;
  for (long i = 0; i < c->size; i++) s->y[i] = keep_scalar(SAXPY_A * s->x[i] + s->y[i]);
}

// Idea: a vector of elements per instruction.
//
// Prediction: several times faster while the vectors fit a cache, a little or nothing beyond: then the core
// waits for memory, and waiting is no faster for being done by fewer instructions.
void run_simd(hd_case *c) {
  const saxpy_case *s = c->state;
  float *y = s->y;
  const float *x = s->x;
#pragma omp simd
  for (long i = 0; i < c->size; i++) y[i] = SAXPY_A * x[i] + y[i];
}

// Idea: all cores.
//
// Prediction: the memory's bandwidth. For short vectors slower than one core: waking a team takes longer than
// the work.
void run_omp(hd_case *c) {
  const saxpy_case *s = c->state;
  float *y = s->y;
  const float *x = s->x;
#pragma omp parallel for simd schedule(static)
  for (long i = 0; i < c->size; i++) y[i] = SAXPY_A * x[i] + y[i];
}
