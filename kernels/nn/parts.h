// SPDX-License-Identifier: MIT
// The table of operations is filled in parts: one function per file, each setting the pointers of its own
// operations.
#ifndef HEDDLE_KERNELS_NN_PARTS_H
#define HEDDLE_KERNELS_NN_PARTS_H
#include <heddle/ops.h>

#ifdef __cplusplus
extern "C" {
#endif

// unfold, fold, max_pool and its backward
void hd_cpu_image_operations(hd_ops *o);
void hd_cuda_image_operations(hd_ops *o);
// layer_norm, embed, attention and their backwards
void hd_cpu_sequence_operations(hd_ops *o);
void hd_cuda_sequence_operations(hd_ops *o);

#ifdef __cplusplus
}
#endif
#endif
