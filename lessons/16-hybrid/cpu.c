// SPDX-License-Identifier: MIT
// The densities by the CPU: rows in the lanes of vectors, all particles of the window past them.
#include <omp.h>
#include <string.h>

#include "cloud.h"
#include "heddle/device.h"
#include "heddle/roof.h"
#include "heddle/simd.h"

// Independent chains of additions, so that no FMA waits for the one before it.
enum { VECTORS = 4, ROWS = VECTORS * HD_WIDTH };

typedef struct rows {
  hd_floats x[VECTORS], y[VECTORS], z[VECTORS];
} rows;

// Rows beyond the last are copies of it.
static rows load_rows(const cloud *c, long first) {
  float x[ROWS], y[ROWS], z[ROWS];
  rows r;
  for (long k = 0; k < ROWS; k++) {
    const particle p = c->particles[first + k < c->n ? first + k : c->n - 1];
    x[k] = p.x;
    y[k] = p.y;
    z[k] = p.z;
  }
  memcpy(r.x, x, sizeof x);
  memcpy(r.y, y, sizeof y);
  memcpy(r.z, z, sizeof z);
  return r;
}

// Σ mass · max(0, 1 − distance²)³
static void density_of_rows(const cloud *c, long first, window near) {
  const rows r = load_rows(c, first);
  hd_floats sum[VECTORS] = {{0}};
  for (int j = near.low; j < near.high; j++) {
    const particle q = c->particles[j];
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) {
      const hd_floats dx = r.x[v] - q.x, dy = r.y[v] - q.y, dz = r.z[v] - q.z;
      const hd_floats inside = 1 - (dx * dx + dy * dy + dz * dz);
      const hd_floats w = (hd_floats)((inside > 0) & (hd_ints)inside);
      sum[v] += q.mass * w * (w * w);
    }
  }
  const long left = c->n - first;
  memcpy(c->density + first, sum, (size_t)(left < ROWS ? left : ROWS) * sizeof(float));
}

static void density_of_tile(const cloud *c, long t) {
  for (long first = t * TILE; first < (t + 1) * TILE && first < c->n; first += ROWS)
    density_of_rows(c, first, c->windows[t]);
}

void run_serial(hd_case *c) {
  const cloud *s = c->state;
  for (long t = 0; t < s->tiles; t++) density_of_tile(s, t);
}

// Tiles are unequal, so threads take the next one when they are done (lesson 02).
void cpu_density(const cloud *c, long from, long to) {
#pragma omp parallel for schedule(dynamic)
  for (long t = from; t < to; t++) density_of_tile(c, t);
}

void run_openmp(hd_case *c) {
  const cloud *s = c->state;
  cpu_density(s, 0, s->tiles);
}

// ---------------------------------------------------------------- beside a simulated GPU

// Cores of a server with AVX2 at 3 GHz: a peak of 96 GFLOP/s each, of which this problem reaches half.
enum { DECLARED_CORES = 16 };
double cpu_declared_flops = DECLARED_CORES * 48e9;
static const double REACHED = 0.5;
static const double REGION_S = 1e-6;  // to wake the threads and to wait for them

void cpu_shared_density(const cloud *c, long from, long to) {
  if (from >= to) return;
  cpu_density(c, from, to);
  hd_device_host_works(REGION_S + PAIR_FLOPS * cloud_pairs(c, from, to) / cpu_declared_flops);
}

double cpu_nominal_flops(void) {
  return hd_device_simulated() ? cpu_declared_flops / REACHED : hd_roof_flops_best(omp_get_max_threads());
}

long cpu_shared_workers(void) {
  return hd_device_simulated() ? DECLARED_CORES : omp_get_max_threads();
}
