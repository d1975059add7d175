// SPDX-License-Identifier: MIT
// A pipeline's memory, and its three operations on one chunk.
#ifndef HEDDLE_LESSON_15_PIPELINE_CUH
#define HEDDLE_LESSON_15_PIPELINE_CUH
#include "heddle/device.h"
#include "relax.h"

enum { MOST_STREAMS = 4, MOST_MARKED = 8, UPLOAD = 0, COMPUTE = 1, DOWNLOAD = 2, PHASES = 3 };

typedef struct pipeline {
  long elements, chunk;  // of the array, of a chunk; the last chunk may be smaller
  int chunks, steps;
  float *x, *y;  // what the chunks come from and go to: pinned unless a variant says otherwise
  float *pinned_x, *pinned_y;
  float *buffer[MOST_STREAMS];  // a chunk each
  cudaStream_t stream[MOST_STREAMS];
  cudaEvent_t up[MOST_STREAMS], computed[MOST_STREAMS], down[MOST_STREAMS];  // of by-engine, one per buffer
  // While `marked`, when each operation's stream came to it and when it ended, for the timeline.
  bool marked;
  cudaEvent_t origin, before[MOST_MARKED][PHASES], after[MOST_MARKED][PHASES];
} pipeline;

// pipeline.cu: one operation on a chunk in a buffer, issued to a stream.
void issue_upload(const pipeline *p, int chunk, float *buffer, cudaStream_t stream);
void issue_kernel(const pipeline *p, int chunk, float *buffer, cudaStream_t stream);
void issue_download(const pipeline *p, int chunk, float *buffer, cudaStream_t stream);

#endif
