// SPDX-License-Identifier: MIT
// The case that all variants share, and the variants in reading order. Each run_* does SWEEPS sweeps of
// Jacobi's iteration from s->now; SWEEPS is even, so the last one ends there, too.
#ifndef STENCIL_H
#define STENCIL_H
#include "heddle/bench.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SWEEPS = 16, LANES = 16 };

// n × n cells and the border around them. Rows are `pitch` floats apart, and the first cell of each begins a
// cache line; the border's cells lie in front of it and behind the last one.
typedef struct stencil {
  long n, pitch;
  size_t count;               // floats of a grid, border and gaps included
  float *initial;             // (count)
  float *now, *next;          // (count) the grids on the host; `now` is the output
  float *gpu_now, *gpu_next;  // (count) on the GPU, while placed there
} stencil;

static inline long stencil_pitch(long n) {
  return (n + LANES + 1 + LANES - 1) / LANES * LANES;
}

// Of cell (i, j), which may lie in the border: i, j = -1 … n.
static inline long stencil_at(const stencil *s, long i, long j) {
  return (i + 1) * s->pitch + LANES + j;
}

// ---- sweeps.c: one sweep after the other
hd_run run_serial, run_simd, run_omp, run_one_region, run_tiled, run_streaming;

// ---- wavefront.c: several sweeps on the way through the grid
hd_run run_wavefront;

// How many sweeps a trip of run_wavefront does; SWEEPS sweeps with at most so many on a trip.
int wavefront_depth(const stencil *s);
void wavefront(const stencil *s, int most);

// ---- mistakes.c
hd_run run_wrong_in_place, run_wrong_no_barrier;

// ---- naive.cu, tiled.cu: on a GPU, a launch for each sweep
hd_run place_on_gpu, collect_from_gpu, release_gpu;
hd_run run_gpu_naive, run_gpu_tiled;

// ---- temporal.cu: several sweeps for each trip to DRAM
enum { GPU_DEPTH = 4 };
hd_run run_gpu_temporal, run_gpu_wrong_barrier;

// ---- cache.c
// Cells a second that `threads` cores compute out of their caches: what is left when memory is no limit.
double cells_in_cache(int threads);

#ifdef __cplusplus
}
#endif
#endif
