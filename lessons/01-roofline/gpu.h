// SPDX-License-Identifier: MIT
// The state all variants share, and the variant on a GPU.
#ifndef GPU_H
#define GPU_H
#include "heddle/bench.h"

typedef struct fold_state {
  long n;
  float *a, *b, *c;              // (n) host memory
  float *gpu_a, *gpu_b, *gpu_c;  // (n) memory of the GPU, while placed there
} fold_state;

#ifdef __cplusplus
extern "C" {
#endif
extern const hd_place at_gpu;
hd_run run_gpu;
#ifdef __cplusplus
}
#endif
#endif
