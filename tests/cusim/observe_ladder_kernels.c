// SPDX-License-Identifier: MIT
// The published SGEMM ladder's shapes and three transposes, built with the compiler's hooks.
#include "observe_ladder.h"

typedef float quad __attribute__((vector_size(16), may_alias));

void sgemm_naive(const float *a, const float *b, float *c, int n) {
  unsigned row = block_index.x * 32 + thread_index.x, column = block_index.y * 32 + thread_index.y;
  float sum = 0;
  for (int k = 0; k < n; k++) sum += a[row * n + k] * b[k * n + column];
  c[row * n + column] = sum;
}

void sgemm_coalesced(const float *a, const float *b, float *c, int n) {
  unsigned row = block_index.x * 32 + thread_index.x / 32, column = block_index.y * 32 + thread_index.x % 32;
  float sum = 0;
  for (int k = 0; k < n; k++) sum += a[row * n + k] * b[k * n + column];
  c[row * n + column] = sum;
}

void sgemm_shared(const float *a, const float *b, float *c, int n) {
  enum { SIDE = 32 };
  unsigned row = thread_index.x / SIDE, column = thread_index.x % SIDE;
  a += block_index.x * SIDE * n;
  b += block_index.y * SIDE;
  c += block_index.x * SIDE * n + block_index.y * SIDE;
  float sum = 0;
  for (int from = 0; from < n; from += SIDE) {
    tile_a[row * SIDE + column] = a[row * n + column];
    tile_b[row * SIDE + column] = b[row * n + column];
    barrier();
    a += SIDE;
    b += SIDE * n;
    for (unsigned k = 0; k < SIDE; k++) sum += tile_a[row * SIDE + k] * tile_b[k * SIDE + column];
    barrier();
  }
  c[row * n + column] = sum;
}

void sgemm_tile1d(const float *a, const float *b, float *c, int n) {
  enum { SIDE = 64, DEPTH = 8, ROWS = 8 };
  unsigned me = thread_index.x, column = me % SIDE, row = me / SIDE;
  a += block_index.y * SIDE * n;
  b += block_index.x * SIDE;
  c += block_index.y * SIDE * n + block_index.x * SIDE;
  float sum[ROWS] = {0};
  for (int from = 0; from < n; from += DEPTH) {
    tile_a[me] = a[me / DEPTH * n + me % DEPTH];
    tile_b[me] = b[me / SIDE * n + me % SIDE];
    barrier();
    a += DEPTH;
    b += DEPTH * n;
    for (unsigned k = 0; k < DEPTH; k++) {
      float from_b = tile_b[k * SIDE + column];
      for (unsigned i = 0; i < ROWS; i++) sum[i] += tile_a[(row * ROWS + i) * DEPTH + k] * from_b;
    }
    barrier();
  }
  for (unsigned i = 0; i < ROWS; i++) c[(row * ROWS + i) * n + column] = sum[i];
}

void sgemm_tile2d(const float *a, const float *b, float *c, int n) {
  enum { SIDE = 128, DEPTH = 8, PATCH = 8, THREADS = 256 };
  unsigned me = thread_index.x, column = me % (SIDE / PATCH) * PATCH, row = me / (SIDE / PATCH) * PATCH;
  a += block_index.y * SIDE * n;
  b += block_index.x * SIDE;
  c += block_index.y * SIDE * n + block_index.x * SIDE;
  float sum[PATCH][PATCH] = {{0}}, from_a[PATCH], from_b[PATCH];
  for (int from = 0; from < n; from += DEPTH) {
    for (unsigned i = me; i < SIDE * DEPTH; i += THREADS) tile_a[i] = a[i / DEPTH * n + i % DEPTH];
    for (unsigned i = me; i < SIDE * DEPTH; i += THREADS) tile_b[i] = b[i / SIDE * n + i % SIDE];
    barrier();
    a += DEPTH;
    b += DEPTH * n;
    for (unsigned k = 0; k < DEPTH; k++) {
      for (unsigned i = 0; i < PATCH; i++) from_a[i] = tile_a[(row + i) * DEPTH + k];
      for (unsigned j = 0; j < PATCH; j++) from_b[j] = tile_b[k * SIDE + column + j];
      for (unsigned i = 0; i < PATCH; i++) {
        for (unsigned j = 0; j < PATCH; j++) sum[i][j] += from_a[i] * from_b[j];
      }
    }
    barrier();
  }
  for (unsigned i = 0; i < PATCH; i++) {
    for (unsigned j = 0; j < PATCH; j++) c[(row + i) * n + column + j] = sum[i][j];
  }
}

// Rows of A become columns of its tile, four k at a time.
static inline void transpose_in(const float *a, int n, unsigned side, unsigned row, unsigned k) {
  quad v = *(const quad *)&a[row * n + k];
  for (unsigned i = 0; i < 4; i++) tile_a[(k + i) * side + row] = v[i];
}

static inline void store_quad(float *to, const float *from) {
  quad v = {from[0], from[1], from[2], from[3]};
  *(quad *)to = v;
}

void sgemm_vector(const float *a, const float *b, float *c, int n) {
  enum { SIDE = 128, DEPTH = 8, PATCH = 8 };
  unsigned me = thread_index.x, column = me % (SIDE / PATCH) * PATCH, row = me / (SIDE / PATCH) * PATCH;
  a += block_index.y * SIDE * n;
  b += block_index.x * SIDE;
  c += block_index.y * SIDE * n + block_index.x * SIDE;
  float sum[PATCH][PATCH] = {{0}}, from_a[PATCH], from_b[PATCH];
  for (int from = 0; from < n; from += DEPTH) {
    transpose_in(a, n, SIDE, me / (DEPTH / 4), me % (DEPTH / 4) * 4);
    *(quad *)&tile_b[me * 4] = *(const quad *)&b[me / (SIDE / 4) * n + me % (SIDE / 4) * 4];
    barrier();
    a += DEPTH;
    b += DEPTH * n;
    for (unsigned k = 0; k < DEPTH; k++) {
      for (unsigned i = 0; i < PATCH; i++) from_a[i] = tile_a[k * SIDE + row + i];
      for (unsigned j = 0; j < PATCH; j++) from_b[j] = tile_b[k * SIDE + column + j];
      for (unsigned i = 0; i < PATCH; i++) {
        for (unsigned j = 0; j < PATCH; j++) sum[i][j] += from_a[i] * from_b[j];
      }
    }
    barrier();
  }
  for (unsigned i = 0; i < PATCH; i++) {
    for (unsigned j = 0; j < PATCH; j += 4) store_quad(&c[(row + i) * n + column + j], &sum[i][j]);
  }
}

void sgemm_warptile(const float *a, const float *b, float *c, int n) {
  enum {
    SIDE = 128,
    DEPTH = 16,
    WARP_SIDE = 64,
    ROWS = 8,
    STRIPS = 4,
    STRIP = WARP_SIDE / STRIPS,
    THREADS = 128
  };
  unsigned me = thread_index.x, warp = me / 32, lane = me % 32;
  unsigned row = warp / 2 * WARP_SIDE + lane / 4 * ROWS, column = warp % 2 * WARP_SIDE + lane % 4 * 4;
  a += block_index.y * SIDE * n;
  b += block_index.x * SIDE;
  c += block_index.y * SIDE * n + block_index.x * SIDE;
  float sum[ROWS][STRIPS * 4] = {{0}}, from_a[ROWS], from_b[STRIPS * 4];
  for (int from = 0; from < n; from += DEPTH) {
    for (unsigned i = me; i < SIDE * DEPTH / 4; i += THREADS)
      transpose_in(a, n, SIDE, i / (DEPTH / 4), i % (DEPTH / 4) * 4);
    for (unsigned i = me; i < SIDE * DEPTH / 4; i += THREADS) {
      *(quad *)&tile_b[i * 4] = *(const quad *)&b[i / (SIDE / 4) * n + i % (SIDE / 4) * 4];
    }
    barrier();
    a += DEPTH;
    b += DEPTH * n;
    for (unsigned k = 0; k < DEPTH; k++) {
      for (unsigned i = 0; i < ROWS; i++) from_a[i] = tile_a[k * SIDE + row + i];
      for (unsigned j = 0; j < STRIPS * 4; j++) from_b[j] = tile_b[k * SIDE + column + j / 4 * STRIP + j % 4];
      for (unsigned i = 0; i < ROWS; i++) {
        for (unsigned j = 0; j < STRIPS * 4; j++) sum[i][j] += from_a[i] * from_b[j];
      }
    }
    barrier();
  }
  for (unsigned i = 0; i < ROWS; i++) {
    for (unsigned s = 0; s < STRIPS; s++) store_quad(&c[(row + i) * n + column + s * STRIP], &sum[i][4 * s]);
  }
}

void transpose_naive(const float *a, const float *b, float *c, int n) {
  (void)b;
  unsigned x = block_index.x * 32 + thread_index.x, y = block_index.y * 32 + thread_index.y;
  c[x * n + y] = a[y * n + x];
}

static inline void transpose_by_tile(const float *a, float *c, int n, unsigned pitch) {
  unsigned x = block_index.x * 32 + thread_index.x, y = block_index.y * 32 + thread_index.y;
  tile_a[thread_index.y * pitch + thread_index.x] = a[y * n + x];
  barrier();
  x = block_index.y * 32 + thread_index.x;
  y = block_index.x * 32 + thread_index.y;
  c[y * n + x] = tile_a[thread_index.x * pitch + thread_index.y];
}

void transpose_tiled(const float *a, const float *b, float *c, int n) {
  (void)b;
  transpose_by_tile(a, c, n, 32);
}

void transpose_padded(const float *a, const float *b, float *c, int n) {
  (void)b;
  transpose_by_tile(a, c, n, 33);
}
