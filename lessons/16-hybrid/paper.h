// SPDX-License-Identifier: MIT
// What a CPU and a GPU that share one problem take, on paper.
#ifndef HEDDLE_LESSON_16_PAPER_H
#define HEDDLE_LESSON_16_PAPER_H

#ifdef __cplusplus
extern "C" {
#endif

// Each alone.
typedef struct speeds {
  double pairs;            // of the whole problem
  double cpu, gpu;         // pairs per second
  double alpha, up, down;  // a copy's fixed part; the whole problem's particles and densities, without it
  double issue;            // what the host spends to hand the whole problem to the GPU
  double chunk;            // the rows of one of the GPU's chunks, as a share of all
} speeds;

// The share of the rows that holds this share of the work, from the dense end on: a row's work falls in a
// straight line to nothing, so the rest of the rows holds the square of their share.
double paper_rows(double work);

// Seconds if the GPU takes the dense end with this share of the work: the slower of the two. The GPU's copies
// lie beside its kernels, but for the first chunk's up and the last one's down (`chunk`: the rows' share of
// each).
double paper_time(const speeds *s, double share);

// The share at which paper_time is smallest.
double paper_best_share(const speeds *s);

// Nothing is faster than both working all the time.
double paper_bound(const speeds *s);

#ifdef __cplusplus
}
#endif
#endif
