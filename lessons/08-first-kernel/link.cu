// SPDX-License-Identifier: MIT
// The link between host and GPU as a line: what the rungs that move data are held against.
#include "heddle/device.h"
#include "heddle/stats.h"
#include "saxpy.h"

// Mean seconds of a copy of `bytes` to the GPU. A long copy in front keeps the stream busy until the host has
// issued all of them: else a short copy's time would be that of its issue.
static double copy_seconds(char *to, const char *from, size_t bytes, size_t room) {
  enum { COPIES = 8 };
  cudaEvent_t start, stop;
  float ms = 0;
  HD_CUDA(cudaEventCreate(&start));
  HD_CUDA(cudaEventCreate(&stop));
  HD_CUDA(cudaMemcpyAsync(to, from, room, cudaMemcpyHostToDevice, 0));
  HD_CUDA(cudaEventRecord(start, 0));
  for (int i = 0; i < COPIES; i++) HD_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, 0));
  HD_CUDA(cudaEventRecord(stop, 0));
  HD_CUDA(cudaEventSynchronize(stop));
  HD_CUDA(cudaEventElapsedTime(&ms, start, stop));
  HD_CUDA(cudaEventDestroy(start));
  HD_CUDA(cudaEventDestroy(stop));
  return ms * 1e-3 / COPIES;
}

saxpy_link host_link(void) {
  enum { SIZES = 5, ROOM = 16 << 20 };
  static saxpy_link link;
  if (link.bytes_per_s > 0) return link;
  double bytes[SIZES], seconds[SIZES];
  char *here, *there;
  HD_CUDA(cudaMallocHost((void **)&here, ROOM));
  HD_CUDA(cudaMalloc((void **)&there, ROOM));
  for (int i = 0; i < SIZES; i++) {
    bytes[i] = (double)((size_t)ROOM >> (4 * (SIZES - 1 - i)));
    seconds[i] = copy_seconds(there, here, (size_t)bytes[i], ROOM);
  }
  hd_fit_alpha_beta(bytes, seconds, SIZES, &link.alpha_s, &link.bytes_per_s);
  HD_CUDA(cudaFree(there));
  HD_CUDA(cudaFreeHost(here));
  return link;
}
