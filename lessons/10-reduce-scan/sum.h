// SPDX-License-Identifier: MIT
// The sum of n floats: one case, and the sum by each rung. Every run_sum_* writes `sum`, those of a GPU
// device_sum on the default stream.
#ifndef REDUCE_SCAN_SUM_H
#define REDUCE_SCAN_SUM_H
#include "heddle/bench.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sum_case {
  float *x;  // (n) on the host
  float sum;
  // On the GPU, between place_sum and release_sum.
  float *device_x, *device_sum;
  float *partial[2];     // sums of blocks: of every second level of launches
  unsigned *counter;     // blocks that are done; 0 between two runs
  unsigned most_blocks;  // that are resident together
  void *storage;         // of CUB
  size_t storage_bytes;
} sum_case;

// The three steps of hd_place: arrays.cu.
hd_run place_sum, collect_sum, release_sum;

// In reading order.
hd_run run_sum_wrong_float, run_sum_serial, run_sum_simd, run_sum_omp;     // sum_cpu.c
hd_run run_sum_atomic, run_sum_tree, run_sum_sequential, run_sum_shuffle;  // sum_blocks.cu
hd_run run_sum_vector, run_sum_single_pass;                                // sum_grid.cu
hd_run run_sum_cub;                                                        // cub.cu
hd_run run_sum_wrong_barrier, run_sum_wrong_mask, run_sum_wrong_fence;     // mistakes.cu

// Blocks of the single pass that the current GPU holds at once: sum_grid.cu.
unsigned sum_resident_blocks(void);

// Bytes of memory that CUB needs beside the arrays: cub.cu.
size_t sum_cub_storage(size_t n);

// Threads of a block in all rungs of the sum.
enum { SUM_THREADS = 256 };

// Blocks of SUM_THREADS that n elements need, at least one: a grid must not be empty.
static inline size_t sum_blocks(size_t n) {
  return n ? (n + SUM_THREADS - 1) / SUM_THREADS : 1;
}

#ifdef __cplusplus
}
#endif
#endif
