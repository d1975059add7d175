// SPDX-License-Identifier: MIT
// One sweep after the other, each through the whole grid. Read from top to bottom: each version adds one idea
// to the one above it. What all compute, out = mean of the four neighbours, is kernels/jacobi.
#include <string.h>

#include "heddle/simd.h"
#include "kernels/jacobi/jacobi.h"
#include "stencil.h"

static void swap(float **x, float **y) {
  float *z = *x;
  *x = *y;
  *y = z;
}

// The loops as one writes them: a cell at a time.
//
// Prediction: three additions, a multiplication, four loads and a store: two or three cycles a cell, more
// than memory needs to bring it. Arithmetic is the limit, and only here.
void run_serial(hd_case *c) {
  stencil *s = c->state;
  float *now = s->now, *next = s->next;
  for (int k = 0; k < SWEEPS; k++) {
    for (long i = 0; i < s->n; i++) {
      const float *x = now + stencil_at(s, i, 0);
      float *out = next + stencil_at(s, i, 0);
      for (long j = 0; j < s->n; j++)
        out[j] = hd_keep_scalar(0.25f * ((x[j - s->pitch] + x[j + s->pitch]) + (x[j - 1] + x[j + 1])));
    }
    swap(&now, &next);
  }
}

// Idea: a vector of cells at a time.
//
// Prediction: memory is the limit from here on. Each sweep reads a grid and writes one; the written lines are
// read first (lesson 04): 12 bytes a cell.
void run_simd(hd_case *c) {
  stencil *s = c->state;
  float *now = s->now, *next = s->next;
  const long at = stencil_at(s, 0, 0);
  for (int k = 0; k < SWEEPS; k++) {
    hd_jacobi_block(now + at, next + at, s->pitch, s->n, s->n);
    swap(&now, &next);
  }
}

// Idea: all cores, each some of the rows; a parallel region for each sweep.
//
// Prediction: the memory that one core could not use up.
void run_omp(hd_case *c) {
  stencil *s = c->state;
  float *now = s->now, *next = s->next;
  for (int k = 0; k < SWEEPS; k++) {
#pragma omp parallel for schedule(static)
    for (long i = 0; i < s->n; i++)
      hd_jacobi_block(now + stencil_at(s, i, 0), next + stencil_at(s, i, 0), s->pitch, 1, s->n);
    swap(&now, &next);
  }
}

// Idea: one region for all sweeps. Its threads meet at the barrier at the end of each `omp for`, instead of
// being sent home and called again.
//
// Prediction: a region costs 0.4 µs or 1.1, a barrier 0.2 or 0.4 (two cores that share a cache, or don't): a
// hundredth of a sweep at n = 256, nothing at n = 4096.
void run_one_region(hd_case *c) {
  const stencil *s = c->state;
#pragma omp parallel
  {
    float *now = s->now, *next = s->next;  // each thread swaps its own
    for (int k = 0; k < SWEEPS; k++) {
#pragma omp for schedule(static)
      for (long i = 0; i < s->n; i++)
        hd_jacobi_block(now + stencil_at(s, i, 0), next + stencil_at(s, i, 0), s->pitch, 1, s->n);
      swap(&now, &next);
    }
  }
}

// Idea: tiles. A cell is needed for three rows; if three rows don't fit the cache, it comes three times.
//
// Prediction: three rows of n = 4096 are 48 KiB: not in the first cache, but in the second, which is fast
// enough. Nothing, or a little less for shorter loops; it would pay from where three rows leave the second
// cache, n = 80 000.
void run_tiled(hd_case *c) {
  enum { DOWN = 64, ACROSS = 1024 };
  const stencil *s = c->state;
#pragma omp parallel
  {
    float *now = s->now, *next = s->next;
    for (int k = 0; k < SWEEPS; k++) {
#pragma omp for schedule(static) collapse(2)
      for (long i = 0; i < s->n; i += DOWN)
        for (long j = 0; j < s->n; j += ACROSS) {
          const long at = stencil_at(s, i, j);
          hd_jacobi_block(now + at, next + at, s->pitch, i + DOWN < s->n ? DOWN : s->n - i,
                          j + ACROSS < s->n ? ACROSS : s->n - j);
        }
      swap(&now, &next);
    }
  }
}

static inline hd_floats load(const float *from) {  // from any address
  hd_floats v;
  memcpy(&v, from, sizeof v);
  return v;
}

static void stream_row(const float *x, float *out, long pitch, long columns) {
  long j = 0;
  for (; j + HD_WIDTH <= columns; j += HD_WIDTH) {
    const float *at = x + j;
    hd_store_around_cache(out + j,
                          0.25f * ((load(at - pitch) + load(at + pitch)) + (load(at - 1) + load(at + 1))));
  }
  hd_jacobi_block(x + j, out + j, pitch, 1, columns - j);
}

// Idea: `one-region` with stores around the cache.
//
// Prediction: 8 bytes a cell instead of 12: 1.5 times as fast, and at the roof. Nothing that does one sweep
// at a time can be faster.
void run_streaming(hd_case *c) {
  const stencil *s = c->state;
#pragma omp parallel
  {
    float *now = s->now, *next = s->next;
    for (int k = 0; k < SWEEPS; k++) {
#pragma omp for schedule(static)
      for (long i = 0; i < s->n; i++)
        stream_row(now + stencil_at(s, i, 0), next + stencil_at(s, i, 0), s->pitch, s->n);
      swap(&now, &next);
    }
  }
}
