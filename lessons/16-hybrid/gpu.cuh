// SPDX-License-Identifier: MIT
// What CPU and GPU have between them: pinned memory that both reach, and the GPU's part of the work, in
// chunks.
#ifndef HEDDLE_LESSON_16_GPU_CUH
#define HEDDLE_LESSON_16_GPU_CUH
#include "cloud.h"
#include "heddle/device.h"

enum { STREAMS = 3, CHUNKS = 16, MOST_MARKED = 400, UPLOAD = 0, COMPUTE = 1, DOWNLOAD = 2, PHASES = 3 };

typedef struct interval {
  char kind;
  int lane;
  cudaEvent_t before, after;
} interval;

typedef struct pair_of_workers {
  cloud shared;  // its particles and densities are pinned: the CPU writes there, and the GPU's copies too
  int sms;
  long chunk;               // tiles; a multiple of twice the SMs, so that none of them rests at a chunk's end
  double nominal;           // the GPU's share by data sheets
  float4 *buffer[STREAMS];  // a chunk's particles and what is near them
  window *windows;          // of all tiles
  float *density;           // of all particles
  cudaStream_t stream[STREAMS];
  bool waits;  // copies by cudaMemcpy, for the host to wait for each
  // While `marked`, what was done when, for the timeline. A record in `clock`, where nothing else is issued,
  // tells the moment at which the host makes it.
  bool marked;
  int marks;
  interval measured[MOST_MARKED];
  cudaEvent_t origin;
  cudaStream_t clock;
} pair_of_workers;

// density.cu: the densities of `tiles` tiles from `first` on; near[0] is particle `base`. A block per tile.
void density_on(cudaStream_t stream, const float4 *near, int base, const window *windows, long first,
                long tiles, long n, float *density);

// gpu.cu: tiles from ≤ t < to: their particles up, kernel, densities down. Returns when all is issued.
void issue_chunk(pair_of_workers *w, long from, long to, int stream);
void issue_chunks(pair_of_workers *w, long to);  // the tiles before `to`, cut into chunks, over all streams
void compute_here(pair_of_workers *w, long from, long to);  // by the CPU, which returns when it is done

// A way to share, for those with a choice with so many tiles, the dense ones, for the GPU.
typedef void share_work(pair_of_workers *w, long gpu_tiles);
double time_shared(pair_of_workers *w, share_work *way, long gpu_tiles);  // seconds
void poison_shared(pair_of_workers *w, const cloud *poisoned);  // as the harness has left the results

// A variant's run: its time, its figures and, once more, its timeline.
void run_shared(hd_case *c, share_work *way, long gpu_tiles);

#endif
