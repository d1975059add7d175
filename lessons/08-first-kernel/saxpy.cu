// SPDX-License-Identifier: MIT
// The first kernel.
#include "heddle/device.h"
#include "saxpy.h"

// This function runs on the GPU, once for each thread of the launch. The threads differ in blockIdx and
// threadIdx only: from these each computes which element is its own. The loop of the CPU is gone: the launch
// is the loop.
static __global__ void saxpy_kernel(long n, float a, const float *x, float *y) {
  const long i = (long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    y[i] = a * x[i] + y[i];  // the last block is rarely full: its other threads must not touch anything
}

// A launch names how many blocks there are of how many threads. Threads of a block: a multiple of 32, because
// the GPU executes 32 at a time (a warp); 128 to 256 let many blocks share a multiprocessor. Blocks: enough
// for all elements, rounded up, and at least one, because an empty grid is an error.
void launch_saxpy(long n, float a, const float *x, float *y) {
  const long threads = 256, blocks = n > 0 ? (n + threads - 1) / threads : 1;
  saxpy_kernel<<<(unsigned)blocks, (unsigned)threads>>>(n, a, x, y);
  HD_LAUNCHED();  // a launch returns nothing: who wants to know whether it began has to ask
}
