// SPDX-License-Identifier: MIT
// One computation for all three parts: every element of an array moves towards 1, a 4096th of the way per
// step. Many steps are much arithmetic on few bytes, one step is next to none.
#ifndef HEDDLE_LESSON_15_RELAX_H
#define HEDDLE_LESSON_15_RELAX_H
#include "heddle/bench.h"
#include "paper.h"

#ifdef __cplusplus
extern "C" {
#endif

// v ← KEEP · v + REST; both are exact in single precision, and after n steps 1 − v is KEEPⁿ of what it was.
#define RELAX_KEEP (4095.0f / 4096.0f)
#define RELAX_REST (1.0f / 4096.0f)

// The three parts of the lesson; what --size counts is the pieces that one array's work is cut into.
enum part {
  PIPELINE,  // chunks of an array that lives on the host
  KERNELS,   // arrays on the GPU, a kernel each, that do not read each other's results
  GRAPH      // steps of one small array on the GPU, a kernel each, that do
};

enum {
  ARRAY = 16384,       // elements of one of the KERNELS' arrays: 16 blocks, an eighth of an H200's SMs
  EACH = 4,            // elements of a thread: independent chains, so that no FMA waits for the one before it
  BLOCK = 256,         // threads
  TINY = EACH * BLOCK  // elements of GRAPH's array: one block
};

// One case. x and y are pageable host memory of `elements`; what `place` makes hangs on gpu.
typedef struct relaxation {
  enum part part;
  long elements;
  int steps;  // of every element, in all
  float *x, *y;
  piece_costs cost;  // between place and the end: measured by place
  void *gpu;
} relaxation;

hd_run run_serial, run_openmp;  // cpu.c

// relax.cu: y ← x after `steps` steps, on a stream (NULL: the default stream); x may be y. Nothing for n = 0.
void relax_on(void *stream, const float *x, float *y, long n, int steps);
double relax_share(long n);        // of the current GPU's SMs that get a block of it
const void *relax_function(void);  // its kernel, for who launches it by its address

// pipeline.cu, in reading order
hd_run pipeline_place, pipeline_collect, pipeline_release;
hd_run run_one_stream, run_streams_2, run_streams_3, run_streams_4;
hd_run run_breadth_first, run_by_engine, run_pageable, run_default_stream;
hd_run run_wrong_no_event, run_wrong_one_buffer;

// kernels.cu and graph.cu share their arrays
hd_run arrays_place, arrays_collect, arrays_release;
hd_run run_kernels_1, run_kernels_2, run_kernels_8, run_kernels_32, run_kernels_joined;
hd_run prepare_graph;  // untimed, before run_graph and run_updated
hd_run run_chain, run_graph, run_updated, run_fused;

#ifdef __cplusplus
}
#endif
#endif
