// SPDX-License-Identifier: MIT
// Windows over images on the CPU. Each image belongs to one thread, which writes and sums in a fixed order.
#include <math.h>
#include <string.h>

#include "../conv/conv.h"
#include "../gemm/micro.h"
#include "parts.h"

typedef int32_t places __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));

// The part of a window that lies on the image: rows [top, bottom) and columns [left, right) of the window,
// and the image's first row and column under the window's own corner.
typedef struct overlap {
  int top, bottom, left, right, y, x;
} overlap;

static int clamp(int value, int low, int high) {
  return value < low ? low : value > high ? high : value;
}

static overlap overlap_of(hd_windows w, long down, long across) {
  const int y = (int)down * w.stride - w.padding, x = (int)across * w.stride - w.padding;
  return (overlap){.top = clamp(-y, 0, w.size),
                   .bottom = clamp(w.height - y, 0, w.size),
                   .left = clamp(-x, 0, w.size),
                   .right = clamp(w.width - x, 0, w.size),
                   .y = y,
                   .x = x};
}

static size_t pixels(hd_windows w) {
  return (size_t)w.height * (size_t)w.width * (size_t)w.channels;
}

// The image's values under row r of the window, from its column `left` on.
static size_t under(hd_windows w, overlap at, int r) {
  return ((size_t)(at.y + r) * (size_t)w.width + (size_t)(at.x + at.left)) * (size_t)w.channels;
}

static void unfold_window(const float *x, float *row, hd_windows w, overlap at) {
  const size_t line = (size_t)w.size * (size_t)w.channels, skip = (size_t)at.left * (size_t)w.channels;
  const size_t run = (size_t)(at.right - at.left) * (size_t)w.channels;
  const bool whole = at.top == 0 && at.bottom == w.size && run == line;
  if (!whole) memset(row, 0, (size_t)w.size * line * sizeof *row);
  for (int r = at.top; r < at.bottom; r++)
    if (at.left < at.right) memcpy(row + (size_t)r * line + skip, x + under(w, at, r), run * sizeof *row);
}

static void cpu_unfold(hd_ops *o, const float *x, float *columns, long images, hd_windows w) {
  (void)o;
  const long down = hd_windows_down(w), across = hd_windows_across(w);
  const size_t cells = (size_t)w.size * (size_t)w.size * (size_t)w.channels;
#pragma omp parallel for collapse(2)
  for (long i = 0; i < images; i++)
    for (long d = 0; d < down; d++)
      for (long a = 0; a < across; a++)
        unfold_window(x + (size_t)i * pixels(w), columns + (size_t)((i * down + d) * across + a) * cells, w,
                      overlap_of(w, d, a));
}

static void fold_window(const float *row, float *x, hd_windows w, overlap at) {
  const size_t line = (size_t)w.size * (size_t)w.channels, skip = (size_t)at.left * (size_t)w.channels;
  const long run = (long)(at.right - at.left) * w.channels;
  for (int r = at.top; r < at.bottom && run > 0; r++) {
    const float *from = row + (size_t)r * line + skip;
    float *to = x + under(w, at, r);
#pragma omp simd
    for (long i = 0; i < run; i++) to[i] += from[i];
  }
}

static void cpu_fold(hd_ops *o, const float *columns, float *x, long images, hd_windows w) {
  (void)o;
  const long down = hd_windows_down(w), across = hd_windows_across(w);
  const size_t cells = (size_t)w.size * (size_t)w.size * (size_t)w.channels;
#pragma omp parallel for
  for (long i = 0; i < images; i++) {
    float *image = x + (size_t)i * pixels(w);
    memset(image, 0, pixels(w) * sizeof *image);
    for (long d = 0; d < down; d++)
      for (long a = 0; a < across; a++)
        fold_window(columns + (size_t)((i * down + d) * across + a) * cells, image, w, overlap_of(w, d, a));
  }
}

// The channels of a vector from c on; the largest so far and its place stay in registers.
static void pool_vector(const float *x, float *y, int32_t *chosen, hd_windows w, overlap at, long c) {
  vector most = (vector){0} - INFINITY;
  places place = (places){0} + (at.top * w.size + at.left);
  for (int r = at.top; r < at.bottom; r++)
    for (int s = at.left; s < at.right; s++) {
      const vector cell = *(const vector *)(x + under(w, at, r) + (s - at.left) * w.channels + c);
      const places larger = cell > most;
      place = (larger & (r * w.size + s)) | (~larger & place);
      most = (vector)((larger & (places)cell) | (~larger & (places)most));
    }
  *(vector *)(y + c) = most;
  *(places *)(chosen + c) = place;
}

static void pool_window(const float *x, float *y, int32_t *chosen, hd_windows w, overlap at) {
  long first = 0;
  for (; first + LANES <= w.channels; first += LANES) pool_vector(x, y, chosen, w, at, first);
  for (long c = first; c < w.channels; c++) {
    y[c] = -INFINITY;
    chosen[c] = at.top * w.size + at.left;
    for (int r = at.top; r < at.bottom; r++)
      for (int s = at.left; s < at.right; s++) {
        const float cell = x[under(w, at, r) + (size_t)(s - at.left) * (size_t)w.channels + (size_t)c];
        chosen[c] = cell > y[c] ? r * w.size + s : chosen[c];
        y[c] = cell > y[c] ? cell : y[c];
      }
  }
}

static void cpu_max_pool(hd_ops *o, const float *x, float *y, int32_t *chosen, long images, hd_windows w) {
  (void)o;
  const long down = hd_windows_down(w), across = hd_windows_across(w);
#pragma omp parallel for collapse(2)
  for (long i = 0; i < images; i++)
    for (long d = 0; d < down; d++)
      for (long a = 0; a < across; a++) {
        const size_t out = (size_t)((i * down + d) * across + a) * (size_t)w.channels;
        pool_window(x + (size_t)i * pixels(w), y + out, chosen + out, w, overlap_of(w, d, a));
      }
}

// Windows that do not overlap write each pixel under them once, channels side by side; others add up.
static void pool_window_backward(const float *dy, const int32_t *chosen, float *d_x, hd_windows w,
                                 overlap at) {
  for (int r = at.top; r < at.bottom; r++)
    for (int s = at.left; s < at.right; s++) {
      float *cell = d_x + under(w, at, r) + (size_t)(s - at.left) * (size_t)w.channels;
      const int32_t me = r * w.size + s;
      if (w.stride >= w.size) {
#pragma omp simd
        for (int c = 0; c < w.channels; c++) cell[c] = chosen[c] == me ? dy[c] : 0;
      } else {
#pragma omp simd
        for (int c = 0; c < w.channels; c++) cell[c] += chosen[c] == me ? dy[c] : 0;
      }
    }
}

static void cpu_max_pool_backward(hd_ops *o, const float *dy, const int32_t *chosen, float *d_x, long images,
                                  hd_windows w) {
  (void)o;
  const long down = hd_windows_down(w), across = hd_windows_across(w);
  const bool tiled =
      w.stride == w.size && w.padding == 0 && w.height == down * w.size && w.width == across * w.size;
#pragma omp parallel for
  for (long i = 0; i < images; i++) {
    float *image = d_x + (size_t)i * pixels(w);
    if (!tiled) memset(image, 0, pixels(w) * sizeof *image);
    for (long d = 0; d < down; d++)
      for (long a = 0; a < across; a++) {
        const size_t at = (size_t)((i * down + d) * across + a) * (size_t)w.channels;
        pool_window_backward(dy + at, chosen + at, image, w, overlap_of(w, d, a));
      }
  }
}

static void cpu_convolve(hd_ops *o, const float *x, const float *filter, const float *bias, float *y,
                         long images, hd_windows w, long filters, bool relu) {
  (void)o;
  hd_convolve(x, filter, bias, y, images, w, filters, relu);
}

static void cpu_convolve_images(hd_ops *o, const float *dy, const float *filter, float *d_x, long images,
                                hd_windows w, long filters) {
  (void)o;
  hd_convolve_images(dy, filter, d_x, images, w, filters);
}

static void cpu_convolve_filters(hd_ops *o, const float *x, const float *dy, float *d_filter, long images,
                                 hd_windows w, long filters, bool accumulate) {
  (void)o;
  hd_convolve_filters(x, dy, d_filter, images, w, filters, accumulate);
}

void hd_cpu_image_operations(hd_ops *o) {
  o->unfold = cpu_unfold;
  o->fold = cpu_fold;
  o->convolve = cpu_convolve;
  o->convolve_images = cpu_convolve_images;
  o->convolve_filters = cpu_convolve_filters;
  o->max_pool = cpu_max_pool;
  o->max_pool_backward = cpu_max_pool_backward;
}
