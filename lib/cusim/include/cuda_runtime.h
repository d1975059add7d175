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
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#endif

// The device language is for .cu files only: a host compiler that reads this header has its own min and max.
#ifdef __CUDACC__
#include "cusim/access.h"
#include "cusim/atomic.h"
#include "cusim/device.h"
#include "cusim/integer.h"
#include "cusim/launch.h"
#include "cusim/math.h"
#include "cusim/rounding.h"
#include "cusim/video.h"
#else
#define __host__
#define __device__
#define __global__
#define __constant__
#define __shared__
#define __forceinline__ __inline__ __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(bytes) __attribute__((aligned(bytes)))
#endif
#endif
