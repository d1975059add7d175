// SPDX-License-Identifier: MIT
// counts[b] = how many of n keys are b, for `bins` values of b: one case, and the count by each rung. Every
// GPU run_* writes device_counts from device_keys on the default stream.
#ifndef HISTOGRAM_H
#define HISTOGRAM_H
#include <stdint.h>

#include "heddle/bench.h"

#ifdef __cplusplus
extern "C" {
#endif

// As many counters as fit 32 KiB: what every GPU has four times per 2048 threads, and every CPU in L1.
enum { MOST_BINS = 8192 };

typedef struct histogram_case {
  int bins;         // 1 … MOST_BINS
  uint32_t *keys;   // (n) on the host, each below bins
  int32_t *counts;  // (bins) on the host
  uint32_t *device_keys;
  int32_t *device_counts;  // on the GPU, between place_arrays and release_arrays
  void *storage;           // of CUB, storage_bytes
  size_t storage_bytes;
} histogram_case;

// The three steps of hd_place, the same for all rungs, so that they are timed against each other: arrays.cu.
hd_run place_arrays, collect_counts, release_arrays;
hd_run place_storage;  // what CUB needs beside them: cub.cu

// In reading order.
hd_run run_serial, run_copies, run_omp_atomic, run_omp_private;  // cpu.c
hd_run run_global;                                               // global.cu
hd_run run_shared, run_vector;                                   // shared.cu
hd_run run_per_warp, run_per_lane;                               // copies.cu
hd_run run_aggregated;                                           // aggregated.cu
hd_run run_cub;                                                  // cub.cu

#ifdef __cplusplus
}
#endif
#endif
