// SPDX-License-Identifier: MIT
// CUDA's header of this name, for machines without a GPU: the host API everywhere, and in C++ the device
// language.
#ifndef CUSIM_CUDA_RUNTIME_H
#define CUSIM_CUDA_RUNTIME_H
#define __CUDA_RUNTIME_H__  // programs ask by this name whether the header was read
#include "cuda_runtime_api.h"
#include "vector_functions.h"
#include "vector_types.h"

#ifdef __cplusplus
#include <assert.h>
#include <stdio.h>

#include "cusim/device.h"
#include "cusim/launch.h"
#include "cusim/math.h"

// Outside the source step (a host compiler that reads a CUDA header) the qualifiers mean nothing.
#ifndef __CUDACC__
#define __host__
#define __device__
#define __global__
#endif
#endif
#endif
