// SPDX-License-Identifier: MIT
// The two sides of the operation table that training runs on (heddle/train.h): OpenMP loops and CUDA kernels.
// Matrix products are Heddle's own SGEMM on the CPU and cuBLAS on a GPU.
#ifndef HEDDLE_KERNELS_NN_OPS_H
#define HEDDLE_KERNELS_NN_OPS_H
#include <heddle/train.h>

#ifdef __cplusplus
extern "C" {
#endif

// Operations on host memory by the calling thread's OpenMP threads. End with ops->close.
hd_ops *hd_ops_cpu(void);

// Operations on the calling thread's current device, all issued to `stream` (a cudaStream_t; NULL: the
// default stream). Only the thread that made it may use it. End with ops->close. Exists only in builds with
// CUDA or cusim.
hd_ops *hd_ops_cuda(void *stream);

// The one or the other, for code that runs in both places; ends the process in builds without CUDA if on_gpu.
hd_ops *hd_ops_open(bool on_gpu, void *stream);

#ifdef __cplusplus
}
#endif
#endif
