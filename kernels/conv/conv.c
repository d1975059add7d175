// SPDX-License-Identifier: MIT
// Direct convolution. A matrix of windows (im2col) repeats each pixel up to size² times in memory, to be
// packed once more by the product; here the micro-kernel walks over the image itself. It has the shape of the
// matrix product's (kernels/gemm/micro.h): a tile of sums in registers, to which each step adds a few
// broadcast numbers times a vector of channels.
//
//   outputs   tile: PIXELS neighbouring pixels × WIDE filters     steps: the cells of the window
//   filters   tile: CELLS cells of the window × WIDE filters      steps: all pixels
//
// The images' gradient is a convolution, too: of dy with the filters turned around. A padded copy of one
// image at a time, which stays in the cache, spares the kernels every question about edges.
#include "kernels/conv/conv.h"

#include <heddle/error.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/gemm/micro.h"

typedef int mask __attribute__((vector_size(VECTOR_BYTES)));

// Tiles as large as 32 vector registers hold (with 16, as AVX2 and SSE have, smaller ones), and at least 8
// multiply-adds in flight; 7 divides the 28 and 14 pixels of a row of our images. PARTS: into how many sums
// the filters' gradient is cut, for threads; a constant, so that the result is the same for any number of
// them.
#if defined(__AVX512F__) || defined(__aarch64__)
enum { PIXELS = 7, CELLS = 12 };
#else
enum { PIXELS = 5, CELLS = 5 };
#endif
enum { PAIR = 2, WIDE = PAIR * LANES, FEW = 4, PARTS = 16 };

// An image with a frame of zeros around it and its pixels `spread` apart, as the kernels read it.
typedef struct frame {
  long height, width, channels;  // of the image
  long top, left, spread;
  long rows, columns;  // with the frame
} frame;

// One convolution: windows of size × size over a framed image, `stride` apart, give (down, across, filters).
typedef struct job {
  frame frame;
  long size, stride, down, across, filters;
  bool relu;
} job;

static long up(long x, long step) {
  return (x + step - 1) / step * step;
}
static long smaller(long x, long y) {
  return x < y ? x : y;
}
static long cells(const job *j) {
  return j->size * j->size * j->frame.channels;
}

// With room behind it for a tile that hangs over the end.
static float *new_frame(const job *j) {
  const long pixels = j->frame.rows * j->frame.columns + PIXELS * j->stride;
  return hd_alloc((size_t)(pixels * j->frame.channels), sizeof(float));
}

static void fill_frame(const job *j, const float *image, float *framed) {
  const frame *f = &j->frame;
  const long c = f->channels;
  memset(framed, 0, (size_t)(f->rows * f->columns * c) * sizeof *framed);
  for (long y = 0; y < f->height; y++) {
    float *row = framed + ((f->top + y * f->spread) * f->columns + f->left) * c;
    const float *from = image + y * f->width * c;
    for (long x = 0; x < f->width; x += f->spread == 1 ? f->width : 1)
      memcpy(row + x * f->spread * c, from + x * c,
             (size_t)((f->spread == 1 ? f->width : 1) * c) * sizeof *row);
  }
}

// ---------------------------------------------------------------- outputs

// WIDE filters as a panel: their biases, then for each cell a row of WIDE weights; zeros where a filter does
// not exist.
static long panel_floats(const job *j) {
  return (cells(j) + 1) * WIDE;
}

// PIXELS neighbouring outputs, whose first window starts at `at`, to rows of y, ld floats apart.
static inline void outputs_tile(const job *j, const float *at, const float *panel, float *y, long ld) {
  const long step = j->stride * j->frame.channels, run = j->size * j->frame.channels;
  vector sum[PIXELS][PAIR];
#pragma GCC unroll 8
  for (int i = 0; i < PIXELS; i++)
#pragma GCC unroll 2
    for (int v = 0; v < PAIR; v++) sum[i][v] = ((const vector *)panel)[v];
  const vector *row = (const vector *)panel + PAIR;
  for (long r = 0; r < j->size; r++, at += j->frame.columns * j->frame.channels)
    for (long t = 0; t < run; t++, row += PAIR) {
#pragma GCC unroll 8
      for (int i = 0; i < PIXELS; i++)
#pragma GCC unroll 2
        for (int v = 0; v < PAIR; v++) sum[i][v] += at[i * step + t] * row[v];
    }
#pragma GCC unroll 8
  for (int i = 0; i < PIXELS; i++)
#pragma GCC unroll 2
    for (int v = 0; v < PAIR; v++) {
      const mask keep = j->relu ? sum[i][v] > 0 : (mask){0} == 0;
      *(vector *)(y + i * ld + v * LANES) = (vector)((mask)sum[i][v] & keep);
    }
}

static void outputs_edge(const job *j, const float *at, const float *panel, float *y, long pixels,
                         long filters) {
  float tile[PIXELS * WIDE];
  outputs_tile(j, at, panel, tile, WIDE);
  for (long i = 0; i < pixels; i++) memcpy(y + i * j->filters, tile + i * WIDE, (size_t)filters * sizeof *y);
}

static void convolve_image(const job *j, const float *framed, const float *panels, float *y) {
  for (long k = 0; k < j->filters; k += WIDE, panels += panel_floats(j))
    for (long d = 0; d < j->down; d++)
      for (long a = 0; a < j->across; a += PIXELS) {
        const float *at = framed + (d * j->frame.columns + a) * j->stride * j->frame.channels;
        float *to = y + (d * j->across + a) * j->filters + k;
        const long pixels = smaller(PIXELS, j->across - a), filters = smaller(WIDE, j->filters - k);
        if (pixels == PIXELS && filters == WIDE)
          outputs_tile(j, at, panels, to, j->filters);
        else
          outputs_edge(j, at, panels, to, pixels, filters);
      }
}

static void convolve_all(const job *j, const float *x, const float *panels, float *y, long images) {
  const long in = j->frame.height * j->frame.width * j->frame.channels,
             out = j->down * j->across * j->filters;
#pragma omp parallel
  {
    float *framed = new_frame(j);
#pragma omp for schedule(static)
    for (long i = 0; i < images; i++) {
      fill_frame(j, x + i * in, framed);
      convolve_image(j, framed, panels, y + i * out);
    }
    free(framed);
  }
}

static job forward_job(hd_windows w, long filters) {
  return (job){.frame = {.height = w.height,
                         .width = w.width,
                         .channels = w.channels,
                         .top = w.padding,
                         .left = w.padding,
                         .spread = 1,
                         .rows = w.height + 2 * w.padding,
                         .columns = w.width + 2 * w.padding},
               .size = w.size,
               .stride = w.stride,
               .down = hd_windows_down(w),
               .across = hd_windows_across(w),
               .filters = filters};
}

void hd_convolve(const float *x, const float *filter, const float *bias, float *y, long images, hd_windows w,
                 long filters, bool relu) {
  job j = forward_job(w, filters);
  j.relu = relu;
  float *panels = hd_alloc((size_t)(up(filters, WIDE) / WIDE * panel_floats(&j)), sizeof *panels),
        *to = panels;
  for (long k0 = 0; k0 < filters; k0 += WIDE)
    for (long t = -1; t < cells(&j); t++)
      for (long k = k0; k < k0 + WIDE; k++) {
        const float *row = t < 0 ? bias : filter + t * filters;
        *to++ = row && k < filters ? row[k] : 0;
      }
  convolve_all(&j, x, panels, y, images);
  free(panels);
}

// Cell (r, s) of a window saw pixel (stride · output + r - padding), so the pixel's gradient gathers from the
// outputs at (pixel + padding - r) / stride: with r counted backwards, a convolution over dy with its pixels
// `stride` apart.
void hd_convolve_images(const float *dy, const float *filter, float *d_x, long images, hd_windows w,
                        long filters) {
  const job j = {.frame = {.height = hd_windows_down(w),
                           .width = hd_windows_across(w),
                           .channels = filters,
                           .top = w.size - 1 - w.padding,
                           .left = w.size - 1 - w.padding,
                           .spread = w.stride,
                           .rows = w.height + w.size - 1,
                           .columns = w.width + w.size - 1},
                 .size = w.size,
                 .stride = 1,
                 .down = w.height,
                 .across = w.width,
                 .filters = w.channels};
  const long count = up(w.channels, WIDE) / WIDE;
  float *panels = hd_alloc((size_t)(count * panel_floats(&j)), sizeof *panels), *to = panels;
  for (long c0 = 0; c0 < w.channels; c0 += WIDE) {
    memset(to, 0, WIDE * sizeof *to);  // no bias
    to += WIDE;
    for (long cell = w.size * w.size - 1; cell >= 0; cell--)
      for (long k = 0; k < filters; k++)
        for (long c = c0; c < c0 + WIDE; c++)
          *to++ = c < w.channels ? filter[(cell * w.channels + c) * filters + k] : 0;
  }
  convolve_all(&j, dy, panels, d_x, images);
  free(panels);
}

// ---------------------------------------------------------------- filters

// d (cells, WIDE), rows ld floats apart, += Σ over the pixels of an image of what neighbouring cells of the
// window saw, from x on, times dy, whose rows are WIDE floats. cells must be a constant: inlined, so that the
// loops over it disappear.
static inline __attribute__((always_inline)) void filters_tile(int cells, const job *j, const float *x,
                                                               const float *dy, float *d, long ld) {
  const long step = j->stride * j->frame.channels;
  vector sum[CELLS][PAIR] = {0};
  for (long y = 0; y < j->down; y++, x += j->frame.columns * step)
    for (long a = 0; a < j->across; a++, dy += WIDE) {
      const vector *row = (const vector *)dy;
#pragma GCC unroll 16
      for (int i = 0; i < cells; i++)
#pragma GCC unroll 2
        for (int v = 0; v < PAIR; v++) sum[i][v] += x[a * step + i] * row[v];
    }
#pragma GCC unroll 16
  for (int i = 0; i < cells; i++)
#pragma GCC unroll 2
    for (int v = 0; v < PAIR; v++) *(vector *)(d + i * ld + v * LANES) += sum[i][v];
}

// Columns [k, k + WIDE) of dy, side by side; zeros where a filter does not exist.
static const float *dy_columns(const job *j, const float *dy, long k, float *packed) {
  if (j->filters == WIDE) return dy;
  const long filters = smaller(WIDE, j->filters - k);
  memset(packed, 0, filters == WIDE ? 0 : (size_t)(j->down * j->across * WIDE) * sizeof *packed);
  for (long p = 0; p < j->down * j->across; p++) {
    const float *row = dy + p * j->filters + k;
    if (filters == WIDE)
      memcpy(packed + p * WIDE, row, WIDE * sizeof *row);
    else
      memcpy(packed + p * WIDE, row, (size_t)filters * sizeof *row);
  }
  return packed;
}

// The cells of a row of the window lie side by side; tiles of CELLS cover them, the last of FEW if that does.
static long line(const job *j) {
  return j->size * j->frame.channels;
}
static long covered(const job *j) {
  const long rest = line(j) % CELLS;
  return line(j) - rest + (rest == 0 ? 0 : rest <= FEW ? FEW : CELLS);
}

// One image's part of the gradient; d has size · covered rows of `wide` = up(filters, WIDE) floats.
static void add_image(const job *j, const float *framed, const float *dy, float *packed, float *d,
                      long wide) {
  for (long k = 0; k < wide; k += WIDE) {
    const float *rows = dy_columns(j, dy, k, packed);
    for (long r = 0; r < j->size; r++)
      for (long t = 0; t < line(j); t += CELLS) {
        const float *x = framed + r * j->frame.columns * j->frame.channels + t;
        float *to = d + (r * covered(j) + t) * wide + k;
        if (line(j) - t <= FEW)
          filters_tile(FEW, j, x, rows, to, wide);
        else
          filters_tile(CELLS, j, x, rows, to, wide);
      }
  }
}

void hd_convolve_filters(const float *x, const float *dy, float *d_filter, long images, hd_windows w,
                         long filters, bool accumulate) {
  const job j = forward_job(w, filters);
  const long in = (long)w.height * w.width * w.channels, out = j.down * j.across * filters;
  const long wide = up(filters, WIDE), parts = smaller(PARTS, images);
  const long part = j.size * covered(&j) * wide;
  float *sums = hd_alloc((size_t)(parts * part), sizeof *sums);
#pragma omp parallel
  {
    float *framed = new_frame(&j), *packed = hd_alloc((size_t)(j.down * j.across * WIDE), sizeof *packed);
#pragma omp for schedule(static)
    for (long p = 0; p < parts; p++) {
      float *sum = sums + p * part;
      memset(sum, 0, (size_t)part * sizeof *sum);
      for (long i = images * p / parts; i < images * (p + 1) / parts; i++) {
        fill_frame(&j, x + i * in, framed);
        add_image(&j, framed, dy + i * out, packed, sum, wide);
      }
    }
#pragma omp for schedule(static)
    for (long t = 0; t < cells(&j); t++)
      for (long k = 0; k < filters; k++) {
        const long row = t / line(&j) * covered(&j) + t % line(&j);
        float *to = d_filter + t * filters + k, sum = accumulate ? *to : 0;
        for (long p = 0; p < parts; p++) sum += sums[p * part + row * wide + k];
        *to = sum;
      }
    free(framed);
    free(packed);
  }
  free(sums);
}
