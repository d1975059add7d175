// SPDX-License-Identifier: MIT
#include "kernels/jacobi/jacobi.h"

#include <stdlib.h>

#include "heddle/error.h"

void hd_jacobi_block(const float *from, float *to, long pitch, long rows, long columns) {
  for (long i = 0; i < rows; i++) {
    const float *row = from + i * pitch, *above = row - pitch, *below = row + pitch;
    float *out = to + i * pitch;
#pragma omp simd
    for (long j = 0; j < columns; j++) out[j] = 0.25f * ((above[j] + below[j]) + (row[j - 1] + row[j + 1]));
  }
}

void hd_jacobi_fill(float *grid, size_t count, uint64_t seed) {
#pragma omp parallel for schedule(static)
  for (size_t i = 0; i < count; i++) {
    const uint64_t mixed = (i + seed) * 0x9e3779b97f4a7c15u;
    grid[i] = (float)(mixed >> 40) * 0x1p-24f;
  }
}

static void sweep(const double *from, double *to, long pitch, long rows, long columns) {
#pragma omp parallel for schedule(static)
  for (long i = 0; i < rows; i++)
    for (long j = 0; j < columns; j++) {
      const double *x = from + i * pitch + j;
      to[i * pitch + j] = (x[-1] + x[1] + x[-pitch] + x[pitch]) / 4;
    }
}

void hd_jacobi_reference(const float *initial, double *result, size_t count, size_t first, long pitch,
                         long rows, long columns, int sweeps) {
  double *other = hd_alloc(count, sizeof *other);
#pragma omp parallel for schedule(static)
  for (size_t i = 0; i < count; i++) result[i] = other[i] = initial[i];
  double *grids[2] = {result + first, other + first};
  // The last one ends in `result`.
  for (int k = 0; k < sweeps; k++)
    sweep(grids[(sweeps - k) % 2], grids[(sweeps - k + 1) % 2], pitch, rows, columns);
  free(other);
}
