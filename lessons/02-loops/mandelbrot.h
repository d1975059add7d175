// SPDX-License-Identifier: MIT
// For each pixel c of a picture: after how many steps z ← z² + c leaves the circle of radius 2. One picture,
// and the ways to draw it. Read schedules.c first, then lanes.c, then mandelbrot.cu.
#ifndef MANDELBROT_H
#define MANDELBROT_H
#include <heddle/random.h>

#include "heddle/bench.h"

#ifdef __cplusplus
extern "C" {
#endif

// The upper half of the set, from the real axis upwards: nearly all of the work lies in the first half of the
// rows.
#define LEFT (-2.0f)
#define WIDTH 2.5
enum { LIMIT = 256 };

// Pixels that advance together: a vector, four vectors, a warp in a row, a warp as a tile.
enum { VECTORS = 4, WARP = 32, TILE_COLUMNS = 8, TILE_ROWS = 4 };

// Who drew a row, and when.
typedef struct row_mark {
  double start_s, end_s;
  double iterations;  // of all pixels of the row
  int thread;
} row_mark;

typedef struct picture {
  long rows, columns;      // n and 2n
  float step;              // between two pixels
  int32_t *counts;         // (rows, columns), on the host
  row_mark *marks;         // (rows), of the last variant that draws by rows
  int32_t *device_counts;  // on the GPU, between place_picture and release_picture
} picture;

// The middle of a pixel in the plane.
HD_BOTH float column_x(float step, long column) {
  return fmaf((float)column + 0.5f, step, LEFT);
}
HD_BOTH float row_y(float step, long row) {
  return ((float)row + 0.5f) * step;
}

// Steps inside the circle, at most LIMIT. Each fused multiply-add is written down, and no product is left
// that a compiler may or may not fuse with the sum behind it: so all compilers, vectors and GPUs round alike,
// and counts are equal to the last one, on the boundary, too.
HD_BOTH int escape(float cx, float cy) {
  float x = cx, y = cy;
  int count = 0;
  while (count < LIMIT && fmaf(x, x, y * y) <= 4) {
    const float next = fmaf(x, x, fmaf(-y, y, cx));
    y = fmaf(x + x, y, cy);
    x = next;
    count++;
  }
  return count;
}

// Each of them writes all counts; those that draw by rows write all marks. In reading order.
typedef void draw(picture *p);
draw draw_serial, draw_shared, draw_static, draw_cyclic, draw_dynamic, draw_dynamic_64, draw_guided,
    draw_taskloop, draw_pixels;        // schedules.c
draw draw_simd, draw_interleaved;      // lanes.c
hd_run run_gpu_rows, run_gpu_tiles;    // mandelbrot.cu
extern const hd_place picture_on_gpu;  // mandelbrot.cu

// A row drawn now by the calling thread, since start_s. (schedules.c)
void mark_row(picture *p, long row, double start_s);

// counts as they must be, by double precision instead of the machine's fused multiply-adds. (reference.c)
void reference_counts(const picture *p, int32_t *counts);

// Of all lanes that advance in groups of columns × rows pixels, until the last of a group has left, the share
// that does something. (reference.c)
double lanes_at_work(const picture *p, const int32_t *counts, long columns, long rows);

#ifdef __cplusplus
}
#endif
#endif
