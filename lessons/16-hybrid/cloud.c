// SPDX-License-Identifier: MIT
// The cloud: where its particles are, which of them may be near a tile, and their densities in double
// precision.
#include "cloud.h"

#include <math.h>
#include <stdlib.h>

#include "heddle/error.h"
#include "heddle/random.h"

static const float WIDTH = 4;  // of the cloud across x, in both directions

// Sorted without sorting: the i-th particle is drawn from the i-th n-th of the distribution.
static void draw(cloud *c, uint64_t seed) {
  const double length = (double)c->n / MEAN_WINDOW;
#pragma omp parallel for
  for (long i = 0; i < c->n; i++) {
    const uint64_t at = (uint64_t)i;
    const double before = ((double)i + hd_random_uniform(seed, 0, at)) / (double)c->n;
    c->particles[i] = (particle){.x = (float)(-length * log1p(-before)),
                                 .y = WIDTH * hd_random_uniform(seed, 1, at),
                                 .z = WIDTH * hd_random_uniform(seed, 2, at),
                                 .mass = 0.5f + hd_random_uniform(seed, 3, at)};
  }
}

// A little more than 1, so that no rounding leaves out a pair that counts.
static const float REACH = 1.001f;

// Both ends only move forward.
static void find_windows(cloud *c) {
  long low = 0, high = 0;
  c->pairs_before[0] = 0;
  for (long t = 0; t < c->tiles; t++) {
    const long first = t * TILE, end = first + TILE < c->n ? first + TILE : c->n;
    while (c->particles[low].x < c->particles[first].x - REACH) low++;
    while (high < c->n && c->particles[high].x <= c->particles[end - 1].x + REACH) high++;
    c->windows[t] = (window){(int)low, (int)high};
    c->pairs_before[t + 1] = c->pairs_before[t] + (double)(end - first) * (double)(high - low);
  }
}

void cloud_open(cloud *c, long n, uint64_t seed) {
  const long tiles = (n + TILE - 1) / TILE;
  *c = (cloud){.n = n,
               .tiles = tiles,
               .particles = hd_alloc((size_t)n, sizeof(particle)),
               .windows = hd_alloc((size_t)tiles, sizeof(window)),
               .pairs_before = hd_alloc((size_t)tiles + 1, sizeof(double)),
               .density = hd_alloc((size_t)n, sizeof(float))};
  draw(c, seed);
  find_windows(c);
}

void cloud_close(cloud *c) {
  free(c->particles);
  free(c->windows);
  free(c->pairs_before);
  free(c->density);
}

double cloud_pairs(const cloud *c, long from, long to) {
  return c->pairs_before[to] - c->pairs_before[from];
}

long cloud_tile_at(const cloud *c, double share) {
  const double wanted = share * c->pairs_before[c->tiles];
  long low = 0, high = c->tiles;
  while (low < high) {
    const long middle = (low + high) / 2;
    if (c->pairs_before[middle] < wanted)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// Each particle by itself, with the neighbours it finds in its own window.
static double density_at(const cloud *c, long i, long *neighbours) {
  const particle p = c->particles[i];
  double sum = 0;
  long near = 0;
  for (int side = 0; side < 2; side++) {
    const long step = side ? 1 : -1;
    for (long j = side ? i : i - 1; j >= 0 && j < c->n; j += step) {
      const particle q = c->particles[j];
      const double dx = (double)p.x - q.x, dy = (double)p.y - q.y, dz = (double)p.z - q.z;
      if (fabs(dx) > 1) break;
      const double w = 1 - (dx * dx + dy * dy + dz * dz);
      if (w <= 0) continue;
      sum += q.mass * w * w * w;
      near++;
    }
  }
  *neighbours = near;
  return sum;
}

void cloud_reference(cloud *c, double *expected) {
  long most = 0;
#pragma omp parallel for schedule(dynamic, TILE) reduction(max : most)
  for (long i = 0; i < c->n; i++) {
    long neighbours;
    expected[i] = density_at(c, i, &neighbours);
    if (neighbours > most) most = neighbours;
  }
  c->most_neighbours = most;
}
