// SPDX-License-Identifier: MIT
// What a pipeline of equal chunks takes, on paper.
#ifndef HEDDLE_LESSON_15_PAPER_H
#define HEDDLE_LESSON_15_PAPER_H

#ifdef __cplusplus
extern "C" {
#endif

// Seconds of one piece, each alone on the device.
typedef struct piece_costs {
  double issue;                     // what one call costs the host
  double upload, kernel, download;  // of a chunk
  double kernel_share;              // of the SMs that it has blocks for: two halves can run side by side
  // The part of each that does not shrink with the chunk.
  double upload_alpha, kernel_alpha, download_alpha;
  double joined;  // all pieces' arithmetic in one kernel (parts KERNELS and GRAPH)
  // Kernels that do nothing, each behind the one before it, per kernel: launched one by one, and by a graph.
  double empty_launch, empty_node;
} piece_costs;

// How many kernels of this share run at once.
int paper_width(double kernel_share);

// Where `buffers` chunks can be on the device at once and each engine takes them in turn: exact. With one
// buffer this is a single stream.
double paper_pipeline(const piece_costs *c, int chunks, int buffers);

// The same with buffers enough and a host fast enough, in closed form: fill and drain + the slowest engine.
// No schedule of these chunks is shorter.
double paper_bound(const piece_costs *c, int chunks);

// The number of chunks that makes paper_bound smallest, if `c` holds for `chunks` of them: more chunks
// shorten fill and drain and cost the slowest engine its alpha each.
double paper_best_chunks(const piece_costs *c, int chunks);

// Kernels of which `width` can run at once, in the order in which the host launches them.
double paper_kernels(const piece_costs *c, int kernels, int width);

#ifdef __cplusplus
}
#endif
#endif
