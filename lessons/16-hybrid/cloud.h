// SPDX-License-Identifier: MIT
// The problem that CPU and GPU share: how dense is a cloud of particles at each of its particles? (The
// summation of smoothed-particle hydrodynamics.) Particles are sorted along x, a tile of them is a unit of
// work, and a tile's work hangs on how many particles are near it.
#ifndef HEDDLE_LESSON_16_CLOUD_H
#define HEDDLE_LESSON_16_CLOUD_H
#include "heddle/bench.h"
#include "paper.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  TILE = 256,          // particles whose densities are computed together: a block of threads
  MEAN_WINDOW = 1024,  // particles within a distance of 1 along x, in the mean
  PAIR_FLOPS = 13      // what one pair of particles costs
};

// Lengths are in units of the radius beyond which a particle adds nothing.
typedef struct particle {
  float x, y, z, mass;
} __attribute__((aligned(16))) particle;

// The particles that may be near one of a tile: low ≤ j < high. What else is in it adds an exact zero.
typedef struct window {
  int low, high;
} window;

typedef struct cloud {
  long n, tiles;
  particle *particles;
  window *windows;       // of each tile
  double *pairs_before;  // tiles + 1: pairs of all tiles before this one
  float *density;        // the result, n
  long most_neighbours;  // of any particle; known from the reference
  speeds speed;          // measured by gpu_place
  void *gpu;
} cloud;

// A cloud that thins out exponentially along x, as a galaxy's disc does with its radius: a tile's work falls
// in a straight line, to nothing.
void cloud_open(cloud *c, long n, uint64_t seed);
void cloud_close(cloud *c);
void cloud_reference(cloud *c, double *expected);
double cloud_pairs(const cloud *c, long from, long to);  // of these tiles
long cloud_tile_at(const cloud *c, double share);        // before it lies this share of all pairs

// cpu.c. The densities of tiles from ≤ t < to, by all threads of OpenMP.
void cpu_density(const cloud *c, long from, long to);
hd_run run_serial, run_openmp;

// The CPU beside a simulated GPU. Its time is no measurement: cpu_shared_density also lets the virtual clock
// go on by what the tiles would take at cpu_declared_flops. Beside a real GPU it is cpu_density.
extern double cpu_declared_flops;  // FLOP/s of all its cores, on this problem
void cpu_shared_density(const cloud *c, long from, long to);
double cpu_nominal_flops(void);  // the peak that one would read off a data sheet
long cpu_shared_workers(void);   // its cores

// gpu.cu: particles and densities in pinned memory, streams, and what CPU and GPU do alone.
hd_run gpu_place, gpu_collect, gpu_release;

// static.cu and dynamic.cu, in reading order
hd_run run_cpu, run_gpu, run_gpu_chunks;
hd_run run_half, run_nominal, run_measured, run_by_work, run_dynamic, run_guided;
hd_run search_place, run_searched;
hd_run run_blocking, run_wrong_seam;

#ifdef __cplusplus
}
#endif
#endif
