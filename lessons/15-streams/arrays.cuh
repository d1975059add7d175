// SPDX-License-Identifier: MIT
// What parts KERNELS and GRAPH have on the GPU.
#ifndef HEDDLE_LESSON_15_ARRAYS_CUH
#define HEDDLE_LESSON_15_ARRAYS_CUH
#include "heddle/device.h"
#include "relax.h"

enum { MOST_LANES = 32 };

typedef struct arrays {
  float *x, *y, *scratch;
  cudaStream_t stream[MOST_LANES];
  cudaGraphExec_t graph;  // recorded by the first run that needs it
  cudaGraphNode_t first;  // of the graph that exec was made from
  cudaGraph_t recorded;
} arrays;

#endif
