// SPDX-License-Identifier: MIT
// References to textures, which CUDA 12 took away.
#include <cuda_runtime.h>
texture<float, 2, cudaReadModeElementType> picture;
__global__ void k(float *x) { x[0] = tex2D(picture, 1.0f, 2.0f); }
