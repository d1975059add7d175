// SPDX-License-Identifier: MIT
// The picture on a GPU: a thread per pixel. A warp goes on until the last of its 32 pixels has left, as a
// vector does on a CPU; blocks are handed out to multiprocessors as they become free: schedule(dynamic), in
// hardware.
#include "heddle/device.h"
#include "mandelbrot.h"

enum { THREADS = 256 };

static void place_picture(hd_case *c) {
  picture *p = (picture *)c->state;
  const size_t bytes = (size_t)p->rows * (size_t)p->columns * sizeof p->counts[0];
  HD_CUDA(cudaMalloc((void **)&p->device_counts, bytes));
  HD_CUDA(cudaMemcpy(p->device_counts, p->counts, bytes, cudaMemcpyHostToDevice));  // poisoned by the harness
}

static void collect_picture(hd_case *c) {
  const picture *p = (const picture *)c->state;
  const size_t bytes = (size_t)p->rows * (size_t)p->columns * sizeof p->counts[0];
  HD_CUDA(cudaMemcpy(p->counts, p->device_counts, bytes, cudaMemcpyDeviceToHost));
}

static void release_picture(hd_case *c) {
  picture *p = (picture *)c->state;
  HD_CUDA(cudaFree(p->device_counts));
  p->device_counts = NULL;
}
extern "C" const hd_place picture_on_gpu = {place_picture, collect_picture, release_picture};

static __global__ void rows_kernel(long rows, long columns, float step, int32_t *counts) {
  const long i = (long)blockIdx.x * THREADS + threadIdx.x;
  if (i < rows * columns) counts[i] = escape(column_x(step, i % columns), row_y(step, i / columns));
}

// Idea: a thread per pixel, in the order in which pixels lie in memory: a warp is 32 neighbours in a row.
//
// Prediction: two thirds of the lanes at work.
void run_gpu_rows(hd_case *c) {
  const picture *p = (const picture *)c->state;
  if (c->size == 0) return;  // an empty grid is an error
  const long blocks = (p->rows * p->columns + THREADS - 1) / THREADS;
  rows_kernel<<<(unsigned)blocks, THREADS>>>(p->rows, p->columns, p->step, p->device_counts);
  HD_LAUNCHED();
}

// A block draws 32 × 8 pixels, each of its warps a tile of 8 × 4 of them.
static __global__ void tiles_kernel(long rows, long columns, float step, int32_t *counts) {
  const long across = (columns + WARP - 1) / WARP;
  const int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP, beside = WARP / TILE_COLUMNS;
  const long column = blockIdx.x % across * WARP + warp % beside * TILE_COLUMNS + lane % TILE_COLUMNS;
  const long row = blockIdx.x / across * (THREADS / WARP) + warp / beside * TILE_ROWS + lane / TILE_COLUMNS;
  if (row < rows && column < columns)
    counts[row * columns + column] = escape(column_x(step, column), row_y(step, row));
}

// Idea: pixels of a tile are nearer to each other than those of a row, so they leave more nearly together.
// Eight in a row are still a whole sector of 32 bytes.
//
// Prediction: more lanes at work, for a few instructions per pixel.
void run_gpu_tiles(hd_case *c) {
  const picture *p = (const picture *)c->state;
  if (c->size == 0) return;
  const long across = (p->columns + WARP - 1) / WARP,
             down = (p->rows + THREADS / WARP - 1) / (THREADS / WARP);
  tiles_kernel<<<(unsigned)(across * down), THREADS>>>(p->rows, p->columns, p->step, p->device_counts);
  HD_LAUNCHED();
}
