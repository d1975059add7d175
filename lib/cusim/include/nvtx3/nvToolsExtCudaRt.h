// SPDX-License-Identifier: MIT
// NVTX's names for CUDA's own objects: taken, and not shown.
#ifndef CUSIM_NVTOOLSEXTCUDART_H
#define CUSIM_NVTOOLSEXTCUDART_H
#include "cuda_runtime_api.h"
#include "nvToolsExt.h"

static inline void nvtxNameCudaDeviceA(int device, const char *name) {
  (void)device, (void)name;
}
static inline void nvtxNameCudaStreamA(cudaStream_t stream, const char *name) {
  (void)stream, (void)name;
}
static inline void nvtxNameCudaEventA(cudaEvent_t event, const char *name) {
  (void)event, (void)name;
}
#define nvtxNameCudaDevice nvtxNameCudaDeviceA
#define nvtxNameCudaStream nvtxNameCudaStreamA
#define nvtxNameCudaEvent nvtxNameCudaEventA
#endif
