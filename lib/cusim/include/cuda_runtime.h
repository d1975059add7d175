// SPDX-License-Identifier: MIT
// CUDA's header of this name, for machines without a GPU: the host API everywhere, and in C++ the device
// language.
#ifndef CUSIM_CUDA_RUNTIME_H
#define CUSIM_CUDA_RUNTIME_H
#define __CUDA_RUNTIME_H__  // programs ask by this name whether the header was read
#include "cuda_runtime_api.h"
#include "driver_functions.h"
#include "vector_functions.h"
#include "vector_types.h"

#ifdef __cplusplus
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#endif

#ifdef __cplusplus
// As CUDA 12 and 13 have it, and as CUDA 11 had it.
inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph,
                                        unsigned long long flags = 0) {
  return cudaGraphInstantiateWithFlags(exec, graph, flags);
}
inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, cudaGraphNode_t *node,
                                        char *log, size_t) {
  if (node) *node = nullptr;
  if (log) *log = 0;
  return cudaGraphInstantiateWithFlags(exec, graph, 0);
}
inline cudaError_t cudaGraphAddDependencies(cudaGraph_t graph, const cudaGraphNode_t *from,
                                            const cudaGraphNode_t *to, const void *, size_t count) {
  return cudaGraphAddDependencies(graph, from, to, count);
}
inline cudaError_t cudaGraphExecUpdate(cudaGraphExec_t exec, cudaGraph_t graph, cudaGraphNode_t *node,
                                       cudaGraphExecUpdateResult *result) {
  cudaGraphExecUpdateResultInfo info;
  const cudaError_t error = cudaGraphExecUpdate(exec, graph, &info);
  if (node) *node = info.errorNode;
  if (result) *result = info.result;
  return error;
}
inline cudaError_t cudaEventCreate(cudaEvent_t *event, unsigned flags) {
  return cudaEventCreateWithFlags(event, flags);
}
template <class T>
inline cudaError_t cudaMallocHost(T **p, size_t bytes, unsigned flags) {
  return cudaHostAlloc((void **)(void *)p, bytes, flags);
}
#endif

// The device language is for .cu files only: a host compiler that reads this header has its own min and max.
#ifdef __CUDACC__
#include "cusim/access.h"
#include "cusim/atomic.h"
#include "cusim/atomic_builtin.h"
#include "cusim/device.h"
#include "cusim/integer.h"
#include "cusim/launch.h"
#include "cusim/math.h"
#include "cusim/ptx.h"
#include "cusim/ptx_matrix.h"
#include "cusim/rounding.h"
#include "cusim/texture.h"
#include "cusim/video.h"
#else
#define __host__
#define __device__
#define __global__
#define __constant__
#define __shared__
#define __forceinline__ __inline__ __attribute__((always_inline))
#define __align__(bytes) __attribute__((aligned(bytes)))
#endif
#endif
