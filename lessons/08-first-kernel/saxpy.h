// SPDX-License-Identifier: MIT
// y ← a·x + y over n floats: one case, where its vectors lie, and the rungs. Read cpu.c first, then saxpy.cu,
// copied.cu, mapped.cu, managed.cu, resident.cu.
#ifndef SAXPY_H
#define SAXPY_H
#include "heddle/bench.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SAXPY_A 2.0f

typedef struct saxpy_case {
  float *x, *y0;                // (n) the operands; nobody writes them
  float *y;                     // (n) on the host: y0 before, the result behind
  float *device_x, *device_y;   // (n) in GPU memory, or as a GPU sees the two below
  float *shared_x, *shared_y;   // (n) host memory that is more than malloc's: pinned, mapped, managed
  double alpha_s, bytes_per_s;  // of the link: what a copy of pinned memory to the GPU takes
} saxpy_case;

// y = y0, on the host: every rung's place begins with it, as the result stands where an operand stood.
void restore_y(hd_case *c);

// In reading order.
hd_run run_serial, run_simd, run_omp;              // cpu.c
hd_run run_pageable, run_pinned;                   // copied.cu
hd_run run_mapped;                                 // mapped.cu
hd_run run_managed, run_prefetch, run_no_wait;     // managed.cu
hd_run run_resident, run_vectorized, run_unasked;  // resident.cu
hd_run run_cublas;                                 // cublas.cu
hd_run return_pages;                               // managed.cu: to the host, in front of each timed run
extern const hd_place on_host, by_copies, by_pinned_copies, in_mapped, in_managed, in_managed_once, on_gpu,
    on_gpu_unasked;

// One thread per element on the GPU; the vectors must be where the GPU can reach them. Does not wait.
// (saxpy.cu)
void launch_saxpy(long n, float a, const float *x, float *y);

#ifdef __cplusplus
}
#endif
#endif
