// SPDX-License-Identifier: MIT
// The inclusive prefix sums of n integers, y[i] = k[0] + … + k[i]: one case, and the scan by each rung. Every
// run_scan_* writes y from k, those of a GPU device_y from device_k on the default stream.
#ifndef REDUCE_SCAN_SCAN_H
#define REDUCE_SCAN_SCAN_H
#include "heddle/bench.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct scan_case {
  int *k, *y;  // (n) on the host
  // On the GPU, between place_scan and release_scan.
  int *device_k, *device_y;
  int *totals;                // sums of blocks, of all levels
  unsigned long long *state;  // of each tile in the single pass, then the number of the next one
  void *storage;              // of CUB
  size_t storage_bytes;
} scan_case;

// The three steps of hd_place: arrays.cu.
hd_run place_scan, collect_scan, release_scan;

// In reading order.
hd_run run_scan_serial, run_scan_simd, run_scan_two_pass, run_scan_chained;  // scan_cpu.c
hd_run run_scan_hillis_steele, run_scan_shuffle, run_scan_reduce_first;      // scan_levels.cu
hd_run run_scan_look_back;                                                   // scan_look_back.cu
hd_run run_scan_cub;                                                         // cub.cu

// Bytes of memory that CUB needs beside the arrays: cub.cu.
size_t scan_cub_storage(size_t n);

// Elements that a block scans: few in the first rung, then a tile.
enum { SCAN_THREADS = 512, SCAN_TILE = SCAN_THREADS * 16, SCAN_FEW = 256 };

// Pieces of `size` that cover n, at least one: a grid must not be empty.
static inline size_t scan_pieces(size_t n, size_t size) {
  return n ? (n + size - 1) / size : 1;
}

#ifdef __cplusplus
}
#endif
#endif
